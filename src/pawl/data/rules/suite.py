"""The rules of a task's data, in reading order.

Each is an expectation of Great Expectations over the columns of `pawl.data.rules.columns`. For what
the library cannot check itself, the expectation is that a column of messages is empty.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pawl.config.field_types import DataRule
from pawl.config.schema import Task
from pawl.data.rules.cross_row import DOMINANT

# Up to this share of contradicting rows is ordinary noise; more is a labelling error.
CONTRADICTIONS = 0.01
# A slice with fewer rows has too few gate rows for a guard.
MIN_SLICE = 50
# Tolerated shares: real users repeat themselves, and annotators disagree at times.
NEAR, NOISE, TEMPLATES, STYLE, LANGUAGE, FACTS = 0.02, 0.02, 0.5, 0.02, 0.02, 0.05
COPIES, PARAPHRASES, CUT = 0.0, 0.01, 0.01


@dataclasses.dataclass(frozen=True)
class RuleExpectation:
    """One rule: an expectation by type and arguments, and its description.

    `message` is that of a row at fault, with columns in braces; `sort_by` ranks rows, highest
    first.
    """

    name: DataRule
    severity: Literal["block", "warn"]
    description: str
    expectation: str
    arguments: dict[str, Any]
    message: str = ""
    sort_by: str | None = None


def suite(section: Task, *, has_schema: bool) -> list[RuleExpectation]:
    """Return the rules of a task; `check.severity` overrides their severities."""
    least, longest = section.check.min_rows, section.train.max_length
    rules = [
        RuleExpectation("row_count", "block", f"at least {least} rows",
                        "expect_table_row_count_to_be_between", {"min_value": least}),
        _most("length", "warn" if section.check.drop_long else "block",
              f"prompt and completion fit in {longest} tokens"
              + ("; longer rows are left out" if section.check.drop_long else ""),
              longest, "tokens", message="{tokens} tokens"),
        _most("contradictions", "block",
              f"at most {CONTRADICTIONS:.0%} of rows share a prompt but not its label or JSON", 1,
              "answers", mostly=1 - CONTRADICTIONS, message="{answers} answers to one question"),
        _most("duplicates", "warn", "no question stands twice with the same answer", 1,
              "copies", mostly=1 - COPIES, message="occurs {copies} times"),
        _most("paraphrases", "warn",
              f"at most {PARAPHRASES:.0%} of rows share a prompt but not its sentences",
              1, "wordings", mostly=1 - PARAPHRASES, message="{wordings} wordings of an answer"),
        RuleExpectation("constant", "block", "completions are not all the same",
                        "expect_column_unique_value_count_to_be_between",
                        {"column": "answer", "min_value": 2}),
        _empty("near_duplicates", "warn", f"at most {NEAR:.0%} of the prompts are nearly another's",
               mostly=1 - NEAR),
        _empty("label_noise", "warn",
               f"at most {NOISE:.0%} of rows answer otherwise than the rows nearest to them",
               mostly=1 - NOISE),
        _empty("templates", "warn",
               f"at most {TEMPLATES:.0%} of the prompts are little else than a template",
               mostly=1 - TEMPLATES),
        _empty("dominance", "warn", f"no value stands in more than {DOMINANT:.0%} of the rows"),
        _empty("placeholders", "warn", "no completion holds an unfilled placeholder"),
        _empty("separators", "warn", "no text ends with a mark of older formats"),
        _empty("cut_off", "warn", f"at most {CUT:.0%} of the completions seem to be cut off",
               mostly=1 - CUT),
        _empty("blanks", "warn", "completions neither begin nor end with blanks"),
        _empty("style", "warn", f"at most {STYLE:.0%} of the completions are written otherwise",
               mostly=1 - STYLE),
        _empty("language", "warn",
               f"at most {LANGUAGE:.0%} of the prompts are in another language than the rest",
               mostly=1 - LANGUAGE),
        _empty("facts", "warn",
               f"at most {FACTS:.0%} of the completions say what their prompt does not",
               mostly=1 - FACTS),
        _empty("turns", "block", "the base's chat template can show each row's turns"),
        _empty("secrets", "block", "no row holds a key, a token or a password"),
        _empty("possible_secrets", "warn", "no row holds what looks like one"),
        _empty("personal", "warn", "no row holds personal data"),
        _empty("control_tokens", "warn", "no row holds a control token of the base"),
    ]  # fmt: skip
    if has_schema:
        rules.append(_empty("schema", "block", "each completion is JSON that obeys the schema"))
    if section.evaluate.regex is not None:
        rules.append(_empty("regex", "block", "each completion matches `evaluate.regex`"))
    if section.split.slice_by is not None:
        rules.append(RuleExpectation(
            "slices", "warn", f"each slice ({section.split.slice_by}) has {MIN_SLICE} rows",
            "expect_column_values_to_be_between", {"column": "of_slice", "min_value": MIN_SLICE},
            message="{of_slice} rows in its slice",
        ))  # fmt: skip
    severities = section.check.severity
    return [dataclasses.replace(r, severity=severities.get(r.name, r.severity)) for r in rules]


def _most(
    name: DataRule,
    severity: Literal["block", "warn"],
    description: str,
    most: float,
    column: str,
    *,
    mostly: float = 1.0,
    message: str,
) -> RuleExpectation:
    arguments = {"column": column, "max_value": most, "mostly": mostly}
    kind = "expect_column_values_to_be_between"
    return RuleExpectation(name, severity, description, kind, arguments, message, sort_by=column)


def _empty(
    name: DataRule, severity: Literal["block", "warn"], description: str, *, mostly: float = 1.0
) -> RuleExpectation:
    arguments = {"column": name, "value_set": [""], "mostly": mostly}
    kind = "expect_column_values_to_be_in_set"
    return RuleExpectation(name, severity, description, kind, arguments, message=f"{{{name}}}")
