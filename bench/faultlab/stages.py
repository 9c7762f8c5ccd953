"""SIGKILLs in every stage of a real, tiny cycle; it must end as the undisturbed one did."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from faultlab import lab
from faultlab.kills import Tally
from faultlab.lab import Acks, attempt, check, clock
from pawl.commands.init import init
from pawl.commands.new import new_task
from pawl.commands.sources import Sources
from pawl.core.files import digest_file
from pawl.core.records import Verdict, read_record, to_json
from pawl.cycle.conclude import conclude, deliver_outbox
from pawl.cycle.snapshots import snapshot_champion, snapshot_held_out
from pawl.cycle.unjudged import find_cached_version
from pawl.data.check import check as check_rows
from pawl.data.inputs import held_out_register, inputs
from pawl.data.split.split import split
from pawl.evaluate.preflight import preflight
from pawl.evaluate.run import evaluate
from pawl.gate.run import gate
from pawl.ledger.ledger import entries
from pawl.ledger.looks import reserve_look
from pawl.ledger.state import read_state
from pawl.model.adapter import read_adapter
from pawl.store.client import open_store
from pawl.store.versions import versions
from pawl.train.run import train
from pawl.workspace.environment import quiet_environment
from pawl.workspace.fingerprints import cycle_fingerprint
from pawl.workspace.paths import Workspace

HOME = Path(__file__).resolve().parents[2]
TASK, WHY, ROWS = "tickets", "a cycle", 160
# A metric that three short epochs reach and the bare base does not, so that there is a release.
EDITS = {
    "epochs: 10": "epochs: 3",
    "looks: 20": "looks: 3\n      min_rows: 5",
    "metric: exact_match": "metric: schema_valid\n      forgetting: 100",
    "exact_match: 0.1": "schema_valid: 0.1",
}
STAGE_POINTS = (
    "pawl.core.files.write_text",
    "pawl.core.files._take_place",
    "pawl.core.files._sync",
)
# Imported once; no thread of theirs is started before the forks.
HEAVY = ("great_expectations", "torch", "transformers.trainer", "peft", "bitsandbytes")
# More deaths in one cycle than this bring nothing new: it goes on undisturbed.
DEATHS = 40


@dataclass(frozen=True)
class Cycle:
    """A workspace of its own, and the file of what its commands were told."""

    workspace: Workspace
    acks: Acks

    def steps(self) -> dict[str, Callable[[], Any]]:
        """What the flow does, in its order; DVC's stages as DVC calls them."""
        workspace = self.workspace
        return {
            "recollect": lambda: snapshot_held_out(workspace, open_store(workspace), TASK),
            "inputs": lambda: inputs(workspace, TASK),
            "check": lambda: check_rows(workspace, TASK),
            "known": lambda: held_out_register(workspace, TASK),
            "split": lambda: split(workspace, TASK),
            "preflight": lambda: preflight(workspace, TASK),
            "train": lambda: train(workspace, TASK),
            "champion": lambda: snapshot_champion(workspace, open_store(workspace), TASK),
            "look": lambda: reserve_look(workspace, open_store(workspace), TASK),
            "evaluate": lambda: evaluate(workspace, TASK),
            "gate": lambda: gate(workspace, TASK),
            "register": self.register,
        }

    def register(self) -> None:
        """Register and release, or what is left of it."""
        store = open_store(self.workspace)
        asked = cycle_fingerprint(self.workspace, TASK, accepted=())
        delivered = [known for known, _ in deliver_outbox(self.workspace, store, TASK)]
        if asked in delivered or find_cached_version(store, TASK, asked) is not None:
            return
        self.acks.tell("asked", TASK, WHY)
        cycle = conclude(self.workspace, store, TASK, question=asked, who="Ada", why=WHY)
        if cycle.verdict == "promote":
            self.acks.tell("done", TASK, WHY, cycle.champion)

    def taken(self, step: str) -> None:
        """One step, in a fork. What a stage answers is its files."""
        os.environ.update(quiet_environment(self.workspace))
        self.steps()[step]()

    def checked(self, *, settled: bool) -> list[str]:
        uri = open_store(self.workspace).uri
        return check(uri, TASK, self.acks, settled=settled, workspace=self.workspace)

    def comes_to(self) -> dict[str, Any]:
        """All that must not depend on how often somebody died."""
        store, files = open_store(self.workspace), self.workspace.files(TASK)
        verdict = read_record(files.verdict, Verdict)
        state = read_state(store, TASK)
        return {
            "adapter": read_adapter(files.adapter).digest,
            "splits": {path.name: digest_file(path) for path in sorted(files.splits.iterdir())},
            "verdict": [verdict.decision, dict(verdict.scores), list(verdict.reasons)],
            "versions": len(versions(store, TASK)),
            "champion": to_json(state.champion),
            "releases": len(state.releases),
            "looks": sum(entry.kind == "look" for entry in entries(store, TASK)),
            "halves": [str(path) for path in files.root.rglob(".*.old-*") if path.is_file()],
        }


