"""A base's chat template with a task's arguments: messages become the text of a prompt.

Templates are programs of the base's makers. What one can ask of the world is the date, so that its
clock is stopped: the same row makes the same prompt on every day. A template that takes no system
turn gets that turn's text at the head of the first user turn.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.core.records import BaseRef, Message
from pawl.errors import BaseError, DataError, ParamsError, nearest
from pawl.model.chat_turns import as_text, knows_calls, template_turns

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The date that Llama's templates fall back to where they have no clock.
CLOCK = "2024-07-26"
# The name by which templates read the clock, and the codes of `strftime`.
READS_CLOCK, CODES = "strftime_now", "aAbBcdfHIjmMpSUwWxXyYZz"
# Templates are given plain data alone, so that the stopped clock is written in their language. The
# line's end is trimmed as any block's is.
STOPPED = (
    "{% macro strftime_now(format) -%}{%- set read = namespace(text=format) -%}"
    "{%- for code, value in pawl_clock.items() -%}"
    "{%- set read.text = read.text.replace(code, value) -%}{%- endfor -%}"
    "{{ read.text }}{%- endmacro %}\n"
)
# Arguments by which templates let a base think before it answers.
THINKING = ("enable_thinking", "thinking")
# What a template that asks `x is defined` asks of no argument of its own.
CONTEXT = frozenset(
    {"messages", "message", "tools", "documents", "add_generation_prompt", "loop", "content",
     "system_message", "loop_messages", "bos_token", "eos_token", READS_CLOCK}
)  # fmt: skip
DEFINED = re.compile(r"\b(?<!\.)([a-z_]\w*) is (?:not )?defined\b")
SYSTEM, USER = "pawl: a system turn", "pawl: a user turn"
RULE = "a prompt is what the base's own chat template makes of a row's turns"


class ChatTemplate:
    """The chat template of a tokenizer.

    Args:
        arguments: what the template is given beside the turns (`base.template` of params.yaml).
        clock: the day, as YYYY-MM-DD, that the template reads from its clock; None: `CLOCK`.

    Raises:
        ParamsError: the template does not read an argument.
        BaseError: there are several templates and none is the default.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        arguments: Mapping[str, Any] | None = None,
        clock: str | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self.arguments = dict(arguments or {})
        self.clock = clock or CLOCK
        self.source = _source(tokenizer)
        if fault := unread_argument(self.arguments, self.source):
            name, found, rule, remedy = fault
            raise ParamsError(f"base.template.{name}{found}", rule=rule, remedy=remedy)

    def text(self, messages: Sequence[Message], *, answered: bool = False) -> str:
        """The text of the turns, up to where the answer begins; `answered`: of whole turns alone.

        Raises:
            DataError: the template cannot show these turns.
        """
        if self.source is None:
            return "".join(f"{m.content}\n" for m in as_text(messages))
        if not knows_calls(self.source):
            messages = as_text(messages)
        if any(m.role == "system" for m in messages) and not self.takes_system:
            messages = _folded(messages)
        return self._rendered(messages, answered=answered)

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template shows a system turn; others refuse it, or drop it silently."""
        try:
            shown = self._rendered((Message("system", SYSTEM), Message("user", USER)))
        except DataError:
            return False
        return SYSTEM in shown

    @property
    def reads_clock(self) -> bool:
        """Whether the template asks for the date."""
        return READS_CLOCK in (self.source or "")

    def says(self) -> tuple[str, ...]:
        """What a reader of prompts should know, in sentences; none for most bases."""
        if self.source is None:
            return ("the base has no chat template: a prompt is its turns' text, a line each",)
        given = ", ".join(f"{name}={json.dumps(v)}" for name, v in self.arguments.items())
        says = [f"the chat template is given {given}"] if given else []
        if self.reads_clock:
            says.append(f"the chat template reads the date, which is always {self.clock}")
        if not self.takes_system:
            says.append(
                "the chat template takes no system turn: its text goes at the head of the first "
                "user turn"
            )
        unset = [name for name in THINKING if name in argument_names(self.source)]
        if unset and not set(unset) & set(self.arguments):
            says.append(
                f"the base may think before it answers: `base.template: {{{unset[0]}: false}}` in "
                "params.yaml tells it not to"
            )
        return tuple(says)

    def _rendered(self, messages: Sequence[Message], *, answered: bool = False) -> str:
        source, arguments = self.source or "", dict(self.arguments)
        if self.reads_clock:
            source, arguments["pawl_clock"] = STOPPED + source, _read_clock(self.clock)
        turns, tools = template_turns(messages)
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    turns,
                    tools=tools,
                    tokenize=False,
                    add_generation_prompt=not answered,
                    chat_template=source,
                    **arguments,
                )
            )
        except Exception as error:  # a template is a program, and fails in any way
            roles = ", ".join(m.role for m in messages)
            told = " ".join(str(error).split())[:300]
            raise DataError(
                f"the base's chat template fails on turns {roles}: {type(error).__name__}: {told}",
                rule=RULE,
                remedy="give rows the turns that it takes (most take user and assistant in turn), "
                "correct `base.template` in params.yaml, or name another base",
            ) from error


def argument_names(source: str) -> set[str]:
    """Names of the arguments that a template asks for with `x is defined`."""
    return set(DEFINED.findall(source)) - CONTEXT


def unread_argument(
    arguments: Iterable[str], source: str | None
) -> tuple[str, str, str, str] | None:
    """The first argument that the template (None: there is none) does not read: its name, and what
    to say of it (found, rule, remedy); None if it reads them all."""
    rule = "a chat template is given what it reads, so that a misspelt argument is not a default"
    for name in arguments:
        if source is None:
            return name, ": the base has no chat template", rule, "remove it"
        if not re.search(rf"\b{re.escape(name)}\b", source):
            found = ": the base's chat template reads no such argument"
            return name, found, rule, nearest(name, argument_names(source))
    return None


def template_source(folder: Path) -> str | None:
    """The chat template among a base's files, without a tokenizer; None if there is none."""
    if (file := folder / "chat_template.jinja").is_file():
        return file.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        try:
            value = json.loads((folder / name).read_text(encoding="utf-8"))["chat_template"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(value, list):
            value = {entry["name"]: entry["template"] for entry in value}.get("default")
        if isinstance(value, str):
            return value
    return None


def answering_at_once(base: BaseRef, folder: Path) -> BaseRef:
    """The base; one that may think before it answers is told not to, as its answer is judged."""
    thinks = THINKING[0] in argument_names(template_source(folder) or "")
    return dataclasses.replace(base, template={THINKING[0]: False}) if thinks else base


def _source(tokenizer: PreTrainedTokenizerBase) -> str | None:
    if tokenizer.chat_template is None:
        return None
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:
        raise BaseError(
            f"the base has several chat templates: {' '.join(str(error).split())[:300]}",
            rule="of several templates the one named 'default' is taken",
            remedy="name one of them 'default' in a copy of the base",
        ) from error


def _folded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the system turn's text at the head of the first user turn."""
    at = next(i for i, m in enumerate(messages) if m.role == "system")
    system, rest = messages[at], [*messages[:at], *messages[at + 1 :]]
    first = next((i for i, m in enumerate(rest) if m.role == "user"), None)
    if first is None:
        return (Message("user", system.content), *rest)
    content = f"{system.content}\n\n{rest[first].content}"
    rest[first] = dataclasses.replace(rest[first], content=content)
    return tuple(rest)


def _read_clock(day: str) -> dict[str, str]:
    """What each code of `strftime` reads at midnight of a day."""
    at = datetime.datetime.fromisoformat(day)
    codes = {f"%{code}": at.strftime(f"%{code}") for code in CODES}
    # A code without leading zeros, as glibc has it.
    bare = {f"%-{code}": codes[f"%{code}"].lstrip("0") or "0" for code in "dHIjmMSUWy"}
    return codes | bare | {"%%": "%"}
