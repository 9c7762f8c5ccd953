"""A workspace of an example's own, driven as a user drives it: by `pawl` and git."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from pawl.core.records import Cycle
from pawl.report.terminal import show_cycle

ROOT = Path(__file__).resolve().parents[1]
ENDED = (0, 3, 4)  # of `pawl run`: promoted, rejected, inconclusive


@dataclass(frozen=True)
class Example:
    """The commands of an example in its folder; one that fails ends the example."""

    folder: Path
    author: str

    def begin(self) -> None:
        """Make the workspace, in place of an earlier one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.run("init", str(self.folder))
        self.git("config", "user.name", self.author)
        self.git("config", "user.email", "example@example.org")

    def cycle(self) -> Cycle:
        """Run a cycle of `tickets` and show what came of it."""
        started = time.monotonic()
        told = self.ask("run", "tickets", allowed=ENDED)
        cycle: Cycle = TypeAdapter(Cycle).validate_python(told)
        show_cycle(cycle, left_out=(), console=Console())
        print(f"{time.monotonic() - started:.0f} s")
        return cycle

    def ask(self, *words: str, allowed: tuple[int, ...] = (0,)) -> Any:
        """The JSON answer of a `pawl` command."""
        return json.loads(self.run(*words, "--json", allowed=allowed))

    def run(self, *words: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run `pawl` in the workspace; its progress goes to the terminal."""
        where = ["-C", str(self.folder)] if self.folder.exists() else []
        command = [sys.executable, "-m", "pawl", *where, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in allowed:
            sys.exit(f"pawl {' '.join(words)} ended with exit code {done.returncode}")
        return done.stdout

    def git(self, *words: str) -> None:
        """Run git in the workspace."""
        subprocess.run(["git", *words], cwd=self.folder, check=True)
