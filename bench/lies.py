"""What becomes of a lie in MLflow: is it told, by whom, or is it without effect?

    python bench/lies.py [--only TEXT ...] [--why]

Each lie starts from a copy of one workspace: three releases, two rejections, a rollback. Whoever
tells it may write to MLflow (its database, its artifacts, its API) and knows Pawl's code; where a
lie says so, to the local copies as well. Asked are `pawl verify`, the next cycle (or the command
that the lie is for), and `bench/auditor.py` with the public keys and a remembered head.

*told*: it is named, or a command is refused with a remedy. *no effect*: champion, alias, releases,
looks and answers are taken for what they were. The exit code is 1 if a lie is anything else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from lielab.ledger_lies import LEDGER_LIES
from lielab.page_lies import PAGE_LIES
from lielab.race import racing
from lielab.released_lies import RELEASED_LIES
from lielab.witnesses import (
    NO_EFFECT,
    TOLD,
    Said,
    answered,
    by_auditor,
    by_command,
    by_cycle,
    by_run,
    by_verify,
)
from lielab.world import NEXT, World
from workbench import TASK

Row = tuple[Said, Said, Said]
RACE = "the `op_id` race: pages planted while a cycle is under way"
RUN = "; `pawl run` on unchanged data"
RUN_LIES = (
    "a middle entry edited",
    "last release and look cut off, tags and alias set to match",
)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument(
        "--only", nargs="+", default=[""], help="lies with one of these in their names"
    )
    words.add_argument("--why", action="store_true", help="also what each of them says")
    asked = words.parse_args()
    print("| lie | `pawl verify` | next cycle or command | auditor |\n|---|---|---|---|")
    failed = 0
    # Another store, or a key of this machine's own, is none of this.
    for name in ("MLFLOW_TRACKING_URI", "PAWL_SIGNING_KEY"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        for lie, row in tell(World(Path(folder)), only=asked.only):
            print(f"| {lie} | {' | '.join(said.what for said in row)} |", flush=True)
            failed += not well(row)
            for who, said in zip(("verify", "next", "auditor"), row, strict=True):
                if asked.why or not well((said,)):
                    print(f"    {who}: {said.words}", file=sys.stderr)
    sys.exit(f"{failed} lies were neither told nor without effect" if failed else 0)


def well(row: tuple[Said, ...]) -> bool:
    """Whether each of them told the lie or was right all the same."""
    return all(said.what in (TOLD, NO_EFFECT) for said in row)


def tell(world: World, *, only: Sequence[str] = ("",)) -> Iterator[tuple[str, Row]]:
    """Each lie, and what `pawl verify`, the next command and the auditor say."""

    def chosen(lie: str) -> bool:
        return any(words in lie for words in only)

    for lie, plant in (LEDGER_LIES | PAGE_LIES).items():
        if chosen(lie):
            world.restore()
            plant(world)
            # The auditor first: commands may set an alias right.
            seen = by_auditor(world)
            yield lie, (by_verify(world), by_cycle(world), seen)
    for lie, (plant, release) in RELEASED_LIES.items():
        if chosen(lie):
            world.restore()
            plant(world)
            seen, checked = by_auditor(world), by_verify(world)
            done = by_command(partial(release, world))
            yield lie, (checked, worse(done, by_cycle(world)), seen)
    for lie in RUN_LIES:
        if chosen(f"{lie}{RUN}"):
            world.restore()
            if (control := by_run(world)).words != "unchanged":
                raise SystemExit(f"`pawl run` on an honest record says {control}: no control")
            LEDGER_LIES[lie](world)
            seen, checked = by_auditor(world), by_verify(world)
            yield f"+ {lie}{RUN}", (checked, by_run(world), seen)
    if chosen(RACE):
        world.restore()
        with racing(world.bench.store.uri, TASK, world.evil, question=f"question {NEXT}"):
            done = by_cycle(world)
        world.honest = answered_or(world)
        yield RACE, (by_verify(world), done, by_auditor(world))


def worse(one: Said, other: Said) -> Said:
    """The one of two that did worse."""
    return max(one, other, key=lambda said: (said.what not in (TOLD, NO_EFFECT), said.what == TOLD))


def answered_or(world: World) -> dict[str, object]:
    """What the cycle that raced has left; `by_cycle` has compared it."""
    view: dict[str, object] = {}
    answered(lambda: Said(NO_EFFECT) if view.update(world.view()) is None else Said(TOLD))
    return view


if __name__ == "__main__":
    main()
