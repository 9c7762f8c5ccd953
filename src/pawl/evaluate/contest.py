"""Who is judged in an evaluation, and on which gate rows."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    Example,
    Look,
    read_record,
    read_rows,
)
from pawl.evaluate.judged_rows import (
    budget_rows,
    champion_manifest,
    not_learned,
    read_look,
    unseen_rows,
)
from pawl.model.adapter import read_adapter
from pawl.workspace.fingerprints import evaluation_fingerprint
from pawl.workspace.paths import Workspace


@dataclass(frozen=True)
class Contest:
    """Who is judged, and on which gate rows.

    `adapters` are digests by contender on the task's base: the candidate's and, with a look or for
    the screen on dev, the champion's; one on another base is `moved` instead. `trained_on` is what
    each was trained on. Without a look nothing is `judged`, and the champion answers the dev rows
    `screening`; `excluded` counts the gate rows that do not judge this look.
    """

    base: BaseInfo
    champion: Champion
    moved: AdapterManifest | None
    look: Look | None
    adapters: dict[str, str]
    trained_on: dict[str, BaseInfo]
    judged: list[Example]
    excluded: int
    screening: list[Example]


def read_contest(workspace: Workspace, task: str) -> Contest:
    """The contest of the files in build/.

    Raises:
        AdapterError: an adapter is damaged, or the candidate was trained on another base.
    """
    files = workspace.files(task)
    base = read_record(files.base, BaseInfo)
    champion = read_record(files.champion / "champion.json", Champion)
    reserved = look = read_look(files.look)
    if look and look.question != evaluation_fingerprint(workspace, task, champion):
        look = None
    candidate = read_adapter(files.adapter, base=base.digest)
    current = champion_manifest(files, champion)
    there = current is not None and current.base.digest == base.digest
    moved = current if look and current and not there else None
    manifests, screening = {"candidate": candidate}, list[Example]()
    if reserved is None and there and workspace.task(task).gate.screen is not None:
        dev = read_rows(files.splits / "dev.jsonl")
        screening = not_learned(dev, (candidate, current))
    if current and there and (look or screening):
        manifests["champion"] = current
    adapters = {name: manifest.digest for name, manifest in manifests.items()}
    trained_on = {name: manifest.base for name, manifest in manifests.items()}
    if look is None:
        return Contest(base, champion, None, look, adapters, trained_on, [], 0, screening)
    gate = read_rows(files.splits / "gate.jsonl")
    judged = unseen_rows(budget_rows(files, task, gate, look), (candidate, current))
    excluded = len(gate) - len(judged)
    return Contest(base, champion, moved, look, adapters, trained_on, judged, excluded, [])
