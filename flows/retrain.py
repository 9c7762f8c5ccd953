"""The flow `retrain`: one cycle of one task, composed of the steps of `pawl.cycle.steps`.

This file belongs to the workspace: change timeouts (seconds) and retries to your machines.
"""

from typing import Any

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from pawl.cycle import steps
from pawl.errors import DataError, RegistryError

HOUR = 3600.0
RETRIED: Any = {"retries": 3, "retry_delay_seconds": [2, 10, 60]}
RETRIED["retry_condition_fn"] = steps.is_retryable


def step(run: Any, name: str, **more: Any) -> Any:
    more |= {"cache_policy": NO_CACHE, "persist_result": False, "task_run_name": name}
    return task(run, name=name, **more)


fingerprint = step(steps.fingerprint_inputs, "fingerprint inputs", **RETRIED)
flush = step(steps.flush_outbox, "register what waits", **RETRIED)
find_cached = step(steps.find_cached_result, "find an earlier result", **RETRIED)
snapshot_history = step(steps.snapshot_history, "snapshot history", **RETRIED)
check = step(steps.check_and_split, "check and split")
train = step(steps.train, "train")
snapshot = step(steps.snapshot_and_reserve, "snapshot champion and reserve look", **RETRIED)
evaluate = step(steps.evaluate_and_gate, "evaluate and gate")
register = step(steps.register_and_release, "register and release", **RETRIED)
record_invalid = step(steps.record_invalid_data, "record invalid data", **RETRIED)
publish = step(steps.publish_champion, "publish", **RETRIED)


@flow(flow_run_name=lambda: steps.run_name(**runtime.flow_run.parameters), persist_result=False)
def retrain(task: str, force: bool = False) -> Any:
    """Retrain one task's adapter, judge it, release it if it is better: a `Cycle` as JSON."""
    workspace, log = steps.find_workspace(), get_run_logger()
    with steps.turn(workspace, log):
        cycle = steps.approved_cycle(workspace, task) or run_cycle(workspace, task, force=force)
    cycle = steps.published(workspace, steps.approved(workspace, cycle), publish)
    log.info("%s: %s", task, "\n  ".join((cycle.verdict, *cycle.reasons)))
    for page in steps.pages(workspace, cycle):
        create_markdown_artifact(page.markdown, key=page.key, description=page.description)
    name, said = steps.outcome(cycle)
    return Completed(name=name, message=said, data=steps.to_json(cycle))


def run_cycle(workspace: steps.Workspace, name: str, *, force: bool) -> steps.Cycle:
    """All steps in order; an earlier result for the same inputs ends the cycle early."""
    inputs = None
    try:
        inputs = fingerprint(workspace, name)
        done = flush(workspace, name, inputs)
        if not force and (done := done or find_cached(workspace, name, inputs)) is not None:
            return done
        snapshot_history(workspace, name)
        check(workspace, name, timeout=4 * HOUR)
        train(workspace, name, timeout=12 * HOUR, force=force)
        steps.mark_trained(workspace, name, inputs)
        cycle = judge(workspace, name, inputs)
        if cycle.stale:  # once more, against the champion that replaced the one judged against
            cycle = judge(workspace, name, inputs, f"judged again: {cycle.reasons[0]}")
    except DataError as error:
        cycle = record_invalid(workspace, name, error, inputs)
    steps.mark_ended(workspace, name)
    return cycle


def judge(workspace: steps.Workspace, name: str, inputs: str, *notes: str) -> steps.Cycle:
    """Evaluate the trained candidate against the present champion, and register the result."""
    try:
        snapshot(workspace, name)
    except RegistryError as error:
        raise steps.waiting_error(name, error, judged=False) from error
    evaluate(workspace, name, timeout=4 * HOUR)
    return register(workspace, name, inputs, notes)
