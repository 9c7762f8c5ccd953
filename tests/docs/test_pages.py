"""The README and the pages name commands that exist, and options that these take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from pawl.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("infra/*.md")})
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.M | re.S)
INLINE = re.compile(r"`([^`\n]+)`")
# Where a shell's word ends a command.
ENDS = {"&&", "||", "|", ";", "#", "then", ">", "(", ")"}


def commands(text: str) -> Iterator[list[str]]:
    """The words after each `pawl` that a page has a person type."""
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    lines += INLINE.findall(BLOCK.sub("", text))
    for line in lines:
        if "pawl" not in line:
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        words = [part for word in words for part in re.split(r"(;|\)|\()", word) if part]
        for place, word in enumerate(words):
            if word == "pawl" and (place == 0 or words[place - 1] in {*ENDS, "--", "-m"}):
                rest = words[place + 1 :]
                yield rest[: next((n for n, each in enumerate(rest) if each in ENDS), len(rest))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists_and_takes_its_options(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        command = typer.main.get_command(app)
        left = words[2:] if words[:1] == ["-C"] else words
        while getattr(command, "commands", None) and left and not left[0].startswith("-"):
            assert left[0] in command.commands, f"{page.name}: pawl {shlex.join(words)}"
            command, left = command.commands[left[0]], left[1:]
        known = {option for each in command.params for option in each.opts} | {"--help"}
        for option in [re.split("[=]", word)[0] for word in left if re.match("--?[a-z]", word)]:
            option = option.strip("[]…")
            assert option in known, f"{page.name}: pawl {shlex.join(words)} has no {option}"


def test_the_pages_do_name_commands() -> None:
    named = {tuple(words[:1]) for page in PAGES for words in commands(page.read_text("utf-8"))}
    assert {("run",), ("rollback",), ("deploy",)} <= named


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert re.search(rf": {re.escape(page.name)}$", listed, re.M), page.name
