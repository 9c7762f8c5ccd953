"""A server that could not answer as it should does not start, and says why before it loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from callers import TOKEN, Served

from pawl.commands.serve import serve_tasks
from pawl.errors import ParamsError, UsageError
from pawl.serve.server import Serving, listening


def test_a_task_that_is_not_there_is_told_with_the_nearest(released: dict[str, Served]) -> None:
    bench = released["tickets"]
    with pytest.raises(ParamsError, match="there is no task 'ticket'") as error:
        serve_tasks(bench.workspace, bench.store, ["ticket"], Serving(port=0))
    assert "did you mean 'tickets'" in error.value.remedy


def test_without_a_token_it_listens_to_this_machine_alone(released: dict[str, Served]) -> None:
    bench = released["tickets"]
    with pytest.raises(UsageError, match="ask nobody for a token"):
        serve_tasks(bench.workspace, bench.store, [], Serving(host="0.0.0.0", port=0))


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(
    released: dict[str, Served],
) -> None:
    bench = released["tickets"]
    with listening("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1 port {port} cannot be listened on"):
            serve_tasks(bench.workspace, bench.store, [], Serving(port=port))
    with pytest.raises(UsageError, match="cannot be listened on"):
        serve_tasks(bench.workspace, bench.store, [], Serving("no.such.host.invalid", 0, (TOKEN,)))


def test_tasks_on_several_bases_need_a_server_each(
    fresh: dict[str, Served], base_folder: Path, tmp_path: Path
) -> None:
    bench, other = fresh["tickets"], tmp_path / "other"
    shutil.copytree(base_folder, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-5}))
    params = yaml.safe_load(bench.workspace.params_file.read_text())
    section = params["tasks"]["tickets"]
    params["tasks"]["later"] = {**section, "base": {"model": str(other)}}
    bench.workspace.params_file.write_text(yaml.safe_dump(params))
    with pytest.raises(UsageError, match="the tasks sit on 2 bases") as error:
        serve_tasks(bench.workspace, bench.store, [], Serving(port=0))
    assert "`pawl serve later`" in error.value.remedy
    assert "`pawl serve notes tickets`" in error.value.remedy


def test_a_task_whose_answers_were_held_to_a_schema_is_refused_by_name(
    fresh: dict[str, Served],
) -> None:
    bench = fresh["tickets"]
    params = yaml.safe_load(bench.workspace.params_file.read_text())
    (bench.workspace.root / "data").mkdir(exist_ok=True)
    (bench.workspace.root / "data" / "any.schema.json").write_text("{}")
    section = params["tasks"]["tickets"]
    held = {**section.get("evaluate", {}), "schema_decoding": "all"}
    params["tasks"]["tickets"] = {**section, "schema": "data/any.schema.json", "evaluate": held}
    bench.workspace.params_file.write_text(yaml.safe_dump(params))
    with pytest.raises(UsageError, match="adapters of tickets were judged by answers held"):
        serve_tasks(bench.workspace, bench.store, [], Serving(port=0))
