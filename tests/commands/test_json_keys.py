"""What `--json` prints has the keys that scripts rely on, whatever the records are called."""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from pawl.commands.approve import Approved
from pawl.commands.export import ExportReport
from pawl.commands.name import Named
from pawl.commands.predict import Prediction
from pawl.commands.predict_file import Answered
from pawl.commands.replay import ReplayResult
from pawl.commands.reproduce import ReproduceResult
from pawl.commands.review import ReviewStatus
from pawl.core.records.commands import BackupReport, Check, Finding, GcReport, HistoryEntry, Lineage
from pawl.core.records.publish import Publication
from pawl.data.versions.compare import Changed, Moved
from pawl.evaluate.judging import Judging
from pawl.gate.power import Power
from pawl.report.compare import VersionComparison
from pawl.report.data_versions import DataDiff
from pawl.report.dry_run import DryRun
from pawl.report.flips import FlipsReport
from pawl.report.plan import Plan
from pawl.report.status import TaskStatus
from pawl.report.trends.record import TaskReport
from pawl.train.plan import TrainingPlan

# Types that `pawl.report` names without importing them.
NAMES = {kind.__name__: kind for kind in (Changed, Judging, Moved, Power, TrainingPlan)}
LOOKS = {"used", "of", "budget", "says"}
SERVED = {"target", "served", "ok", "says"}
FLIP = {"id", "won", "prompt", "reference", "candidate", "champion", "values"}
KEYS: dict[type, set[str] | dict[str, Any]] = {
    Finding: {"what", "ok", "says"},
    Check: {"name", "ok", "found", "remedy"},
    Approved: {"task", "version", "entry", "released", "says"},
    Named: {"name", "before", "carried"},
    Prediction: {"prompt", "answer"},
    ReviewStatus: {"task", "pairs", "labelled", "same", "judge"},
    ExportReport: {
        **dict.fromkeys(("task", "version", "form", "folder", "bytes", "rows", "unknown")),
        "changed": {"id", "judged", "served"},
    },
    Answered: {"id", "model", "answer"},
    BackupReport: {"file", "made", "files", "bytes", "store", "keys", "data"},
    GcReport: {"freed": None, "found": {"what", "bytes", "where"}, "left": None},
    HistoryEntry: {
        "entry", "kind", "version", "digest", "from", "when", "who", "why", "evidence", "unearned",
    },
    ReplayResult: {"task", "version", "recorded", "derived", "reasons", "differs", "same"},
    ReproduceResult: {
        "task", "version", "commit", "registered", "reproduced", "scores", "differs", "same",
    },
    VersionComparison: {
        "task", "versions", "verdict", "scores", "same_rows", "rows", "params", "data", "base",
        "commit", "when", "other_scorers",
    },
    TaskStatus: {
        "task": None,
        "champion": {"version", "digest", "since", "why", "kind", "unearned"},
        "last": {"verdict", "reasons", "when"},
        "looks": LOOKS,
        "fresh_rows": {"there", "needed"},
        "page": None,
        "notes": None,
        "served": SERVED,
    },
    Publication: {
        **dict.fromkeys(("task", "name", "entry", "when")),
        "served": SERVED,
    },
    DryRun: {
        **dict.fromkeys(("task", "unchanged", "waiting", "champion", "blocked", "to_review")),
        "stages": {"name", "why", "seconds"},
        "looks": LOOKS,
    },
    Lineage: {
        "task": None,
        "champion": None,
        "versions": {
            **dict.fromkeys(("version", "champion", "verdict", "when", "adapter", "commit")),
            **dict.fromkeys(("rows", "restore")),
            "data": {"sha256", "md5", "commit"},
        },
        "data": {
            **dict.fromkeys(("md5", "commit", "when", "subject", "here", "versions")),
            "source": {"address", "version", "when"},
        },
    },
    DataDiff: {
        **dict.fromkeys(("task", "added", "removed", "touched", "rules")),
        "a": {"name", "md5", "rows", "bad", "unruled"},
        "b": {"name", "md5", "rows", "bad", "unruled"},
        "relabelled": {"id", "was", "before", "after"},
        "moved": {"id", "was"},
    },
    TaskReport: {
        **dict.fromkeys(("task", "metric", "split", "same_rows", "champion", "notes")),
        "versions": {
            "version", "when", "verdict", "released", "rows", "own", "own_rows", "same", "hours",
            "cost", "looks_left",
        },
        "changes": {
            "entry", "kind", "version", "digest", "from", "when", "who", "why", "evidence",
            "unearned",
        },
        "looks": LOOKS,
        "spent": {"hours", "cost", "released", "hours_each", "cost_each"},
    },
    FlipsReport: {
        **dict.fromkeys(("task", "version", "against", "metric", "split")),
        "won": FLIP,
        "lost": FLIP,
        "data": {"added", "removed", "relabelled"},
    },
    Plan: {
        **dict.fromkeys(("task", "rows", "rank", "steps", "prompt_tokens", "prompts", "says")),
        "unprovable": None,
        "cannot_tell": None,
        "dropped": {
            "copy", "near_copy", "known_gate_row", "dev_copy", "says", "withdrawn", "removed",
        },
        "parameters": {"trainable", "base", "share"},
        "training": {
            **dict.fromkeys(("usable", "fits", "tokens", "seconds", "cost", "says")),
            "device": {"name", "cuda", "memory", "here"},
            "choices": {"weights", "checkpointing", "room", "gives_back", "passes"},
            "peak": {"total", "parts"},
            "speed": {"tokens_per_second", "steps", "passes"},
        },
        "judging": {
            "weights", "cards", "peak", "parts", "usable", "fits", "unpacked", "remedies",
        },
        "moved": {
            **dict.fromkeys(("version", "base")),
            "judging": dict.fromkeys((
                "weights", "cards", "peak", "parts", "usable", "fits", "unpacked", "remedies",
            )),
        },
        "looks": LOOKS,
        "fresh_rows": {"there", "needed"},
        "gate": {
            "rows", "units", "breaks", "level", "smallest_gain", "rows_for", "last_level",
            "last_gain",
        },
    },
}  # fmt: skip


def keys(kind: Any) -> dict[str, Any] | None:
    """The keys of a record's JSON, nested; None for what is no record."""
    if get_origin(kind) in (Union, types.UnionType, tuple):
        return next(filter(None, map(keys, get_args(kind))), None)
    if not dataclasses.is_dataclass(kind):
        return None
    hints = get_type_hints(kind, localns=NAMES | vars(sys.modules[kind.__module__]))
    return {
        field.name.removesuffix("_"): keys(hints[field.name]) for field in dataclasses.fields(kind)
    }


def nested(expected: set[str] | dict[str, Any] | None) -> dict[str, Any] | None:
    if expected is None:
        return None
    if isinstance(expected, set):
        return dict.fromkeys(expected)
    return {key: nested(value) for key, value in expected.items()}


@pytest.mark.parametrize("record", KEYS, ids=lambda record: record.__name__)
def test_a_commands_json_has_the_keys_that_it_always_had(record: type) -> None:
    assert keys(record) == nested(KEYS[record])
