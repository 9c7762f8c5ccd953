"""The pages of the story's three cycles (`make story`), in a real browser: `make pages`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab, browser
from servers import Served, log_in, served

from pawl.core.records import Cycle
from pawl.store.client import open_store
from pawl.store.cycle_runs import cycle_of
from pawl.store.versions import get
from pawl.workspace.paths import Workspace

STORY = Path(__file__).resolve().parents[2] / ".pawl" / "story"
TASK, TOLD = "tickets", ["promote", "promote", "reject"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.server,
    pytest.mark.skipif(not STORY.is_dir(), reason="`make story` has not been told yet"),
]


@pytest.fixture(scope="module")
def ui() -> Iterator[Served]:
    with served(Workspace(STORY)) as running:
        yield running


@pytest.fixture
def tab() -> Iterator[Tab]:
    # Else a frame is a process of its own, into which this debugger does not see.
    with browser("--disable-features=IsolateSandboxedIframes") as one:
        yield one


@pytest.fixture(scope="module")
def second() -> Cycle:
    """The record of the second cycle, on the run of its version."""
    store = open_store(Workspace(STORY), reading=True)
    return cycle_of(store, get(store, TASK, 2).run_id)


def shows(tab: Tab, *texts: str) -> None:
    for text in texts:
        tab.wait_for(f"document.body.innerText.includes({text!r})", seconds=120)


def exact(cycle: Cycle, contender: str) -> str:
    return f"{cycle.scores[contender]['exact_match']:.1%}"


def test_mlflow_shows_a_run_for_each_cycle_with_its_verdict(ui: Served, tab: Tab) -> None:
    page = re.search(rf"{TASK}: (http\S+)", ui.said)
    assert page, ui.said
    tab.open(page[1], width=2200)
    shows(tab, f"{TASK} · ", "verdict", "decided by", "reject")
    names = tab.ask(
        f"[...document.querySelectorAll('a')].map(a => a.innerText)"
        f".filter(text => text.startsWith('{TASK} · '))"
    )
    assert sorted(name.rpartition(" · ")[2] for name in names) == TOLD, names


def test_versions_show_the_champion_and_the_scores_of_the_record(
    ui: Served, tab: Tab, second: Cycle
) -> None:
    tab.open(f"{ui.mlflow}/#/models/{TASK}", width=1800)
    shows(tab, "champion", "Version 3", "Version 2", "Version 1")
    tab.open("about:blank")
    tab.open(f"{ui.mlflow}/#/models/{TASK}/versions/2", width=2200)
    shows(tab, "rows side by side", "pawl promote tickets 2", exact(second, "candidate"))


def test_candidate_and_champion_answer_the_same_rows_side_by_side(ui: Served, tab: Tab) -> None:
    tab.open(f"{ui.mlflow}/#/models/{TASK}/versions/2", width=2200)
    shows(tab, "rows side by side")
    link = tab.ask(
        "[...document.querySelectorAll('a')].find(a => a.innerText == 'rows side by side').href"
    )
    tab.open("about:blank")
    tab.open(link, width=2600)
    shows(tab, "Comparing", "candidate · version 2", "champion · version 2")


def test_the_artifact_viewer_shows_the_verdict_page_with_the_scores_of_the_record(
    ui: Served, tab: Tab, second: Cycle
) -> None:
    store = open_store(Workspace(STORY), reading=True)
    run = second.run_id
    assert run
    experiment = store.client.get_run(run).info.experiment_id
    tab.open(f"{ui.mlflow}/#/experiments/{experiment}/runs/{run}/artifacts/verdict.html")
    tab.wait_for("document.querySelector('iframe[sandbox]')")
    for _ in range(100):
        framed = json.dumps(tab.send("DOM.getDocument", depth=-1, pierce=True))
        if "What to do next" in framed:
            break
        tab.ask("new Promise(done => setTimeout(done, 200))")
    assert "Promoted: version 2 is the champion now." in framed
    for contender in ("candidate", "champion"):
        assert exact(second, contender) in framed, contender


def test_prefect_shows_the_promotions_and_the_rejection_as_such(ui: Served, tab: Tab) -> None:
    log_in(tab, ui)
    tab.open(f"{ui.prefect}/runs", width=1600, height=1400)
    shows(tab, "Rejected", "Promoted", TASK)
