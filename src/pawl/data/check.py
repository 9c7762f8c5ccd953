"""The stage `check`: runs the data rules, writes the report, fails if a rule blocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.config.schema import Task
from pawl.core.files import (
    digest_file,
    digest_json,
    whole_folder,
    write_json,
    write_lines,
    write_text,
)
from pawl.core.records import (
    CheckReport,
    Drift,
    Fault,
    Histogram,
    Profile,
    Rule,
    read_record,
    write_record,
)
from pawl.data.read.examples import ExampleReader
from pawl.data.report.check_summary import PAGE
from pawl.data.report.page import page
from pawl.data.rules.columns import Columns
from pawl.data.rules.measure import row_measurer
from pawl.data.rules.profile import drift, profile_of
from pawl.data.rules.run_rules import run_rules
from pawl.data.split.split import require_fields
from pawl.errors import DataError
from pawl.workspace.paths import Workspace
from pawl.workspace.task_inputs import data_file

SHOWN = 10
BINS = 24


def check(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/check/` and the Data Docs, `build/<task>/docs/`.

    The folder holds report.json (a `CheckReport`), the same as report.html, rows.jsonl (the rows as
    read), faults.jsonl (each row at fault, with the rule and a message), suite.json, profile.json
    (a `Profile`).

    Raises:
        DataError: a rule of severity `block` failed (the report is still written), or rows lack the
            field of `split.group_by` or `split.slice_by`.
    """
    section, files = workspace.checked_task(task), workspace.files(task)
    schema = json.loads(files.schema.read_text(encoding="utf-8"))
    path = data_file(workspace, section)
    measurer = row_measurer(section, workspace.root, schema)
    reader = ExampleReader(path, section.data, drop=section.check.drop_bad)
    with whole_folder(files.check) as folder, whole_folder(files.docs) as docs:
        rows = require_fields(reader, section.split)
        results = run_rules(rows, section, measurer, to=folder / "rows.jsonl", docs=docs)
        rules = (_readable_rule(reader, section), *results.rules)
        columns = results.columns
        profile = profile_of(columns.prompt, columns.completion, columns.without_secrets())
        report = CheckReport(
            task=task,
            data=digest_file(path),
            rows=len(columns.ids),
            rules=rules,
            suite=digest_json(results.suite),
            histograms=_histograms(columns),
            drift=_drift(profile, files.champion_profile),
        )
        write_record(folder / "report.json", report)
        write_text(folder / PAGE, page(report))
        write_record(folder / "profile.json", profile)
        write_json(folder / "suite.json", results.suite)
        write_lines(folder / "faults.jsonl", results.faults)
    _refuse_failed(rules, section, task)


def _readable_rule(reader: ExampleReader, section: Task) -> Rule:
    """The rule on rows that cannot be read; with more than allowed, reading has failed before."""
    return Rule(
        name="readable",
        severity=section.check.severity.get("readable", "warn"),
        passed=reader.bad == 0,
        found=reader.bad,
        of=reader.bad + reader.good,
        says=f"every row can be read; up to {section.check.drop_bad:.1%} are left out",
        worst=tuple(Fault(*message.split(": ", 1)) for message in reader.messages),
    )


def _histograms(columns: Columns) -> tuple[Histogram, ...]:
    return (
        _histogram("prompt", "characters", columns.prompt),
        _histogram("completion", "characters", columns.completion),
        _histogram("row", "tokens", columns.sample_tokens),
    )


def _histogram(name: str, unit: str, values: Any) -> Histogram:
    import numpy as np

    counts, edges = np.histogram(values, bins=BINS)
    return Histogram(name, unit, tuple(map(float, edges)), tuple(map(int, counts)))


def _drift(now: Profile, snapshot: Path) -> tuple[Drift, ...]:
    champion = read_record(snapshot, Profile) if snapshot.exists() else Profile()
    return drift(now, champion) if champion.rows else ()


def _refuse_failed(rules: Sequence[Rule], section: Task, task: str) -> None:
    failed = [rule for rule in rules if not rule.passed and rule.severity == "block"]
    if failed:
        raise DataError(
            "\n".join(
                f"{section.data}: {rule.name}: {rule.says}, found {rule.found}"
                + "".join(f", {fault.id}" for fault in rule.worst[:3])
                for rule in failed
            ),
            rule="no rule of severity `block` may fail",
            remedy=f"correct these rows; `pawl check {task}` shows more of them",
        )
