"""The verdict page: its figures are the record's, texts stay texts, everybody can read it."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe
import pytest
import reports
from browser import Tab, browser
from hypothesis import given, settings
from hypothesis import strategies as st
from verdicts import HOSTILE, judged

from pawl.core.metrics import shown
from pawl.core.records import Candidate, Champion, Cycle
from pawl.report.verdict.answers import SHOWN, marked
from pawl.report.verdict.page import LOST, OPEN, WON, page
from pawl.report.verdict.record import VerdictPage

TAGS = re.compile(r"</?(?!code|mark|del)[a-z]\w*")
PLAIN = page(judged(text="x", lost=1))
FOREST = """[...document.querySelectorAll('.forest li')].map(one => ({
  against: one.dataset.against, metric: one.dataset.metric, says: one.innerText,
  state: one.querySelector('.state').innerText,
  drawn: ['.range', '.zero', 'circle', '.margin'].map(name => {
    const box = one.querySelector('.strip ' + name)?.getBoundingClientRect();
    const all = one.querySelector('.strip').getBoundingClientRect();
    return box ? [(box.left - all.left) / all.width, (box.right - all.left) / all.width] : null;
  }),
}))"""
TABLE = """[...document.querySelectorAll('#score-table tr')].map(
  row => [...row.cells].map(cell => cell.innerText.trim()))"""
FLIPS = """[...document.querySelectorAll('.flip')].map(one => ({
  id: one.querySelector('h4').textContent,
  texts: [...one.querySelectorAll('.answer')].map(text => text.textContent),
  marks: [...one.querySelectorAll('mark, del')].map(mark => mark.textContent),
  open: !one.closest('details'),
}))"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as opened:
        yield opened


def show(tab: Tab, folder: Path, record: VerdictPage, **words: Any) -> None:
    path = folder / "verdict.html"
    path.write_text(page(record), encoding="utf-8")
    tab.open(path.as_uri(), **words)


def bare(decision: Any) -> VerdictPage:
    """A cycle that judged nothing."""
    cycle = Cycle("tickets", decision, (HOSTILE,), Candidate(), Champion(), {}, {})
    return VerdictPage(cycle=cycle, when="2026-11-28")


@pytest.mark.server
def test_every_figure_on_the_page_is_the_records(tab: Tab, tmp_path: Path) -> None:
    record = judged()
    show(tab, tmp_path, record)
    verdict, cycle = record.verdict, record.cycle
    assert verdict
    assert record.flips
    text = tab.ask("document.body.innerText")
    assert tab.ask("document.getElementById('verdict').innerText") == (
        "Promoted: version 2 is the champion now."
    )
    assert (
        "exact_match 94.7% against 45.9% of the champion, version 1: 252 rows won, 6 lost." in text
    )
    drawn = tab.ask(FOREST)
    compared = (*verdict.comparisons, *verdict.guards, *verdict.beside)
    zero, (start, end) = drawn[0]["drawn"][1][0], drawn[0]["drawn"][0]
    width = end - start
    for one, comparison in zip(drawn, compared, strict=True):
        assert (one["against"], one["metric"]) == (comparison.against, comparison.metric)
        low, high = comparison.interval or (0.0, 0.0)
        assert f"({100 * low:+.1f} to {100 * high:+.1f} points)" in one["says"]
        assert f"{100 * (comparison.candidate - comparison.other):+.1f} points" in one["says"]
        assert f"{comparison.wins} won, {comparison.losses} lost" in one["says"]
        # All strips have one axis: a length on it is a difference.
        (left, right), at_zero, _, margin = one["drawn"]
        assert at_zero[0] == pytest.approx(zero, abs=0.01)
        assert (left > zero) == (low > 0)
        assert (margin is not None) == (comparison.margin is not None)
        assert right - left == pytest.approx(width * (high - low) / 0.09, abs=0.01)
    assert [one["state"] for one in drawn] == [
        "beaten",
        "beaten",
        "guard holds",
        "guard fails",
        "informs",
    ]
    metrics, names = sorted({m for of in cycle.scores.values() for m in of}), list(cycle.scores)
    head, *rows = tab.ask(TABLE)
    assert head == ["Metric", *names]
    for row, metric in zip(rows, metrics, strict=True):
        assert row == [
            f"{metric} ↓" if metric == "char_error" else metric,
            *(shown(metric, of[metric]) if metric in of else "–" for of in cycle.scores.values()),
        ]
    assert tab.ask("document.querySelector('[data-change=added] b').innerText") == "1,425"
    seen = tab.ask("document.getElementById('seen').innerText")
    assert "505 gate rows" in seen
    assert "a gain of 5.3 points" in seen
    assert "Loss after training: 0.006294 on dev rows, 0.0001433 on as many train rows" in text
    assert "16.3 min, 3,280 tokens a second" in text
    assert "It began with the weights of version 1, which did better than new weights" in text
    assert "dev loss 0.006294 against 0.02." in text
    assert "has the weights after step 400; dev loss was lowest after step 400." in text
    assert "It ended early, after 600 of 1,200 steps." in text
    assert len(tab.ask("document.querySelector('polyline.dev').points")) == 3
    for line in cycle.worth.says if cycle.worth else ():
        assert line in text


