"""The verdict page of a cycle, gathered from its records: `build/<task>/verdict.html`.

A page decides nothing. What cannot be read for it is left out, and never ends a cycle.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pawl.config.schema import as_json, completed
from pawl.core.files import digest_file, write_text
from pawl.core.metrics import bounded
from pawl.core.records import (
    AdapterManifest,
    CheckReport,
    Cycle,
    EvalReport,
    Example,
    Score,
    SplitReport,
    Timing,
    Training,
    Verdict,
    read_record,
    read_rows,
)
from pawl.core.records.io import read_held_out_rows, read_records
from pawl.core.sealing import SEALED
from pawl.data.report.check_summary import read_check
from pawl.errors import PawlError
from pawl.gate.flips import CANDIDATE, Changed, changed, compared_first, flips
from pawl.gate.power import sight
from pawl.gate.slices import slice_scores
from pawl.model.adapter import MANIFEST, read_adapter
from pawl.report.dropped import dropped_text
from pawl.report.verdict.page import page
from pawl.report.verdict.record import Flips, Since, VerdictPage
from pawl.store.client import Store
from pawl.store.runs import fetch_file, log_evidence
from pawl.store.versions import get
from pawl.workspace.paths import TaskFiles, Workspace

LOG = logging.getLogger(__name__)
Value = TypeVar("Value")


def publish_page(workspace: Workspace, store: Store, cycle: Cycle, files: TaskFiles) -> None:
    """Write the page of a cycle to `build/` and put it on the cycle's run as `verdict.html`.

    `files` hold the evidence; what in them is about another candidate is left out.

    Raises:
        RegistryError: the store cannot be reached.
    """
    path = workspace.files(cycle.task).page
    try:
        write_text(path, page(gather(workspace, store, cycle, files)))
    except Exception as error:  # noqa: BLE001  # whatever it is: the release is done and stands
        path.unlink(missing_ok=True)
        LOG.warning("the verdict page could not be written: %s", error)
        return
    if cycle.run_id is not None:
        log_evidence(store, cycle.run_id, files={path: ""})


def gather(workspace: Workspace, store: Store, cycle: Cycle, files: TaskFiles) -> VerdictPage:
    """What is known of a cycle: the records in `files`, and what changed since the champion's."""
    params = workspace.task(cycle.task)
    sealed = params.gate.disclosure == "sealed" or (files.eval / SEALED).exists()
    found: dict[str, Any] = {"sealed": sealed}
    verdict = _or_none(lambda: read_record(files.verdict, Verdict))
    digest = cycle.candidate.digest
    if digest is not None and verdict is not None and verdict.candidate == digest:
        found |= {"verdict": verdict, "since": _since(workspace, store, verdict, files)}
        if not sealed:
            found |= _measured(verdict, files, params.gate.metric)
        found["check"] = _or_none(lambda: read_record(files.check / "report.json", CheckReport))
        if (
            manifest := _or_none(lambda: read_adapter(files.adapter))
        ) and manifest.digest == digest:
            found["training"] = _or_none(lambda: read_record(files.training, Training))
        split = _or_none(lambda: read_record(files.splits / "manifest.json", SplitReport))
        if split is not None:
            found["left_out"] = dropped_text(split.rows["train"], split.dropped)
    else:
        # A cycle may end before its own check: then the one there is of an earlier delivery.
        found["check"] = _or_none(lambda: read_check(workspace, cycle.task))
    when = datetime.now(UTC).date().isoformat()
    return VerdictPage(cycle=cycle, when=when, **{k: v for k, v in found.items() if v is not None})


def _measured(verdict: Verdict, files: TaskFiles, metric: str) -> dict[str, Any]:
    """What was measured on gate rows; call for an open gate only."""
    report = _or_none(lambda: read_record(files.eval / "report.json", EvalReport))
    path = files.eval / "rows.jsonl"
    if report is None or not path.is_file() or digest_file(path) != report.scores:
        return {}
    scores = _or_none(lambda: read_records(path, Score)) or []
    timing = _or_none(lambda: read_record(files.eval / "timing.json", Timing))
    seconds = timing.seconds_per_row if timing else {}
    groups = [s.group for s in scores if (s.contender, s.split) == (CANDIDATE, "gate")]
    found: dict[str, Any] = {
        "contenders": tuple(one for one in report.contenders if one.split == "gate"),
        "seconds": {name.removeprefix("gate/"): value for name, value in seconds.items()},
        "slices": slice_scores(scores, metric),
    }
    if verdict.look and groups and bounded(metric):
        found["sight"] = sight(groups, level=verdict.look.level)
    if verdict.comparisons:
        found["flips"] = _or_none(lambda: _flips(verdict, scores, files, metric))
    return found


def _flips(verdict: Verdict, scores: list[Score], files: TaskFiles, metric: str) -> Flips:
    against = compared_first(verdict)
    rows = read_rows(files.check / "rows.jsonl")
    register = files.held_out_register
    known = read_held_out_rows(register) if register.is_file() else ()
    found = flips(scores, rows, metric, against=against, known=known)
    return Flips(
        against=against,
        metric=metric,
        won=tuple(flip for flip in found if flip.won),
        lost=tuple(flip for flip in found if not flip.won),
    )


def _since(workspace: Workspace, store: Store, verdict: Verdict, files: TaskFiles) -> Since | None:
    """What is new since the champion of then was trained; None without one."""
    task, version = verdict.task, verdict.champion.version
    if version is None:
        return None
    manifest = _or_none(lambda: read_adapter(files.adapter))
    champion = _or_none(lambda: get(store, task, version))
    if manifest is None or champion is None:
        return None

    def rows() -> Changed:
        mine = read_rows(files.check / "rows.jsonl")
        with tempfile.TemporaryDirectory() as folder:
            then, names = Path(folder), ("check/rows.jsonl", f"adapter/{MANIFEST}")
            checked, adapter = (fetch_file(store, champion.run_id, n, into=then) for n in names)
            earlier: list[Example] = read_rows(checked)
            return changed(manifest, mine, read_record(adapter, AdapterManifest), earlier)

    differ = _differences(completed(champion.params), as_json(workspace.task(task)))
    return Since(version, _or_none(rows), differ)


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The parameters that differ, by dotted key; None where one lacks it."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*then, *now}):
        was, is_ = then.get(key), now.get(key)
        if isinstance(was, dict) or isinstance(is_, dict):
            inner = _differences(was or {}, is_ or {})
            found |= {f"{key}.{name}": pair for name, pair in inner.items()}
        elif was != is_:
            found[key] = (was, is_)
    return found


def _or_none(read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except (PawlError, OSError, ValueError, KeyError):
        return None
