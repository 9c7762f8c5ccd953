"""MLflow's own pages, in a real browser, after three cycles: promoted, promoted, rejected."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser import Tab, browser
from judged_rows import cycle_with_rows
from servers import Served, served
from workbench import TASK, make_bench

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        bench = make_bench(tmp_path_factory.mktemp("mlflow") / "ws")
        cycle_with_rows(bench, 1)
        cycle_with_rows(bench, 2)
        cycle_with_rows(bench, 3, "reject")
        with served(bench.workspace) as running:
            yield running


@pytest.fixture
def tab() -> Iterator[Tab]:
    with browser() as one:
        yield one


def shows(tab: Tab, *texts: str) -> None:
    for text in texts:
        tab.wait_for(f"document.body.innerText.includes({text!r})", seconds=120)


def test_the_address_that_ui_prints_shows_a_run_a_cycle_with_verdict_and_deciding_metric(
    ui: Served, tab: Tab
) -> None:
    page = re.search(rf"{TASK}: (http\S+)", ui.said)
    assert page, ui.said
    tab.open(page[1], width=2200)
    shows(tab, f"{TASK} · ", "verdict", "decided by", "reject")
    # MLflow counts the runs below a cycle's too, and shows them once it is opened.
    names = tab.ask(
        f"[...document.querySelectorAll('a')].map(a => a.innerText)"
        f".filter(text => text.startsWith('{TASK} · '))"
    )
    assert len(names) == 3, names
    assert sum(name.endswith("promote") for name in names) == 2


def test_candidate_and_champion_stand_side_by_side_in_evaluation_runs(ui: Served, tab: Tab) -> None:
    tab.open(f"{ui.mlflow}/#/models/{TASK}/versions/2", width=2200)
    shows(tab, "rows side by side", "pawl promote tickets 2", "Promote model")
    link = tab.ask(
        "[...document.querySelectorAll('a')].find(a => a.innerText == 'rows side by side').href"
    )
    assert "compareToRunUuid=" in link
    tab.open("about:blank")
    tab.open(link, width=2600)
    shows(tab, "Comparing", "candidate · version 2", "champion · version 2", "20 of 20", "gate-19")


def test_versions_show_their_aliases_and_the_ledger_that_it_is_no_model(
    ui: Served, tab: Tab
) -> None:
    tab.open(f"{ui.mlflow}/#/models/{TASK}", width=1800)
    shows(tab, "champion", "Version 3", "Version 1", "pawl promote")
    tab.open("about:blank")
    tab.open(f"{ui.mlflow}/#/models/{TASK}.ledger", width=1800)
    shows(tab, "Not a model: nothing to promote")