@pytest.mark.server
def test_losses_come_first_with_both_answers_and_their_differences_marked(
    tab: Tab, tmp_path: Path
) -> None:
    record = judged()
    assert record.flips
    show(tab, tmp_path, record)
    found = tab.ask(FLIPS)
    expected = [*record.flips.lost[:LOST], *record.flips.won[:WON]]
    assert [one["id"] for one in found] == [flip.id for flip in expected]
    assert [one["open"] for one in found] == [at < OPEN for at in range(len(found))]
    for one, flip in zip(found, expected, strict=True):
        prompt, reference, mine, other = one["texts"]
        assert prompt.startswith("I was charged twice,\nticket ")
        assert reference == flip.reference
        right, wrong = (mine, other) if flip.won else (other, mine)
        assert right == flip.reference
        # What is missing stands before what is there instead.
        assert wrong == '{"category":"billingrefund","order":null}'
        assert one["marks"] == ["billing", "refund"]
    assert "252 won" in tab.ask("document.getElementById('won').innerText")


@pytest.mark.server
def test_axe_finds_nothing_serious_on_the_page_of_any_verdict(tab: Tab, tmp_path: Path) -> None:
    for record, dark in (
        (judged("promote"), False),
        (judged("reject"), True),
        (bare("inconclusive"), False),
        (bare("invalid"), True),
        (bare("unchanged"), False),
    ):
        show(tab, tmp_path, record, dark=dark)
        assert axe.findings(tab) == [], record.cycle.verdict


@pytest.mark.server
def test_axe_finds_nothing_serious_on_the_check_page(tab: Tab, tmp_path: Path) -> None:
    from pawl.data.report.page import page as check_page

    for report in (reports.unfit(), reports.fit()):
        (tmp_path / "report.html").write_text(check_page(report), encoding="utf-8")
        tab.open((tmp_path / "report.html").as_uri())
        assert axe.findings(tab) == []


@pytest.mark.server
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_never_scrolls_sideways_from_a_phone_to_a_wide_screen(
    tab: Tab, tmp_path: Path, dark: bool
) -> None:
    for width in (320, 375, 768, 1440):
        show(tab, tmp_path, judged(), width=width, dark=dark)
        tab.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert tab.ask("document.documentElement.scrollWidth <= innerWidth"), width
    ground = tab.ask("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(21, 24, 28)") is dark


@pytest.mark.server
def test_the_page_loads_nothing_runs_nothing_and_is_whole_in_a_frame_that_may_do_nothing(
    tab: Tab, tmp_path: Path
) -> None:
    tab.requests.clear()
    tab.complaints.clear()
    show(tab, tmp_path, judged())
    assert tab.requests == [(tmp_path / "verdict.html").as_uri()]
    assert tab.complaints == []
    title = "tickets: verdict of 2026-11-28"
    assert tab.ask("[document.title, document.scripts.length]") == [title, 0]
    frame = tmp_path / "frame.html"
    inside = html.escape((tmp_path / "verdict.html").read_text(encoding="utf-8"))
    frame.write_text(f'<iframe sandbox srcdoc="{inside}" width=360 height=600></iframe>')
    tab.open(frame.as_uri())
    assert tab.complaints == []
    framed = json.dumps(tab.send("DOM.getDocument", depth=-1, pierce=True))
    for words in ("Promoted: version 2", "t-00000", "a gain of", "What to do next"):
        assert words in framed


@settings(max_examples=40)
@given(
    st.text(st.characters() | st.sampled_from("<>&\"'`{}%\x00\x1b\u202e\ud800\u2028"), min_size=1)
)
def test_no_text_of_a_record_changes_the_pages_structure(text: str) -> None:
    told = page(judged(text=text, lost=1))
    told.encode("utf-8")
    assert TAGS.findall(told) == TAGS.findall(PLAIN)


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_marked_answer_is_the_answer_and_holds_the_expected_one(mine: str, other: str) -> None:
    pieces = marked(mine, other)
    assert "".join(p.text for p in pieces if p.kind != "missing") == mine
    assert "".join(p.text for p in pieces if p.kind != "extra") == other


def test_texts_of_any_length_are_marked_and_cut() -> None:
    pieces = marked("!" * 9_000, "?" * 9_000)
    assert sum(len(piece.text) for piece in pieces) < 3 * SHOWN
    assert "7,800 characters more" in "".join(piece.text for piece in pieces)


def test_a_sealed_page_says_so_and_shows_nothing_of_the_gate() -> None:
    record = judged()
    cycle = dataclasses.replace(
        record.cycle, reasons=("sealed gate: 'beats' fails",), scores={}, worth=None
    )
    assert record.verdict
    verdict = dataclasses.replace(record.verdict, comparisons=(), guards=(), beside=(), scores={})
    sealed = page(VerdictPage(cycle=cycle, when="2026-11-28", verdict=verdict, sealed=True))
    assert "The gate is sealed" in sealed
    for section in ("contenders", "flips", "slices", "scores", "seen", "cost"):
        assert f'id="{section}"' not in sealed
    assert "pawl flips" not in sealed


def test_the_page_says_whose_decoding_was_held_to_the_schema() -> None:
    record = judged()
    assert record.contenders
    assert "JSON Schema" not in page(record)
    held = tuple(
        dataclasses.replace(one, by_schema=one.name != "candidate") for one in record.contenders
    )
    names = [one.name for one in held if one.by_schema]
    shown = page(dataclasses.replace(record, contenders=held))
    assert "was held to the task&#39;s JSON Schema" in shown
    line = next(line for line in shown.split("\n") if "JSON Schema" in line)
    assert all(name in line for name in names)
    assert "candidate" not in line
