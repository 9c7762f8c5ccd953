"""`pawl replay`: derive a version's verdict again from what its MLflow run has stored."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pawl.config.judging import Gate
from pawl.core.files import digest_file
from pawl.core.records import Verdict, read_record, to_json
from pawl.errors import RESTORE, DataError, RegistryError
from pawl.gate.rules import EDITION
from pawl.gate.run import judge
from pawl.ledger.entries import replay_entries
from pawl.ledger.ledger import entries
from pawl.ledger.reviews import review_problem
from pawl.store.client import Store
from pawl.store.runs import fetch_evidence, has_file
from pawl.store.version_tags import EVIDENCE_TAG, version_page
from pawl.store.versions import AdapterVersion, get
from pawl.workspace.paths import TaskFiles

# What a verdict is derived from, and the verdict as it was recorded.
STORED, REVIEW = ("eval", "splits", "inputs", "verdict.json"), "review.jsonl"


@dataclass(frozen=True)
class ReplayResult:
    """The recorded decision, the derived one (None: no evidence to judge), what `differs`."""

    task: str
    version: int
    recorded: str
    derived: str | None
    reasons: tuple[str, ...]
    differs: tuple[str, ...]
    same: bool


def replay(store: Store, task: str, version: int) -> ReplayResult:
    """Derive the verdict on a version from its stored rows and compare it with the recorded one.

    No model runs: rows, report, base digest and policy are those of the run and the version's tags;
    the ledger names the verdict that the version was released on.

    Raises:
        UsageError: there is no such version, or the key to its sealed evidence is not here.
        RegistryError: the store is down, the run lacks its evidence, or the version its policy.
        DataError: the recorded verdict cannot be read.
    """
    registered = get(store, task, version)
    policy = _policy(registered)
    with tempfile.TemporaryDirectory(prefix="pawl-replay-") as folder:
        files = TaskFiles(Path(folder))
        labels = (REVIEW,) if has_file(store, registered.run_id, REVIEW) else ()
        fetch_evidence(store, registered.run_id, (*STORED, *labels), into=files.root)
        recorded = read_record(files.verdict, Verdict)
        derived, differs = _derived(files, policy, recorded)
        if labels and (why := review_problem(store.workspace, files.review)):
            differs.append(why)
        verdict = digest_file(files.verdict)
    releases = replay_entries(entries(store, task)).releases
    ledger_verdicts = {e.evidence for e in releases if e.new == registered.champion and e.evidence}
    if version_page(store, task, version).tags.get(EVIDENCE_TAG) != verdict:
        differs.append("the version was registered with another verdict: this one came later")
    if ledger_verdicts - {verdict}:
        differs.append("the ledger names another verdict than this one")
    if recorded.decision != registered.verdict:
        differs.append(f"the version's tag says '{registered.verdict}'")
    if recorded.candidate != registered.digest:
        differs.append("the verdict is about another adapter than the version's")
    return ReplayResult(
        task=task,
        version=version,
        recorded=recorded.decision,
        derived=derived.decision if derived else None,
        reasons=derived.reasons if derived else (),
        differs=tuple(differs),
        same=not differs,
    )


def _policy(registered: AdapterVersion) -> Gate:
    try:
        return TypeAdapter(Gate).validate_python(registered.params["gate"])
    except (KeyError, TypeError, ValidationError) as error:
        raise RegistryError(
            f"version {registered.version} of '{registered.task}' carries no gate policy: "
            + " ".join(str(error).split())[:200],
            rule="a version's `pawl.params` are those that it was judged by, and are not edited",
            remedy=RESTORE,
        ) from error


def _derived(files: TaskFiles, policy: Gate, recorded: Verdict) -> tuple[Verdict | None, list[str]]:
    edition = recorded.edition or 1
    if edition > EDITION:
        return None, [f"it was judged by edition {edition} of the rules, this Pawl has {EDITION}"]
    try:
        derived = judge(files, policy, edition=edition)
    except DataError as error:
        # Altered evidence is what a replay is there to find: a result, not a failure.
        return None, [error.found.replace(f"{files.root}/", "")]
    mine, other = to_json(derived), to_json(recorded)
    return derived, [f"`{key}` of the verdict" for key in sorted(mine) if mine[key] != other[key]]
