"""Which keys of a row hold the question and which the answer, in the forms that the field uses.

Names are compared without case, blanks and hyphens. Keys that a form does not use are no part of
what the model sees; they are reported by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pawl.config.field_types import RowPart
from pawl.core.records import Message
from pawl.data.read.redaction import shown_name
from pawl.data.read.turns import (
    Turn,
    content_text,
    is_turns,
    json_text,
    parse_tools,
    parse_turns,
    text_of,
)

# Lists of turns, and the keys of question and answer in the order in which they are looked for.
CHATS = (
    "messages", "conversations", "conversation", "contents", "dialogue", "dialog", "chat", "turns",
)  # fmt: skip
PROMPTS = (
    "prompt", "instruction", "question", "sql_prompt", "query", "problem", "user", "human",
    "input", "inputs", "source", "text", "utterance", "sentence", "user_prompt", "request",
    "document", "article", "dialogue", "dialog",
)  # fmt: skip
ANSWERS = (
    "completion", "output", "response", "answer", "assistant", "solution", "sql", "gpt", "reply",
    "target", "targets", "label", "intent", "category", "query", "class", "label_text", "chosen",
    "summary", "highlights", "answers",
)  # fmt: skip
# Beside an instruction or a question: what it is about, and what stands before it.
INSTRUCTIONS = ("instruction", "question")
MATERIAL = ("input", "context", "sql_context", "passage")
SYSTEMS = ("system", "system_prompt", "system_message", "systeminstruction", "system_instruction")
TOOLS, HISTORY = ("tools", "functions"), "history"
# Pictures and sounds; pairs of a better and a worse answer; rows that are not to be learned.
OTHER_MEDIA = ("images", "image", "videos", "video", "audio", "audios", "pixel_values")
WORSE = "rejected"
ROW_WEIGHTS = ("weight", "loss_weight", "sample_weight")
# A column without a name is the row's number, as pandas writes it.
INDEX = ("", "unnamed:_0", "__index_level_0__")
# What other trainers show to the model where they find it.
SHOWN_BY_OTHERS = {
    *CHATS, *PROMPTS, *MATERIAL, *SYSTEMS, *TOOLS, HISTORY, "instructions", "documents", "choices",
    "options", "examples", "schema", "knowledge", "facts", "persona", "background",
}  # fmt: skip


class FormError(ValueError):
    """A row has no keys of a known form; `keys` are those that it has, as messages show them."""

    def __init__(self, row: Mapping[str, Any], reason: str = "") -> None:
        self.keys = tuple(map(shown_name, row))
        super().__init__(reason or "no question and answer are among its keys")


class Read(NamedTuple):
    """The turns of a row, the keys that they are made from, and the form's name."""

    turns: list[Turn]
    used: set[str]
    form: str


def read_form(row: dict[str, Any], columns: Mapping[RowPart, str], notes: set[str]) -> Read:
    """Return a row's turns, ending with its answer; raise `ValueError` with the reason.

    Args:
        row: the row's keys and values.
        columns: the row's keys by what they are: prompt, completion, messages, system, tools.
        notes: what is read and not used is added here.
    """
    names = {plain_name(key): key for key in row if row[key] is not None}
    if columns:
        names = _renamed(names, row, columns)
    _refuse(names, row)
    chat = next((name for name in CHATS if name in names and not _is_said(name, names, row)), None)
    if chat and ("prompt" in names or "completion" in names):
        both = "has 'messages' and also 'prompt' or 'completion'"
        raise ValueError(both.replace("messages", chat))
    if chat:
        turns, used = _chat(row[names[chat]], names[chat], notes), {names[chat]}
    else:
        turns, used = _question_and_answer(row, names, notes)
    # As the field marks answers for training on preferences; a label may also be the answer.
    if names.get("label") not in (None, *used) and row[names["label"]] is False:
        raise ValueError("has 'label' false, which marks a worse answer: remove the row")
    first: list[Turn] = []
    for name in TOOLS:
        if name in names:
            used.add(names[name])
            if tools := parse_tools(row[names[name]]):
                first.append(Turn(tools, taught=False))
            break
    system = next((name for name in SYSTEMS if name in names), None)
    if system and not any(t.message.role == "system" for t in turns):
        said = content_text(row[names[system]], names[system], notes)
        if said.strip():
            content = text_of(said, names[system])
            first.append(Turn(Message("system", content), taught=False))
        used.add(names[system])
    form = ", ".join(key for key in row if key in used)
    return Read([*first, *turns], used, form)


def guessed_columns(keys: tuple[str, ...]) -> str:
    """The option that would name question and answer among keys, as far as these can be guessed."""
    plain = [plain_name(key) for key in keys]
    prompt = next((k for k, p in zip(keys, plain, strict=True) if _like(p, PROMPTS)), None)
    rest = [k for k in keys if k != prompt]
    answer = next((k for k in reversed(rest) if _like(plain_name(k), ANSWERS)), None)
    prompt = prompt or next((k for k in keys if k != answer), "QUESTION")
    answer = answer or next((k for k in reversed(keys) if k != prompt), "ANSWER")
    return f"--columns prompt={shown_name(prompt)},completion={shown_name(answer)}"