def kill_stages(root: Path, *, kills: int, seed: int, seconds: float) -> Tally:
    """Kill the stages of cycles, each in a fresh workspace, until so many died or time is up."""
    end, draw, tally = clock() + seconds, Random(seed), Tally()
    for name in HEAVY:
        importlib.import_module(name)
    template = root / "template"
    attempt(lambda: make(template))
    took: dict[str, float] = {}
    undisturbed = _cycle(root, template, "undisturbed", took=took, draw=None, tally=tally)
    print(f"undisturbed: {undisturbed['verdict'][0]}, {sum(took.values()):.0f} s", flush=True)
    for number in itertools.count():
        died = sum(tally.kills.values())
        if died >= kills or clock() >= end:
            return tally
        print(f"stages: {died} kills, {len(tally.violations)} violations", flush=True)
        ended = _cycle(root, template, str(number), took=took, draw=draw, tally=tally)
        other = [key for key in undisturbed if ended[key] != undisturbed[key]]
        says = [f"I5: {key} is {ended[key]}, undisturbed {undisturbed[key]}" for key in other]
        tally.tell(f"stages of cycle {number}", says)
        shutil.rmtree(root / str(number))
    raise AssertionError("the numbers do not end")


def _cycle(
    root: Path,
    template: Path,
    name: str,
    *,
    took: dict[str, float],
    draw: Random | None,
    tally: Tally,
) -> dict[str, Any]:
    """All steps to their ends, killed by `draw`, the checker after each death; what it comes to."""
    shutil.copytree(template, root / name, symlinks=True)
    cycle = Cycle(Workspace(root / name), Acks(root / f"{name}.jsonl"))
    died = 0
    for step in cycle.steps():
        while True:
            crash = None
            if draw is not None and died < DEATHS and draw.random() < 0.75:
                points = lab.POINTS if step == "register" else STAGE_POINTS
                crash = lab.draw_crash(draw, seconds=took[step], points=points)
            start = clock()
            alive, _ = attempt(lambda step=step: cycle.taken(step), crash)
            if alive:
                took.setdefault(step, clock() - start)
                break
            died += 1
            tally.kills[step] += 1
            wrong = attempt(lambda: cycle.checked(settled=False))[1]
            tally.tell(f"cycle {name}, {step}, {crash.says if crash else ''}", wrong)
    tally.tell(f"cycle {name}", attempt(lambda: cycle.checked(settled=True))[1])
    found: dict[str, Any] = attempt(cycle.comes_to)[1]
    return found


def make(folder: Path, rows: int = ROWS) -> None:
    """A workspace as a user makes one, with few rows and a short training."""
    first = folder.parent / "rows.jsonl"
    with (HOME / "examples" / "tickets" / "v1.jsonl").open("rb") as file:
        first.write_bytes(b"".join(itertools.islice(file, rows)))
    workspace = init(folder)
    schema = HOME / "data" / "tickets.schema.json"
    new_task(workspace, TASK, Sources(first, schema=schema, base=str(HOME / "base" / "tiny")))
    text = workspace.params_file.read_text(encoding="utf-8")
    for old, new in EDITS.items():
        if old not in text:
            raise RuntimeError(f"{old} is not in {workspace.params_file}")
        text = text.replace(old, new)
    workspace.params_file.write_text(text, encoding="utf-8")
    open_store(workspace)
