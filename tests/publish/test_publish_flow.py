"""The flow's own step in Prefect: tried again, told in the end, and no release is undone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from published import Published
from webhook_receiver import receiving

from pawl.core.records import Candidate, Champion, Cycle
from pawl.cycle import steps
from pawl.workspace.environment import quiet_environment

FLOW = Path(__file__).parents[2] / "flows" / "retrain.py"
CYCLE = Cycle(
    "tickets", "promote", ("won",), Candidate(1, "d" * 64), Champion(1, "d" * 64), {}, {}, None
)


@pytest.mark.slow
@pytest.mark.server
def test_a_publication_that_fails_is_tried_again_and_then_told_with_the_verdict(
    tickets: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in quiet_environment(tickets.workspace).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROUTER_SECRET", "a-secret-of-both")
    import prefect
    from prefect.testing.utilities import prefect_test_harness

    spec = importlib.util.spec_from_file_location("flow_file", FLOW)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    step = module.publish.with_options(retry_delay_seconds=0.1)

    @prefect.flow
    def ends_a_cycle() -> Any:
        return steps.published(tickets.workspace, CYCLE, step)

    with receiving() as receiver, prefect_test_harness(server_startup_timeout=300):
        tickets.targets(
            {"kind": "folder", "path": str(tmp_path / "out")},
            {"kind": "webhook", "url": receiver.url, "secret_env": "ROUTER_SECRET"},
        )
        receiver.statuses = [503, 503, 200]
        assert ends_a_cycle() == CYCLE
        assert len(receiver.got) == 3
        tickets.release(2)
        receiver.statuses = [503]
        told = ends_a_cycle()
        assert len(receiver.got) == 3 + 4
    assert told.verdict == "promote"
    assert "not published" in told.reasons[-1]
    assert "HTTP 503" in told.reasons[-1]
