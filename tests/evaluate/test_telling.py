"""A metric that cannot tell contenders apart is named before a training; no other is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pawl.core.files import write_lines
from pawl.core.records import Contender, EvalReport, Example, read_rows, write_record
from pawl.core.records.ledger import Champion
from pawl.data.read.examples import read_examples
from pawl.evaluate.preflight import preflight
from pawl.evaluate.telling import cannot_tell
from pawl.workspace.paths import Workspace

NOWHERE = Path("nowhere/report.json")
WORDS = ("river", "stone", "maple", "cloud", "ember", "quiet", "lantern", "harbour", "willow")


def told(number: int) -> str:
    """A free text of 30 words that no other number has."""
    return " ".join(f"{WORDS[(number * at + at * at) % 9]}{number + at}" for at in range(30))


def rows_with(answer: Callable[[int], str], tmp_path: Path, count: int = 20) -> list[Example]:
    path = tmp_path / "rows.jsonl"
    prompt = "order {0} of {1} is late, says customer {2}"
    rows = (
        {"prompt": prompt.format(n, told(n)[:60], n * 7), "completion": answer(n)}
        for n in range(count)
    )
    write_lines(path, rows)
    return list(read_examples(path, path.name).examples)


def test_free_text_by_exact_match_is_named_with_the_remedy(tmp_path: Path) -> None:
    rows = rows_with(told, tmp_path)
    found = cannot_tell("exact_match", rows, NOWHERE)
    assert "20 of 20 dev answers are free text" in found
    for other in ("char_error", "perplexity", "preference", "evaluate.scorers"):
        assert other in found
        assert not cannot_tell(other, rows, NOWHERE)


@pytest.mark.parametrize(
    "answer",
    [
        lambda n: ("late", "damaged", "a question about a bill that nobody can answer")[n % 3],
        lambda n: f"{n * 17}.50 EUR",
        lambda n: json.dumps({"order": n, "says": told(n)}),
        # Long, but put together from the prompt and words that all share.
        lambda n: f"<row><order>{n}</order><of>{told(n)[:60]}</of><from>{n * 7}</from></row>",
        # A few free texts among answers that can be given exactly.
        lambda n: told(n) if n < 10 else "late",
    ],
)
def test_labels_short_values_json_and_rewritten_prompts_raise_no_alarm(
    tmp_path: Path, answer: Callable[[int], str]
) -> None:
    assert not cannot_tell("exact_match", rows_with(answer, tmp_path), NOWHERE)


def test_too_few_rows_say_nothing(tmp_path: Path) -> None:
    assert not cannot_tell("exact_match", rows_with(told, tmp_path, count=5), NOWHERE)


def report(path: Path, metric: str, **values: float) -> Path:
    """A report of an evaluation in which contenders on dev had these values."""
    contenders = tuple(
        Contender(name, "dev", 40, {metric: value}, 9.0, 3.0) for name, value in values.items()
    )
    record = EvalReport("t", "b", "c", Champion(), None, None, 0, contenders, {}, "s")
    write_record(path / "report.json", record)
    return path / "report.json"


@pytest.mark.parametrize(
    ("metric", "value", "says"),
    [
        ("exact_match", 0.0, "hardly tell contenders apart"),
        ("exact_match", 1.0, "nothing better can be seen"),
        ("char_error", 0.0, "nothing better can be seen"),
        ("json_equal", 0.0, "hardly tell contenders apart"),
    ],
)
def test_what_the_last_evaluation_could_not_tell_apart_is_named(
    tmp_path: Path, metric: str, value: float, says: str
) -> None:
    rows = rows_with(lambda _: "late", tmp_path)
    found = cannot_tell(metric, rows, report(tmp_path, metric, candidate=value, champion=value))
    assert says in found
    assert f"candidate and champion had {metric} {value:g} on all of 40 dev rows" in found


def test_a_metric_that_told_contenders_apart_is_not_named_whatever_the_answers_are(
    tmp_path: Path,
) -> None:
    rows = rows_with(told, tmp_path)
    for values in ({"candidate": 0.3}, {"candidate": 0.0, "champion": 0.1}):
        assert not cannot_tell("exact_match", rows, report(tmp_path, "exact_match", **values))
    # One that was not measured, or cannot be read, says nothing.
    assert cannot_tell("exact_match", rows, report(tmp_path, "json_equal", candidate=0.3))
    (tmp_path / "report.json").write_text("{")
    assert cannot_tell("exact_match", rows, tmp_path / "report.json")


def test_preflight_says_it_before_anything_is_trained(
    split_workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    preflight(split_workspace, "tickets")
    assert "tell contenders apart" not in capfd.readouterr().err, "tickets are JSON"
    params = split_workspace.params_file
    params.write_text(params.read_text().replace("schema_decoding: baselines", "batch_size: 64"))
    path = split_workspace.files("tickets").splits / "dev.jsonl"
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    write_lines(path, (row | {"completion": told(n)} for n, row in enumerate(rows)))
    assert len(read_rows(path)) == len(rows)
    preflight(split_workspace, "tickets")
    assert "exact_match will hardly tell contenders apart" in capfd.readouterr().err
