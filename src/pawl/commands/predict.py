"""`pawl predict`: answer prompts with the champion, or with another version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.core.records import Message
from pawl.evaluate.predict import predict as decode
from pawl.model.adapter import read_adapter
from pawl.model.base import find_base
from pawl.release.local_copies import adapter_folder
from pawl.store.client import Store
from pawl.workspace.adapter_base import find_adapter_base
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import read_schema


@dataclass(frozen=True)
class Prediction:
    """A prompt and the adapter's answer to it."""

    prompt: str
    answer: str


def predict(
    workspace: Workspace, store: Store, task: str, prompts: Sequence[str], *, version: int | None
) -> tuple[Prediction, ...]:
    """Answer each prompt as one user message with a version's adapter (None: the champion's).

    Raises:
        UsageError: there is no such version, or no champion yet.
        AdapterError: the adapter's bytes are not those that were judged.
        BaseError: the base that the version was trained on is not here.
        RegistryError: the store cannot be reached.
    """
    folder, base = answering(workspace, store, task, version)
    chats = [(Message("user", text),) for text in prompts]
    section = workspace.task(task)
    schema = read_schema(workspace, section)
    answers = decode(section.evaluate, base, folder, chats, schema=schema)
    return tuple(map(Prediction, prompts, answers))


def answering(
    workspace: Workspace, store: Store, task: str, version: int | None
) -> tuple[Path, Path]:
    """The verified folder of a version's adapter, which is named by its number, and its base's."""
    folder = adapter_folder(workspace, store, task, version)
    base = find_adapter_base(workspace, task, read_adapter(folder).base)
    return folder, find_base(base, workspace.root)
