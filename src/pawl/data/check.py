"""Rules that data must pass before anything is trained on it, as a Great Expectations suite.

The only file that imports Great Expectations. Each rule is an expectation over a frame with one
row per example; what pandas cannot see (token counts, schema errors, contradictions) is put into
a column first. An empty frame would pass every column expectation, so the row count is a rule of
its own and comes first.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from pawl.base import find_base, load_tokenizer
from pawl.data.inputs import data_file, task_rows
from pawl.data.read import Rows
from pawl.data.split import refuse_missing
from pawl.errors import DataError
from pawl.files import digest_file, whole_folder, write_lines
from pawl.params import Task
from pawl.prompt import completion_tokens, prompt_tokens
from pawl.records import CheckReport, Example, Fault, Rule, write_record
from pawl.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
# Up to this share of contradicting rows is ordinary noise; more is a labelling fault.
CONTRADICTIONS = 0.01


@dataclasses.dataclass(frozen=True)
class Expected:
    """One rule: an expectation by its type and arguments, and what it says to a person."""

    name: str
    severity: str
    says: str
    expectation: str
    arguments: dict[str, Any]


def check(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/check/`: report.json, rows.jsonl (the rows as read), and docs/.

    Raises:
        DataError: a rule of severity `block` failed (the report is written all the same), or rows
            lack the field of `split.group_by` or `split.slice_by`.
    """
    section, files = workspace.checked_task(task), workspace.files(task)
    path = data_file(workspace, section)
    found = task_rows(workspace, section)
    examples = found.examples
    refuse_missing(examples, section.split)
    schema = json.loads(files.schema.read_text(encoding="utf-8"))
    frame = frame_of(examples, workspace, section, schema)
    with whole_folder(files.check) as folder:
        asked = suite(section, has_schema=schema is not None)
        rules = (_readable(found, section), *validate(frame, asked, name=task))
        write_record(
            folder / "report.json",
            CheckReport(task=task, data=digest_file(path), rows=len(examples), rules=rules),
        )
        write_lines(folder / "rows.jsonl", map(dataclasses.asdict, examples))
    failed = [rule for rule in rules if not rule.passed and rule.severity == "block"]
    if failed:
        raise DataError(
            "\n".join(
                f"{section.data}: {rule.name}: {rule.says}, found {rule.found}"
                + (
                    f", first {', '.join(fault.id for fault in rule.worst[:3])}"
                    if rule.worst
                    else ""
                )
                for rule in failed
            ),
            rule="no rule of severity `block` may fail",
            remedy=f"mend the rows named; `pawl check {task}` shows more of them",
        )


def suite(section: Task, *, has_schema: bool) -> list[Expected]:
    """The rules of a task, in the order in which a person should read them."""
    least, longest = section.check.min_rows, section.train.max_length
    rules = [
        Expected(
            "row_count", "block", f"at least {least} rows",
            "expect_table_row_count_to_be_between", {"min_value": least},
        ),
        Expected(
            "length", "block", f"prompt and completion fit in {longest} tokens",
            "expect_column_values_to_be_between", {"column": "tokens", "max_value": longest},
        ),
        Expected(
            "contradictions", "block",
            f"at most {CONTRADICTIONS:.0%} of rows share a prompt but not the completion",
            "expect_column_values_to_be_in_set",
            {"column": "answers", "value_set": [1], "mostly": 1 - CONTRADICTIONS},
        ),
        Expected(
            "duplicates", "warn", "no prompt stands twice",
            "expect_column_values_to_be_unique", {"column": "key"},
        ),
        Expected(
            "constant", "block", "completions are not all the same",
            "expect_column_unique_value_count_to_be_between",
            {"column": "completion", "min_value": 2},
        ),
        Expected(
            "blanks", "warn", "completions neither begin nor end with blanks",
            "expect_column_values_to_match_regex",
            {"column": "completion", "regex": r"(?s)^\S(.*\S)?$"},
        ),
    ]  # fmt: skip
    if has_schema:
        rules.append(
            Expected(
                "schema",
                "block",
                "each completion is JSON that obeys the task's schema",
                "expect_column_values_to_be_in_set",
                {"column": "schema_error", "value_set": [""]},
            )
        )
    return rules


def frame_of(
    examples: Sequence[Example], workspace: Workspace, section: Task, schema: Any
) -> pd.DataFrame:
    """One row per example: id, key, completion, tokens, answers, schema_error."""
    import pandas as pd

    tokenizer = load_tokenizer(find_base(section.base, workspace.root))
    answers: defaultdict[str, set[str]] = defaultdict(set)
    for example in examples:
        answers[example.key].add(example.completion)
    validator = None if schema is None else Draft202012Validator(schema)
    return pd.DataFrame(
        {
            "id": e.id,
            "key": e.key,
            "completion": e.completion,
            "tokens": len(prompt_tokens(tokenizer, e.messages))
            + len(completion_tokens(tokenizer, e.completion)),
            "answers": len(answers[e.key]),
            "schema_error": schema_error(e.completion, validator),
        }
        for e in examples
    )


def schema_error(completion: str, validator: Draft202012Validator | None) -> str:
    """What is wrong with a completion, in a few words; empty where nothing is."""
    if validator is None:
        return ""
    try:
        value = json.loads(completion)
    except ValueError as error:
        return f"not JSON: {error}"
    worst = next(iter(validator.iter_errors(value)), None)
    return "" if worst is None else worst.message[:200]


def validate(frame: pd.DataFrame, expected: Sequence[Expected], *, name: str) -> tuple[Rule, ...]:
    """Run the rules over the frame and say what each found, with the ids of the first rows."""
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    rules = gx.ExpectationSuite(name=name)
    for rule in expected:
        configuration = ExpectationConfiguration(
            type=rule.expectation, kwargs=rule.arguments, meta={"rule": rule.name}
        )
        rules.add_expectation_configuration(configuration)
    result = batch.validate(
        rules,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["id"],
            "include_unexpected_rows": False,
        },
    )
    outcomes = {r.expectation_config.meta["rule"]: r for r in result.results}
    missing = {rule.name for rule in expected} - set(outcomes)
    if missing:
        raise DataError(
            f"rules without an outcome: {', '.join(sorted(missing))}",
            rule="every rule of the suite is run",
            remedy="this is a fault of pawl: please report it",
        )
    return tuple(_told(rule, outcomes[rule.name]) for rule in expected)


def _readable(found: Rows, section: Task) -> Rule:
    """The rows that could not be read. More of them than allowed have ended the reading."""
    return Rule(
        name="readable",
        severity="warn",
        passed=found.bad == 0,
        found=found.bad,
        of=found.bad + len(found.examples),
        says=f"every row can be read; up to {section.check.drop_bad:.1%} are left out",
        worst=tuple(Fault(*said.split(": ", 1)) for said in found.says),
    )


def _told(rule: Expected, outcome: Any) -> Rule:
    if outcome.exception_info.get("raised_exception"):
        message = outcome.exception_info.get("exception_message")
        raise DataError(f"the rule '{rule.name}' could not be run: {message}")
    rows = outcome.result.get("unexpected_index_list") or []
    ids = tuple(str(row["id"]) for row in rows)
    found = len(ids) if "unexpected_count" in outcome.result else outcome.result["observed_value"]
    return Rule(
        name=rule.name,
        severity="block" if rule.severity == "block" else "warn",
        passed=bool(outcome.success),
        found=int(found),
        of=int(outcome.result.get("element_count", found)),
        says=rule.says,
        worst=tuple(map(Fault, ids[:SHOWN])),
    )
