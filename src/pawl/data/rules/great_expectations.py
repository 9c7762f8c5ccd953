"""Runs a suite with Great Expectations and builds its Data Docs; the only module to use it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from pawl.core.files import write_text
from pawl.data.rules.suite import RuleExpectation
from pawl.errors import DataError

# A DataFrame of pandas or of PySpark, which is not a dependency of pawl.
Frame = Any
SITE = "docs"
SEVERITY = {"block": "critical", "warn": "warning"}
SITE_CONFIG = {
    "class_name": "SiteBuilder",
    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    "show_how_to_buttons": False,
}
# Of a page: where a column's section is named, where each begins, and the looks of what failed
# beside those that the library itself gives to a warning.
SECTION_NAME = re.compile(r'href="(#section-\d+)"[^>]*>\s*([^<]*?)\s*</a>')
SECTION = re.compile(r'<div id="(section-\d+)"')
LOOKS = (
    ("fa-times text-danger", "fa-exclamation-triangle text-warning"),
    ('strong class="text-danger"', 'strong class="text-warning"'),
)
RESULT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["row"],
    "include_unexpected_rows": False,
}


@dataclass(frozen=True)
class Outcome:
    """Whether a rule passed, over how many rows `of`, and the row numbers at fault.

    `observed` is the value of a rule on the table as a whole.
    """

    passed: bool
    of: int
    rows: tuple[int, ...] = ()
    observed: float | None = None


def validate(
    frame: Frame, rules: Sequence[RuleExpectation], *, name: str, docs: Path | None = None
) -> dict[str, Outcome]:
    """Run the rules over the frame and return each one's outcome, by its name.

    Args:
        frame: the columns that the rules name, and `row`, the row number; of pandas, or of Spark
            for data beyond one machine (bench/spark.py).
        rules: at least one.
        name: the suite's name in the Data Docs.
        docs: the folder for the Data Docs (HTML).

    Raises:
        DataError: there is no rule, or one could not be run; without an outcome nothing passes.
    """
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.run_identifier import RunIdentifier

    if not rules:
        raise DataError("the suite has no rules", rule="a check runs at least one rule")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    if docs is not None:
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
        site = {**SITE_CONFIG, "store_backend": store}
        context.add_data_docs_site(site_name=SITE, site_config=site)
    is_pandas = isinstance(frame, pd.DataFrame)
    sources = context.data_sources
    source = sources.add_pandas(name) if is_pandas else sources.add_spark(name)
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(_suite(rules, name))
    definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        result_format=RESULT,
        run_id=RunIdentifier(run_name="check"),
    )
    if docs is not None:
        blocked = {r.name for r in rules if r.severity == "block"}
        fit = all(
            r.success or r.expectation_config.meta["rule"] not in blocked for r in result.results
        )
        _judge(context, fit=fit)
        # Only this site: the default one would remain in a temporary folder.
        context.build_data_docs(site_names=[SITE])
        warned = {str(r.arguments.get("column")) for r in rules if r.severity == "warn"}
        for page in (docs / "validations").rglob("*.html"):
            write_text(page, _with_warnings(page.read_text(encoding="utf-8"), warned))
        write_text(docs / "index.html", _index(docs))
    outcomes = {r.expectation_config.meta["rule"]: r for r in result.results}
    total = len(frame) if is_pandas else frame.count()
    return {rule.name: _outcome(rule, outcomes.get(rule.name), total) for rule in rules}


def _judge(context: Any, *, fit: bool) -> None:
    """Let the page's verdict be that of the check: a warning is one, and no failure of the data."""
    store = context.validation_results_store
    for key in store.list_keys():
        result = store.get(key)
        result.success = fit
        store.set(key, result)


def _with_warnings(page: str, columns: set[str]) -> str:
    """The page with the rules of these columns, where they fail, shown as warnings."""
    names = {link[1:]: column for link, column in SECTION_NAME.findall(page)}
    # Text between sections, then by turns a section's id and what follows it.
    head, *rest = SECTION.split(page)
    parts = [head]
    for section, text in zip(rest[::2], rest[1::2], strict=True):
        parts.append(f'<div id="{section}"')
        if names.get(section) in columns:
            for failed, warned in LOOKS:
                text = text.replace(failed, warned)
        parts.append(text)
    return "".join(parts)


def suite_json(rules: Sequence[RuleExpectation], *, name: str) -> dict[str, Any]:
    """Return the suite in the JSON format of Great Expectations, for any of its backends."""
    value: dict[str, Any] = _suite(rules, name).to_json_dict()
    # Random ids would give the same rules another digest each time.
    for expectation in value["expectations"]:
        expectation.pop("id", None)
    value.pop("id", None)
    return value


def _suite(rules: Sequence[RuleExpectation], name: str) -> Any:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    suite = gx.ExpectationSuite(name=name)
    for rule in rules:
        notes = {"format": "markdown", "content": [rule.description]}
        expectation = ExpectationConfiguration(
            type=rule.expectation,
            kwargs=rule.arguments,
            severity=SEVERITY[rule.severity],
            meta={"rule": rule.name, "notes": notes},
        )
        suite.add_expectation_configuration(expectation)
    return suite


def _outcome(rule: RuleExpectation, outcome: Any, total: int) -> Outcome:
    if outcome is None:
        raise DataError(
            f"the rule '{rule.name}' has no outcome",
            rule="every rule of the suite is run",
            remedy="this is a bug in pawl: please report it",
        )
    if outcome.exception_info.get("raised_exception"):
        message = outcome.exception_info.get("exception_message")
        raise DataError(f"the rule '{rule.name}' could not be run: {message}")
    result = outcome.result
    if "unexpected_count" not in result:
        return Outcome(bool(outcome.success), total, observed=float(result["observed_value"]))
    rows = (int(row["row"]) for row in result.get("unexpected_index_list") or ())
    checked = int(result["element_count"]) - int(result.get("missing_count") or 0)
    return Outcome(bool(outcome.success), checked, tuple(rows))


def _index(docs: Path) -> str:
    """An index page; the library's own needs scripts from other servers."""
    links = "\n".join(
        f'<li><a href="{escape(path.relative_to(docs).as_posix())}">{title}</a></li>'
        for kind, title in (("validations", "What each rule found"), ("expectations", "The rules"))
        for path in sorted((docs / kind).rglob("*.html"))
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<title>Data Docs</title>\n'
        '<body style="font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto">\n'
        f"<h1>Data Docs</h1>\n<ul>\n{links}\n</ul>\n"
        "<p>Pages of Great Expectations. Their styles come from other servers; without a "
        "network the pages are plain, with the same figures.</p>\n"
    )