def plain_name(key: str) -> str:
    """A key without case, blanks and hyphens."""
    return key.strip().casefold().replace(" ", "_").replace("-", "_")


def _like(name: str, known: tuple[str, ...]) -> bool:
    return any(word in known for word in (name, *name.rstrip("s").split("_"), name.rstrip("s")))


def _renamed(
    names: dict[str, str], row: dict[str, Any], columns: Mapping[RowPart, str]
) -> dict[str, str]:
    """The names with those that the user gave; what is a question by habit alone is not one."""
    for key in columns.values():
        if key not in row:
            raise FormError(row, f"the column '{key}' of `check.columns` is missing")
    given = set(columns.values())
    kept = {n: k for n, k in names.items() if k not in given and n in (*SYSTEMS, *TOOLS)}
    return kept | {kind: key for kind, key in columns.items() if kind != "id"}


def _refuse(names: Mapping[str, str], row: dict[str, Any]) -> None:
    for name in OTHER_MEDIA:
        if name in names and row[names[name]]:
            raise ValueError(f"has '{names[name]}': text alone is learned, no picture or sound")
    if any(name.startswith(WORSE) for name in names):
        raise ValueError(
            "is a pair of a chosen and a rejected answer, for training on preferences: give the "
            "chosen one as `completion` and leave out the other"
        )
    for name in ROW_WEIGHTS:
        if name in names and row[names[name]] in (0, "0"):
            raise ValueError(f"has '{names[name]}' 0: it is not to be learned; remove the row")


def _is_said(name: str, names: Mapping[str, str], row: Mapping[str, Any]) -> bool:
    """Whether a key of a chat holds plain text, as of a dialogue that is to be summed up."""
    value = row[names[name]]
    return name in PROMPTS and isinstance(value, str) and not value.lstrip().startswith("[")


def _chat(value: Any, key: str, notes: set[str]) -> list[Turn]:
    if isinstance(value, list) and value and all(isinstance(turn, str) for turn in value):
        # Turns without roles, in which user and assistant alternate.
        roles = ("user", "assistant")
        return [
            Turn(Message(roles[at % 2], text_of(text, key)), taught=at % 2 == 1)  # type: ignore[arg-type]
            for at, text in enumerate(value)
        ]
    return parse_turns(value, key, notes)


def _question_and_answer(
    row: dict[str, Any], names: dict[str, str], notes: set[str]
) -> tuple[list[Turn], set[str]]:
    prompt = next((name for name in PROMPTS if name in names), None)
    answer = next((name for name in ANSWERS if name in names and name != prompt), None)
    if prompt is None or answer is None:
        for name, other in (("prompt", answer), ("completion", prompt)):
            if name not in names and other in ("prompt", "completion"):
                raise FormError(row, f"'{name}' is missing")
        raise FormError(row)
    used = {names[prompt], names[answer]}
    asked = _asked(row[names[prompt]], names[prompt], notes)
    # A prompt is whole by itself, unless it is the instruction once more, without its input.
    again = next((n for n in INSTRUCTIONS if row.get(names.get(n, "")) == row[names[prompt]]), None)
    if prompt != "prompt" or again:
        for name in MATERIAL:
            if name in names and names[name] not in used:
                used |= {names[name], *([names[again]] if again else [])}
                asked = _with_material(asked, row[names[name]], names[name])
                break
        if HISTORY in names:
            used.add(names[HISTORY])
            asked = [*_history(row[names[HISTORY]]), *asked]
    said = row[names[answer]]
    if answer == "answers" and any(name in names for name in TOOLS):  # calls, as xLAM has them
        said = [{"role": "assistant", "tool_calls": said}]
    return [*asked, *_answered(said, names[answer], notes)], used


def _asked(value: Any, key: str, notes: set[str]) -> list[Turn]:
    if is_turns(value):
        return parse_turns(value, key, notes)
    return [Turn(Message("user", text_of(value, key)), taught=False)]


def _answered(value: Any, key: str, notes: set[str]) -> list[Turn]:
    if is_turns(value):
        return parse_turns(value, key, notes)
    if value is not None and not isinstance(value, str):
        value = json_text(value)
    return [Turn(Message("assistant", text_of(value, key)), taught=True)]


def _with_material(asked: list[Turn], value: Any, key: str) -> list[Turn]:
    """The question with what it is about behind it; blank for rows that need none."""
    if not isinstance(value, str):
        value = json_text(value)
    if not value.strip():
        return asked
    *before, last = asked
    content = f"{last.message.content}\n\n{text_of(value, key)}"
    return [*before, Turn(Message("user", content), taught=False)]


def _history(value: Any) -> list[Turn]:
    """Earlier questions and answers, as pairs."""
    if not isinstance(value, list) or not all(isinstance(p, list) and len(p) == 2 for p in value):
        raise ValueError("'history' is a list of pairs of a question and an answer")
    turns: list[Turn] = []
    for question, answer in value:
        turns.append(Turn(Message("user", text_of(question, "history")), taught=False))
        turns.append(Turn(Message("assistant", text_of(answer, "history")), taught=True))
    return turns
