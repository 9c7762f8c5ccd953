"""`pawl predict TASK FILE.jsonl`: a file of prompts or chats in, a file of answers out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.commands.predict import answering
from pawl.core.files import lines_text, write_text
from pawl.core.records import Message, to_json
from pawl.data.read.lines import json_records
from pawl.errors import DataError, UsageError
from pawl.evaluate.predict import predict as decode
from pawl.model.adapter import read_adapter
from pawl.model.base import context_length
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.serve.turns import chat_of, question
from pawl.store.client import Store
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_schema

# Bad lines that are named; there may be a million.
SHOWN = 10
RULE = (
    "a line is an object with `prompt`, a text, or `messages`, a chat that waits for its answer; "
    "it may have an `id` and `tools`"
)


@dataclass(frozen=True)
class Question:
    """A line of the file: its own `id`, or its number, and the chat."""

    line: int
    id: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Answered:
    """A line of the answers: `model` is the version that answered, `task-vN`."""

    id: str
    model: str
    answer: str


def is_file_of_prompts(words: list[str]) -> bool:
    """Whether the words after the task are the name of a file."""
    return len(words) == 1 and words[0].endswith(".jsonl") and "\n" not in words[0]


def answer_file(
    workspace: Workspace, store: Store, task: str, file: Path, *, version: int | None
) -> list[Answered]:
    """Answer each line of a file, in its order, as for the judge (version None: the champion).

    Raises:
        UsageError: there is no such file, version, or champion.
        DataError: lines that are no prompts, or too long for the base, named by their numbers.
        AdapterError, BaseError, RegistryError: as `predict`.
    """
    questions, bad = read_questions(file)
    folder, base = answering(workspace, store, task, version)
    section = workspace.task(task)
    policy, schema = section.evaluate, read_schema(workspace, section)
    tokenizer = load_tokenizer(base, read_adapter(folder).base)
    most = context_length(base) - policy.max_new_tokens
    for one in questions:
        try:
            length = len(prompt_tokens(tokenizer, one.messages))
        except DataError as error:
            bad[one.line] = error.found
            continue
        if length > most:
            bad[one.line] = f"its prompt has {length} tokens, and at most {most} fit"
    if bad:
        raise _bad_lines(file, bad)
    answers = decode(policy, base, folder, [one.messages for one in questions], schema=schema)
    name = f"{task}-v{folder.name}"
    return [Answered(q.id, name, text) for q, text in zip(questions, answers, strict=True)]


def answers_text(answers: list[Answered]) -> str:
    """The answers as JSON lines."""
    return lines_text(map(to_json, answers))


def write_answers(out: Path, answers: list[Answered]) -> None:
    """Write the answers, all of them or none."""
    write_text(out, answers_text(answers))


def read_questions(file: Path) -> tuple[list[Question], dict[int, str]]:
    """The questions of a file, and what is wrong with its other lines, by number.

    Raises:
        UsageError: there is no such file.
        DataError: it has no line.
    """
    if not file.is_file():
        raise UsageError(
            f"there is no file {file}",
            rule="a prompt that ends with .jsonl is the name of a file of prompts",
            remedy="correct the name; or pipe the prompt into stdin if it is one",
        )
    questions: list[Question] = []
    bad: dict[int, str] = {}
    with file.open("rb") as lines:
        for record in json_records(lines, file.name):
            if record.value is None:
                bad[record.line] = record.reason
                continue
            try:
                questions.append(_question(record.value, record.line))
            except ValueError as error:
                bad[record.line] = str(error)
    if not questions and not bad:
        raise DataError(f"{file} is empty", rule=RULE, remedy="write at least one line")
    return questions, bad


def _question(value: dict[str, Any], line: int) -> Question:
    given = value.get("id", line)
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise ValueError("`id` is a text or a whole number")
    if ("prompt" in value) == ("messages" in value):
        raise ValueError("it has `prompt` or `messages`, and not both")
    if "prompt" in value:
        return Question(line, str(given), question(value["prompt"]))
    return Question(line, str(given), chat_of(value["messages"], value.get("tools")))


def _bad_lines(file: Path, bad: dict[int, str]) -> DataError:
    return DataError(
        f"{len(bad)} lines of {file} are no prompts: {'; '.join(_told(bad))}",
        rule=RULE,
        remedy="mend or remove them; nothing was answered",
    )


def _told(bad: dict[int, str]) -> Iterator[str]:
    for line in sorted(bad)[:SHOWN]:
        yield f"line {line}: {bad[line]}"
    if len(bad) > SHOWN:
        yield f"… and {len(bad) - SHOWN} more"
