"""Answers that were kept of a server: rows in any form of data, with its answers for theirs."""

from __future__ import annotations

from pawl.config.schema import Task
from pawl.data.read.examples import read_examples
from pawl.errors import DataError
from pawl.workspace.paths import Workspace


def read_kept_answers(workspace: Workspace, section: Task) -> dict[str, dict[str, str]]:
    """The answers of `evaluate.answers`, by contender and by the key of the row's prompt.

    Raises:
        UsageError: a name leads out of the workspace.
        DataError: a file is missing, a row cannot be read, or a prompt has two answers.
    """
    found: dict[str, dict[str, str]] = {}
    for name, file in section.evaluate.answers.items():
        path = workspace.inside(file)
        if not path.is_file():
            raise DataError(
                f"{file} is not there",
                rule=f"`evaluate.answers.{name}` names a file of answers that were kept",
                remedy="put it there, or remove the name from params.yaml",
            )
        mine = found[name] = {}
        for row in read_examples(path, file, drop=0.0, check=section.check).examples:
            if mine.setdefault(row.key, row.completion) != row.completion:
                raise DataError(
                    f"{file} has two answers to the prompt of row '{row.id}'",
                    rule="a contender is judged by one answer to a prompt",
                    remedy="keep the one that callers were given",
                )
    return found
