"""A suite run by Great Expectations, and its Data Docs. The only file that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from pawl.core.files import write_text
from pawl.data.rules.suite import Expected
from pawl.errors import DataError

# A DataFrame of pandas or of PySpark, which is not installed with pawl.
Frame = Any
SITE = "docs"
SEVERITY = {"block": "critical", "warn": "warning"}
RESULT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["row"],
    "include_unexpected_rows": False,
}


@dataclass(frozen=True)
class Outcome:
    """Whether a rule holds, of how many rows, and the numbers of those at fault.

    `observed` is the value of a rule that is about no single row.
    """

    passed: bool
    of: int
    rows: tuple[int, ...] = ()
    observed: float | None = None


def validate(
    frame: Frame, rules: Sequence[Expected], *, name: str, docs: Path | None = None
) -> dict[str, Outcome]:
    """Run the rules over the frame.

    Args:
        frame: a column for each that a rule names, and `row`, the row's number; of pandas, or of
            Spark where the data is beyond one machine (bench/spark.py).
        rules: at least one.
        name: what the suite is called in the Data Docs.
        docs: the folder that gets them, as HTML.

    Returns:
        What became of each rule, by its name.

    Raises:
        DataError: there is no rule, or one could not be run: a suite without an outcome is no pass.
    """
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.run_identifier import RunIdentifier

    if not rules:
        raise DataError("the suite has no rules", rule="data is held against at least one")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    if docs is not None:
        context.add_data_docs_site(site_name=SITE, site_config=_site(docs))
    here = isinstance(frame, pd.DataFrame)
    sources = context.data_sources
    source = sources.add_pandas(name) if here else sources.add_spark(name)
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(_suite(rules, name))
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=batch, suite=suite)
    )
    result = definition.run(
        batch_parameters={"dataframe": frame},
        result_format=RESULT,
        run_id=RunIdentifier(run_name="check"),
    )
    if docs is not None:
        # Not the one of its own, in a temporary folder that it leaves behind.
        context.build_data_docs(site_names=[SITE])
        write_text(docs / "index.html", _index(docs))
    outcomes = {r.expectation_config.meta["rule"]: r for r in result.results}
    total = len(frame) if here else frame.count()
    return {rule.name: _outcome(rule, outcomes.get(rule.name), total) for rule in rules}


def load_library() -> None:
    """Import Great Expectations, which takes seconds."""
    import great_expectations  # noqa: F401


def suite_of(rules: Sequence[Expected], *, name: str) -> dict[str, Any]:
    """The suite as Great Expectations writes it: what any of its backends can run."""
    value: dict[str, Any] = _suite(rules, name).to_json_dict()
    # Drawn anew each time; the same rules have the same digest.
    for expectation in value["expectations"]:
        expectation.pop("id", None)
    value.pop("id", None)
    return value


def _suite(rules: Sequence[Expected], name: str) -> Any:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    suite = gx.ExpectationSuite(name=name)
    for rule in rules:
        suite.add_expectation_configuration(
            ExpectationConfiguration(
                type=rule.expectation,
                kwargs=rule.arguments,
                severity=SEVERITY[rule.severity],
                meta={"rule": rule.name, "notes": {"format": "markdown", "content": [rule.says]}},
            )
        )
    return suite


def _outcome(rule: Expected, outcome: Any, total: int) -> Outcome:
    if outcome is None:
        raise DataError(
            f"the rule '{rule.name}' has no outcome",
            rule="every rule of the suite is run",
            remedy="this is a fault of pawl: please report it",
        )
    if outcome.exception_info.get("raised_exception"):
        message = outcome.exception_info.get("exception_message")
        raise DataError(f"the rule '{rule.name}' could not be run: {message}")
    found = outcome.result
    if "unexpected_count" not in found:
        return Outcome(bool(outcome.success), total, observed=float(found["observed_value"]))
    rows = (int(row["row"]) for row in found.get("unexpected_index_list") or ())
    looked = int(found["element_count"]) - int(found.get("missing_count") or 0)
    return Outcome(bool(outcome.success), looked, tuple(rows))


def _index(docs: Path) -> str:
    """A page that leads to the others. The library's own finds them by scripts from elsewhere."""
    links = "\n".join(
        f'<li><a href="{escape(path.relative_to(docs).as_posix())}">{says}</a></li>'
        for kind, says in (("validations", "What each rule found"), ("expectations", "The rules"))
        for path in sorted((docs / kind).rglob("*.html"))
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<title>Data Docs</title>\n'
        '<body style="font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto">\n'
        f"<h1>Data Docs</h1>\n<ul>\n{links}\n</ul>\n"
        "<p>Pages of Great Expectations. They take their looks from servers elsewhere; without a "
        "network they are plain, and their figures the same.</p>\n"
    )


def _site(docs: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(docs),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "show_how_to_buttons": False,
    }
