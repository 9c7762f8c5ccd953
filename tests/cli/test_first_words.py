"""A command that takes long says at once what it does."""

from __future__ import annotations

import pytest
from test_check_command import pawl

from pawl.workspace.paths import Workspace


@pytest.mark.parametrize(
    "words",
    [
        ("check", "tickets"),
        ("data", "diff", "tickets"),
        ("export", "tickets", "--peft", "--out", "never"),
        ("gc",),
        ("report", "tickets"),
        ("replay", "tickets", "1"),
    ],
)
def test_the_first_word_is_what_the_command_does(
    quick_workspace: Workspace, words: tuple[str, ...]
) -> None:
    first, *_ = pawl(quick_workspace, *words).stderr.splitlines()
    assert first.endswith(" …")
    asked = pawl(quick_workspace, *words, "--json")
    assert " …" not in asked.stderr, "who asks for JSON wants no words"
