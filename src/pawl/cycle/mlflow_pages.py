"""What MLflow's pages say of a judged cycle, written after its release and never waited for.

One run a cycle, named for people; below it the training, and each contender's rows as an evaluation
run, so that candidate and champion stand side by side in *Evaluation runs* (docs/adr/0028). Of a
sealed gate these pages hold what its verdict holds: no gate row, no gate score.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from pawl.core.files import discard
from pawl.core.metrics import shown, sign
from pawl.core.records import Cycle, SplitReport, Verdict, read_record
from pawl.cycle.outbox import Order, read_order, unwritten_pages
from pawl.cycle.runs_below import Pages, describe_contenders, describe_training
from pawl.cycle.shown_answers import CANDIDATE
from pawl.data.versions.dvc_versions import number_of
from pawl.errors import RegistryError
from pawl.ledger.ledger import model
from pawl.model.adapter import read_adapter
from pawl.report.markdown import cycle_page, line_of_links
from pawl.report.model_card import Origin, model_card
from pawl.store.client import Store
from pawl.store.cycle_runs import find_delivered
from pawl.store.descriptions import (
    DECIDED,
    VERDICT,
    RunText,
    describe_experiment,
    describe_model,
    describe_run,
    describe_version,
    run_name,
)
from pawl.store.runs import has_file
from pawl.workspace.paths import TaskFiles, Workspace

DEV = f"{CANDIDATE} (dev)"
# The verdict as a page, among the run's files.
PAGE = "verdict.html"


def finish_pages(workspace: Workspace, store: Store, task: str) -> None:
    """Write the pages of the task's registered cycles that have none yet; raises nothing.

    What the store does not take now is told on stderr, and tried again by the next cycle and by
    `pawl resume`. What fails otherwise is told and given up: these pages are no evidence.
    """
    for folder in unwritten_pages(workspace, task):
        try:
            order, files = read_order(folder)
            cycle = find_delivered(store, task, order.posted)
            if cycle is not None:
                write_pages(workspace, store, order, files, cycle)
        except RegistryError as error:
            then = f"they are tried again by the next cycle, or by `pawl resume {task}`"
            _tell(task, f"{error.found}; {then}")
            return
        except Exception as error:  # noqa: BLE001 - nothing here may fail a release that is made
            _tell(task, f"{type(error).__name__}: {error}; they are given up")
        discard(folder)


def _tell(task: str, why: str) -> None:
    sys.stderr.write(f"MLflow's pages of the last cycle of '{task}' are not whole: {why}\n")


def write_pages(
    workspace: Workspace, store: Store, order: Order, files: TaskFiles, cycle: Cycle
) -> None:
    """Write the pages of a cycle that is recorded; writing them twice is writing them once.

    Raises:
        RegistryError: the store cannot be reached.
        DataError, AdapterError: the order's files cannot be read.
    """
    if cycle.run_id is None or cycle.candidate.version is None:
        return
    data = number_of(workspace, str(order.params["data"]), order.data_md5)
    experiment = describe_task(store, order.task, str(order.params["gate"]["metric"]))
    pages = Pages(
        store=store,
        order=order,
        files=files,
        cycle=cycle,
        verdict=read_record(files.verdict, Verdict),
        experiment=experiment,
        run=cycle.run_id,
        name=run_name(order.task, data=data, verdict=cycle.verdict),
    )
    describe_training(pages)
    runs, said = describe_contenders(pages)
    links = _links(pages, runs)
    _describe_cycle(pages, links, said)
    origin = Origin(
        data=data,
        data_file=str(order.params["data"]),
        commit=order.commit,
        licence=_licence(workspace.root / str(order.params["base"]["model"])),
        links={name: link for name, link in links.items() if not name.startswith("version")},
    )
    manifest = read_adapter(files.adapter)
    card = model_card(cycle, pages.verdict, manifest, origin, params=order.params)
    describe_version(store, order.task, cycle.candidate.version, text=card)


def describe_task(store: Store, task: str, metric: str) -> str:
    """Say on the task's pages, and on its ledger's, what they are for; the experiment's id."""
    button = (
        "**Promote with Pawl** (`pawl promote`, `pawl rollback`), not with MLflow's button "
        "*Promote model* or by moving the alias: that is not in the ledger, and every command "
        "then refuses."
    )
    text = f"Adapters judged by Pawl. The alias `champion` is the one released. {button}"
    describe_model(store, task, text=text)
    text = (
        "**Not a model: nothing to promote, serve or delete.** Pawl's record of releases and "
        f"looks, append-only; `pawl history {task}` shows it. The models are in "
        f"[{task}](#/models/{store.named(task)})."
    )
    describe_model(store, model(task), text=text, tags={"not a model": "Pawl's ledger"})
    text = (
        f"A run a cycle of `{task}`, with its verdict; below it the training, and the rows of each "
        f"contender. Side by side: *Evaluation runs*. "
        f"Versions: [{task}](#/models/{store.named(task)})."
    )
    return describe_experiment(store, task, text=text, metric=metric)


def _describe_cycle(pages: Pages, links: Mapping[str, str], said: str) -> None:
    verdict, metric = pages.verdict, pages.policy[0]
    metrics: dict[str, float] = {}
    for contender, prefix in ((CANDIDATE, ""), (DEV, "dev_")):
        scores = verdict.scores.get(contender, {})
        metrics |= {f"{prefix}{name}": scores[name] for name in pages.policy if name in scores}
    decided = metric
    # The champion comes first, without one the best baseline.
    for one in verdict.comparisons[:1]:
        metrics[f"{metric}_gain"] = sign(metric) * (one.candidate - one.other)
        mine, other = shown(metric, one.candidate), shown(metric, one.other)
        decided = f"{metric} {mine}, {one.against} {other}"
    split = read_record(pages.files.splits / "manifest.json", SplitReport)
    linked = line_of_links({name: at for name, at in links.items() if name != "run"})
    page = cycle_page(pages.cycle, model=pages.store.named(pages.order.task))
    text = RunText(
        name=pages.name,
        description="\n\n".join(filter(None, (page, linked, said))),
        tags={VERDICT: pages.cycle.verdict, DECIDED: decided},
        metrics=metrics,
        datasets={name: (split.digests[name], split.rows[name]) for name in split.digests},
        source=str(pages.order.params["data"]),
    )
    describe_run(pages.store, pages.run, text)


def _links(pages: Pages, runs: Mapping[str, str]) -> dict[str, str]:
    """Addresses below MLflow's server by what they lead to; `runs` are the contenders'."""
    name = pages.store.named(pages.order.task)
    versions, here = f"#/models/{name}/versions", f"#/experiments/{pages.experiment}"
    run = f"{here}/runs/{pages.run}"
    links = {f"version {pages.version}": f"{versions}/{pages.version}", "run": run}
    if has_file(pages.store, pages.run, PAGE):
        links["verdict page"] = f"{run}/artifacts/{PAGE}"
    if runs:
        beside = pages.verdict.comparisons[0].against if pages.verdict.comparisons else CANDIDATE
        links["rows side by side"] = (
            f"{here}/evaluation-runs?workflowType=genai&selectedRunUuid={runs[CANDIDATE]}"
            f"&compareToRunUuid={runs.get(beside, '')}"
        )
    if (before := pages.verdict.champion.version) is not None:
        links[f"champion of then: version {before}"] = f"{versions}/{before}"
    return links


def _licence(base: Path) -> str | None:
    """The licence that the card in a base's folder states (`license:`), None where none does."""
    try:
        lines = (base / "README.md").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("license:"))
    return next((name[:100] for name in named if name), None)
