"""A publisher that is killed anywhere is made up for by the next, and no name ever lies."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_publisher import publisher
from published import Published
from vllm_stand_in import StandIn


def killed_everywhere(
    tickets: Published, tmp_path: Path, before: Callable[[], None], holds: Callable[[str], bool]
) -> int:
    """Publish from the same state, killed at each step; then once more, whole. How many steps."""
    out, record = tmp_path / "out", tickets.workspace.published("tickets").parent
    tickets.publish()
    tickets.release(2)
    for place in (out, record):
        shutil.copytree(place, tmp_path / "before" / place.name)
    with publisher(tickets.workspace.root, "tickets", [out, record]) as process:
        step = 1
        while True:
            for place in (out, record):
                shutil.rmtree(place)
                shutil.copytree(tmp_path / "before" / place.name, place)
            before()
            killed = process.killed_before(step)
            named = json.loads((out / "tickets.json").read_text())["served"]
            assert named in ("tickets-v1", "tickets-v2")
            assert holds(named), (step, named)
            done = tickets.publish()
            assert done.ok, (step, done)
            assert json.loads((out / "tickets.json").read_text())["served"] == "tickets-v2"
            if not killed:
                break
            step += 1
    # What the killed ones left half is removed once nobody can be writing it any more.
    for half in (out / ".tickets-v2.new-abcd1234", out / ".tickets.json.new-abcd1234"):
        half.mkdir() if "v2" in half.name else half.write_text("")
        os.utime(half, (0, 0))
    assert tickets.publish().ok
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    return step - 1


def test_a_publisher_to_a_folder_that_is_killed_at_any_step_is_made_up_for(
    tickets: Published, tmp_path: Path
) -> None:
    tickets.targets({"kind": "folder", "path": str(tmp_path / "out")})
    whole = lambda named: (tmp_path / "out" / named / "pawl.json").is_file()  # noqa: E731
    assert killed_everywhere(tickets, tmp_path, lambda: None, whole) > 8


@pytest.mark.slow
def test_a_publisher_to_replicas_that_is_killed_at_any_step_is_made_up_for(
    tickets: Published, pair: list[StandIn], tmp_path: Path
) -> None:
    urls = [one.url for one in pair]
    tickets.targets({"kind": "vllm", "urls": urls, "path": str(tmp_path / "out")})
    at_first: list[dict[str, tuple[str, str]]] = []

    def before() -> None:
        for number, one in enumerate(pair):
            if len(at_first) <= number:
                at_first.append(dict(one.adapters))
            one.adapters.clear()
            one.adapters.update(at_first[number])

    def loaded(named: str) -> bool:
        return all(named in one.adapters for one in pair)

    assert killed_everywhere(tickets, tmp_path, before, loaded) > 15


@pytest.mark.slow
def test_a_replica_that_is_killed_between_two_requests_is_made_up_for(
    tickets: Published, pair: list[StandIn], tmp_path: Path
) -> None:
    """It comes back with nothing loaded, before each of the requests that it gets."""
    urls = [one.url for one in pair]
    tickets.targets({"kind": "vllm", "urls": urls, "path": str(tmp_path / "out")})
    tickets.publish()
    tickets.release(2)
    total = len(pair[0].asked) + 2
    for request in range(1, total):
        pair[0].asked.clear()

        def forget(at: int = request) -> None:
            if len(pair[0].asked) == at:
                pair[0].adapters.clear()

        pair[0].at_request = forget
        tickets.publish()
        pair[0].at_request = lambda: None
        assert tickets.publish().ok
        assert {"tickets-v1", "tickets-v2"} <= pair[0].adapters.keys()
