"""Three deliveries of `tickets`, told in a workspace of their own: `make story`.

v1 promotes over the baselines, v2 over v1, v3 (half of it damaged labels) is rejected; then a
rollback to v1 and forward again. Nothing here decides an outcome: each is read from `pawl`'s own
answers, and the story fails if one is not as told.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from pawl.core.records import Cycle
from pawl.report.terminal import show_cycle

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / ".pawl" / "story"
TOLD = {"v1": "promote", "v2": "promote", "v3": "reject"}


def main() -> None:
    """Tell the story in a fresh workspace and say what came of it."""
    shutil.rmtree(HERE, ignore_errors=True)
    begin()
    told: dict[str, str] = {}
    for version in TOLD:
        print(f"\n=== {version}: a delivery arrives, the cycle runs", flush=True)
        deliver(version)
        started = time.monotonic()
        cycle = ask("run", "tickets", allowed=(0, 3, 4))
        show_cycle(TypeAdapter(Cycle).validate_python(cycle), left_out=(), console=Console())
        print(f"{time.monotonic() - started:.0f} s")
        told[version] = cycle["verdict"]
    print("\n=== back to the first champion, and forward again", flush=True)
    ask("rollback", "tickets", "--reason", "support sees odd urgencies; back while we look")
    print(f"champion: version {champion()}")
    ask("rollback", "tickets", "--to", "2", "--reason", "it was the template, not the adapter")
    print(f"champion: version {champion()}")
    for entry in ask("history", "tickets"):
        print(f"  {entry['kind']:9} version {entry['version']}  {entry['why']}")
    print(f"\nsee it: cd {HERE.relative_to(ROOT)} && pawl ui")
    if told != TOLD or champion() != 2:
        sys.exit(f"the story went otherwise: {told}, champion {champion()}")


def begin() -> None:
    """A new workspace with the task, set up as this repository's own."""
    run("init", str(HERE))
    git("config", "user.name", "Pawl's story")
    git("config", "user.email", "story@example.org")
    data = ROOT / "data"
    run(
        *("new", "tickets", "--data", str(ROOT / "examples" / "tickets" / "v1.jsonl")),
        *("--schema", str(data / "tickets.schema.json")),
        *("--prompt", str(data / "tickets.prompt.md"), "--base", str(ROOT / "base" / "tiny")),
    )
    # The recipe and the policy are those of the repository's own task; only the base's path is not.
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (HERE / "params.yaml").write_text(
        text.replace("model: base/tiny", f"model: {ROOT / 'base' / 'tiny'}"), encoding="utf-8"
    )
    git("add", "--all")
    git("commit", "--quiet", "--message", "tickets v1")


def deliver(version: str) -> None:
    """Make a delivery the task's data and commit it; the first one has come with the task."""
    rows = ROOT / "examples" / "tickets" / f"{version}.jsonl"
    run("data", "add", str(rows), "--commit", f"tickets {version}")


def champion() -> int | None:
    """The champion's version, as `pawl status` says it."""
    version: int | None = ask("status", "tickets")["champion"]["version"]
    return version


def ask(*words: str, allowed: tuple[int, ...] = (0,)) -> Any:
    """The JSON answer of a `pawl` command."""
    return json.loads(run(*words, "--json", allowed=allowed))


def run(*words: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Run `pawl` in the story's workspace; its progress goes to the terminal."""
    where = ["-C", str(HERE)] if HERE.exists() else []
    command = [sys.executable, "-m", "pawl", *where, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in allowed:
        sys.exit(f"pawl {' '.join(words)} ended with exit code {done.returncode}")
    return done.stdout


def git(*words: str) -> None:
    """Run git in the story's workspace."""
    subprocess.run(["git", *words], cwd=HERE, check=True)


if __name__ == "__main__":
    main()
