"""The team's servers as plain processes: PostgreSQL, MLflow with S3, Prefect with a key."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from servers import free_ports
from workbench import TASK, Bench

from pawl.ledger.state import read_state
from pawl.release.local_copies import adapter_folder
from pawl.store.client import open_store

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/usr/lib/postgresql").is_dir(), reason="no PostgreSQL"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    # A way that PostgreSQL's own user may go: pytest's folders are open to their owner alone.
    made = Path("/tmp") / f"pawl-stack-{os.getpid()}"
    yield made
    shutil.rmtree(made, ignore_errors=True)


@contextmanager
def stack(
    folder: Path, ports: tuple[int, int], *words: str, ends: int = 0, **more: str
) -> Iterator[Any]:
    command = [sys.executable, str(ROOT / "infra" / "local" / "stack.py"), str(folder), *words]
    command += ["--mlflow-port", str(ports[0]), "--prefect-port", str(ports[1])]
    process = subprocess.Popen(
        command, env={**os.environ, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if "PAWL_PREFECT_KEY" in line:
                break
        else:
            raise AssertionError(said)
        yield process, dict(re.findall(r"(\w+)=(\S+)", said))
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == ends
    finally:
        process.kill()
        process.wait()


def test_a_release_on_the_teams_servers_outlives_their_restart_and_is_in_s3(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    address = "http://{}:{}".format(*s3.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    there = {**keys, "MLFLOW_S3_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    client.create_bucket(Bucket="artifacts")
    ports = free_ports()
    with stack(folder, ports, "--artifacts", "s3://artifacts/pawl", **there) as (_, said):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", said["MLFLOW_TRACKING_URI"])
        released = Bench(bench.workspace, open_store(bench.workspace))
        cycle = released.cycle(1)
        assert (cycle.verdict, cycle.champion.version) == ("promote", 1)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(f"{said['PREFECT_API_URL']}/flows/filter", {})
        assert refused.value.code == 401
    stored = [one["Key"] for one in client.list_objects_v2(Bucket="artifacts")["Contents"]]
    assert any(name.endswith("adapter_model.safetensors") for name in stored)
    with stack(folder, ports, "--artifacts", "s3://artifacts/pawl", **there):
        shutil.rmtree(bench.workspace.home / "adapters", ignore_errors=True)
        store = open_store(bench.workspace)
        assert read_state(store, TASK).champion.version == 1
        assert adapter_folder(bench.workspace, store, TASK).name == "1"
    s3.stop()
    told = "".join(path.read_text(errors="replace") for path in (folder / "logs").glob("*"))
    for name in ("postgres.password", "prefect.key"):
        path = folder / name
        assert path.stat().st_mode & 0o77 == 0
        assert path.read_text().strip().partition(":")[2] or path.read_text().strip()
        assert path.read_text().strip() not in told


def test_when_one_of_them_dies_all_are_stopped_and_it_is_named(folder: Path) -> None:
    with stack(folder, free_ports(), ends=1) as (process, _):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        killed = next(pid for pid in children if "mlflow" in commandline(pid))
        os.kill(int(killed), signal.SIGKILL)
        rest = process.communicate(timeout=90)[0]
        assert "mlflow ended with exit code -9" in rest
    assert not list((folder / "postgres" / "data").glob("postmaster.pid"))


def commandline(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def ask(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
