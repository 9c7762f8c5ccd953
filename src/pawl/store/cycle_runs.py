"""The `Cycle` record on its run: written when the run ends, and read back.

Reading one raises `RegistryError` where the run carries no cycle.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from pawl.core.files import write_json
from pawl.core.records import Cycle, to_json
from pawl.errors import RESTORE, RegistryError
from pawl.store.client import Store, store_errors
from pawl.store.pages import RunPage
from pawl.store.runs import fetch_file

# MLflow truncates a longer tag silently; the whole cycle is then in the artifact alone.
TAG_LIMIT = 8000
CYCLE, POSTED = "pawl.cycle", "pawl.posted"


def close_run(
    store: Store, cycle: Cycle, *, posted: str = "", tags: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write the cycle and `tags` to its run and end it; `posted` is the id of the order, if any."""
    if cycle.run_id is None:
        raise ValueError("a cycle without a run cannot be closed")
    text = json.dumps(to_json(cycle), sort_keys=True, ensure_ascii=False, allow_nan=False)
    with store_errors(store.uri), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cycle.json"
        write_json(path, to_json(cycle))
        store.client.log_artifact(cycle.run_id, str(path))
        store.client.set_tag(cycle.run_id, "pawl.verdict", cycle.verdict)
        store.client.set_tag(cycle.run_id, CYCLE, text if len(text) <= TAG_LIMIT else "")
        for key, value in tags.items():
            store.client.set_tag(cycle.run_id, key, value)
        if posted:
            store.client.set_tag(cycle.run_id, POSTED, posted)
        store.client.set_terminated(cycle.run_id, "FINISHED")


def find_delivered(store: Store, task: str, posted: str) -> Cycle | None:
    """The cycle that an order of the outbox was recorded as, None if delivery did not finish."""
    run = _newest_finished(store, task, POSTED, posted)
    return _cycle_of(store, run) if run else None


def last_cycle(store: Store, task: str) -> tuple[Cycle, str] | None:
    """The newest finished cycle and when it ended (UTC, ISO 8601), None if there was none yet."""
    run = _newest_finished(store, task, "pawl.verdict")
    if run is None:
        return None
    ended = datetime.fromtimestamp(run.end_time / 1000, UTC)
    return _cycle_of(store, run), ended.isoformat(timespec="milliseconds")


def cycle_of(store: Store, run_id: str) -> Cycle:
    """The cycle that a run carries."""
    with store_errors(store.uri):
        run = store.client.get_run(run_id)
    return _cycle_of(store, RunPage.of(run))


def _newest_finished(store: Store, task: str, tag: str, value: str | None = None) -> RunPage | None:
    """The newest finished run of a task with a tag, of that value (None: any but '')."""
    query = f"tags.`{tag}` != ''" if value is None else f"tags.`{tag}` = '{value}'"
    with store_errors(store.uri):
        if store.reader is not None:
            return store.reader.newest_finished(store.named(task), tag, value)
        experiment = store.client.get_experiment_by_name(store.named(task))
        if experiment is None:
            return None
        runs = store.client.search_runs(
            [experiment.experiment_id],
            f"attributes.status = 'FINISHED' and {query}",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
    return RunPage.of(runs[0]) if runs else None


def _cycle_of(store: Store, run: RunPage) -> Cycle:
    run_id = run.run_id
    with store_errors(store.uri), tempfile.TemporaryDirectory() as folder:
        if not (text := run.tags.get(CYCLE)):
            text = fetch_file(store, run_id, "cycle.json", into=Path(folder)).read_text("utf-8")
    try:
        return TypeAdapter(Cycle).validate_json(text)
    except ValidationError as error:
        raise RegistryError(
            f"the run {run_id} carries no cycle: {error.error_count()} invalid fields",
            rule="a run's `pawl.cycle` is written by Pawl and not edited",
            remedy=f"delete that run in MLflow, or {RESTORE}",
        ) from error
