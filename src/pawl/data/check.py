"""The stage `check`: runs the data rules, writes the report, fails if a rule blocks."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.config.schema import Task
from pawl.core.files import digest_file, digest_json, whole_folder, write_json, write_lines
from pawl.core.records import CheckReport, Fault, Histogram, Profile, Rule
from pawl.core.records.io import read_record, read_value, write_record
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

BINS = 24


def check(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/check/` and the Data Docs, `build/<task>/docs/`.

    The folder holds report.json (a `CheckReport`) and report.html, rows.jsonl (the rows as read),
    faults.jsonl (each row at fault, its rule, a message), suite.json, profile.json (a `Profile`).

    Raises:
        DataError: a rule of severity `block` failed (the report is still written), or rows lack a
            field that `split` names.
    """
    section, files = workspace.checked_task(task), workspace.files(task)
    schema = read_value(files.schema)
    path = data_file(workspace, section)
    measurer = row_measurer(section, workspace.root, schema)
    reader = ExampleReader(path, section.data, check=section.check)
    with whole_folder(files.check) as folder, whole_folder(files.docs) as docs:
        rows = require_fields(reader, section.split)
        results = run_rules(rows, section, measurer, to=folder / "rows.jsonl", docs=docs)
        rules = (_readable_rule(reader, section), *results.rules)
        columns = results.columns
        profile = profile_of(columns.prompt, columns.completion, columns.without_secrets())
        snapshot = files.champion_profile
        champion = read_record(snapshot, Profile) if snapshot.exists() else Profile()
        report = CheckReport(
            task=task,
            data=digest_file(path),
            rows=len(columns.ids),
            rules=rules,
            suite=digest_json(results.suite),
            histograms=_histograms(columns),
            drift=drift(profile, champion) if champion.rows else (),
            notes=reader.notes,
        )
        write_record(folder / "report.json", report)
        (folder / PAGE).write_text(page(report), encoding="utf-8")
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
    import numpy as np

    def histogram(name: str, unit: str, values: Sequence[int]) -> Histogram:
        counts, edges = np.histogram(values, bins=BINS)
        return Histogram(name, unit, tuple(edges.tolist()), tuple(counts.tolist()))

    return (
        histogram("prompt", "characters", columns.prompt),
        histogram("completion", "characters", columns.completion),
        histogram("row", "tokens", columns.sample_tokens),
    )


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
