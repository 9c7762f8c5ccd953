"""The report's page: its figures are the record's, and what rows bring in stays text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, browser
from hypothesis import given
from hypothesis import strategies as st
from reports import fit, unfit

from pawl.core.records import CheckReport, Drift, Fault, Histogram, Rule
from pawl.data.report.check_summary import DOCS
from pawl.data.report.page import page

STATES = {"blocks": "blocks", "warns": "warning", "passed": "passed"}
RULES = """[...document.querySelectorAll('.rules > tbody')].map(group => {
  const [name, state, found, share] = [...group.rows[0].cells].map(cell => cell.innerText.trim());
  const worst = [...group.querySelectorAll('.worst tbody tr')].map(
    row => [...row.cells].map(cell => cell.textContent));
  return {name, state, found: found.replace(/\\s+/g, ' '), share, worst, says: group.innerText};
})"""
PLOTS = """[...document.querySelectorAll('figure')].map(figure => ({
  name: figure.querySelector('figcaption').innerText,
  title: figure.querySelector('svg > title').textContent,
  heights: [...figure.querySelectorAll('rect')].map(bar => bar.getBoundingClientRect().height),
  numbers: [...figure.querySelectorAll('.bins tbody tr')].map(
    row => [...row.cells].map(cell => cell.textContent)),
}))"""
TABLE = """[...document.querySelectorAll('.drift tbody tr')].map(
  row => [...row.cells].map(cell => cell.innerText.trim()))"""
# WCAG 2.2, 1.4.3: the contrast of each text with what lies behind it.
FAINT = """(() => {
  const rgba = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n };
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = rgba(getComputedStyle(node).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    throw Error('nothing behind');
  };
  let seen = 0;
  const faint = [...document.body.querySelectorAll('*')].filter(node =>
    [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())
  ).flatMap(node => {
    if (node.localName === 'title' || node.localName === 'desc') return [];
    seen += 1;
    const style = getComputedStyle(node);
    const [a, b] = [rgba(node.ownerSVGElement ? style.fill : style.color), behind(node)]
      .map(light).sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    return ratio < 4.5 ? [`${node.localName} ${node.textContent.slice(0, 30)} ${ratio.toFixed(2)}`] : [];
  });
  return {seen, faint};
})()"""  # noqa: E501


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as opened:
        yield opened


def shown(tab: Tab, folder: Path, report: CheckReport, **words: Any) -> None:
    path = folder / "report.html"
    path.write_text(page(report), encoding="utf-8")
    tab.open(path.as_uri(), **words)


@pytest.mark.server
def test_every_figure_on_the_page_is_the_records(tab: Tab, tmp_path: Path) -> None:
    report = unfit()
    shown(tab, tmp_path, report)
    assert tab.ask("document.getElementById('verdict').innerText") == (
        "Not fit to train: length (3 rows), schema (1,272 rows) and secrets (2 rows) block."
    )
    found = {rule["name"]: rule for rule in tab.ask(RULES)}
    assert found.keys() == {rule.name for rule in report.rules}
    for rule in report.rules:
        on_page = found[rule.name]
        now = "passed" if rule.passed else {"block": "blocks", "warn": "warns"}[rule.severity]
        assert on_page["state"] == STATES[now]
        told = on_page["found"].removesuffix(" a sample")
        assert (told != on_page["found"]) == (rule.of < report.rows)
        if rule.name in ("row_count", "constant"):
            assert (told, on_page["share"]) == (f"{rule.found:,}", "–")
        else:
            assert told == f"{rule.found:,} of {rule.of:,}"
            per_cent = on_page["share"].removesuffix(" %").removeprefix("< ")
            assert float(per_cent) == pytest.approx(100 * rule.found / rule.of, abs=0.1)
            assert (per_cent == "0") == (rule.found == 0)
        assert on_page["worst"] == [[fault.id, fault.says] for fault in rule.worst]
        assert rule.says in on_page["says"]
        assert ("What to do:" in on_page["says"]) != rule.passed
    drawn = tab.ask(PLOTS)
    for plot, histogram in zip(drawn, report.histograms, strict=True):
        assert (plot["name"], plot["title"]) == (
            histogram.name,
            f"{histogram.name}, rows by {histogram.unit}",
        )
        bins = [f"{low} to {high}" for low, high in pairwise(histogram.edges)]
        assert plot["numbers"] == [
            [name, f"{count:,}"] for name, count in zip(bins, histogram.counts, strict=True)
        ]
        top = max(plot["heights"])
        for height, count in zip(plot["heights"], histogram.counts, strict=True):
            assert (height > 0) == (count > 0)
            assert height / top == pytest.approx(count / max(histogram.counts), abs=0.02)
    assert tab.ask(TABLE) == [[d.name, d.says, f"{d.value:.3f}"] for d in report.drift]
    text = tab.ask("document.body.innerText")
    assert report.data in text
    assert report.suite in text
    assert "near_duplicates: 5,000 of 12,480; label_noise: 10,000 of 12,480" in text
    assert tab.ask("document.querySelector('a').getAttribute('href')") == DOCS


@pytest.mark.server
def test_the_page_loads_nothing_and_runs_nothing_from_a_row(tab: Tab, tmp_path: Path) -> None:
    tab.requests.clear()
    shown(tab, tmp_path, unfit())
    assert tab.requests == [(tmp_path / "report.html").as_uri()]
    assert tab.complaints == []
    assert tab.ask("[document.title, document.scripts.length]") == ["tickets: data check", 0]


@pytest.mark.server
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_can_be_read_on_a_phone_by_night_and_by_day(
    tab: Tab, tmp_path: Path, dark: bool
) -> None:
    for report in (unfit(), fit()):
        for width in (360, 1200):
            shown(tab, tmp_path, report, width=width, dark=dark)
            tab.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
            assert tab.ask("document.documentElement.scrollWidth <= innerWidth")
            found = tab.ask(FAINT)
            assert found["seen"] > 40
            assert found["faint"] == []
    ground = tab.ask("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(21, 24, 28)") is dark


class Structure(HTMLParser):
    """The tags of a page in order, without text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")


def of_texts(text: str, other: str) -> CheckReport:
    rule = Rule("schema", "block", False, 1, 2, text, (Fault(other, text),))
    return CheckReport(
        other, text, 2, (rule,), other, (Histogram(text, other, (0, 1), (2,)),),
        (Drift(other, 0.5, text),),
    )  # fmt: skip


texts = st.text(st.characters() | st.sampled_from("<>&\"'`\x00\u202e\ud800\u2028"), min_size=1)


@given(texts, texts)
def test_no_text_of_a_record_changes_the_pages_structure(text: str, other: str) -> None:
    plain, told = page(of_texts("x", "y")), page(of_texts(text, other))
    told.encode("utf-8")
    assert [t for t in Structure(told).tags if t.strip("/") not in ("wbr", "code")] == [
        t for t in Structure(plain).tags if t.strip("/") not in ("wbr", "code")
    ]


def test_a_report_without_a_rule_is_not_fit() -> None:
    assert "Not fit to train: no rule was run." in page(dataclasses.replace(fit(), rules=()))
