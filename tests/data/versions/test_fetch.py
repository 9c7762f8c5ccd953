"""Rows are fetched from addresses and the hub, and their versions say from where: real servers."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from moto.server import ThreadedMotoServer
from storages import COMMIT, HUB_SET, Storage, storage

from pawl.commands.init import init
from pawl.commands.lineage import lineage
from pawl.commands.new import new_task
from pawl.commands.sources import Sources
from pawl.core.files import digest_text
from pawl.core.records.commands import Source
from pawl.data.versions.deliver import add
from pawl.data.versions.fetch import rows_here
from pawl.errors import DataError, PawlError
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace
from pawl.workspace.pointers import parse_source

POINTER = "data/orders.jsonl.dvc"


def lines(count: int, name: str = "order") -> bytes:
    rows = ({"prompt": f"{name} {n} is late", "completion": f"late {n % 3}"} for n in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(count: int) -> bytes:
    file = io.BytesIO()
    rows = [{"prompt": f"order {n} is late", "completion": f"late {n % 3}"} for n in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.fixture
def served() -> Iterator[Storage]:
    with storage({"rows/orders.jsonl": lines(40)}) as one:
        yield one


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A workspace with a task whose rows were fetched, and then committed."""
    root = init(tmp_path_factory.mktemp("fetched") / "workspace").root
    with storage({"rows/orders.jsonl": lines(40)}) as one:
        address = f"{one.url}/rows/orders.jsonl"
        new_task(Workspace(root), "orders", Sources(address, base=str(base_folder)))
    for words in (
        ("config", "user.name", "A tester"),
        ("config", "user.email", "tester@example.org"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "the first rows"),
    ):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(made, tmp_path / "workspace", symlinks=True))


def test_versions_of_fetched_rows_say_the_address_its_version_and_when(
    workspace: Workspace, served: Storage, tmp_path: Path
) -> None:
    served.files["rows/orders.jsonl"] = later = lines(50)
    address = f"{served.url}/rows/orders.jsonl"
    done = add(workspace, "orders", address, message="rows of Monday")
    assert (done.rows, done.source) == (50, parse_source((workspace.root / POINTER).read_text()))
    file = tmp_path / "by-hand.jsonl"
    file.write_bytes(lines(60))
    assert add(workspace, "orders", file).source is None

    found = lineage(workspace, open_store(workspace), "orders").data
    by_hand, monday, first = (one.source for one in found)
    assert by_hand is None, "what DVC kept of the pointer is of other bytes"
    assert isinstance(monday, Source)
    assert isinstance(first, Source)
    assert (monday.address, monday.version) == (address, digest_text(later.decode()))
    assert first.version == digest_text(lines(40).decode())
    assert monday.when
    assert monday.when.endswith("+00:00")


def test_rows_that_changed_while_they_were_fetched_are_no_delivery(
    workspace: Workspace, served: Storage
) -> None:
    served.after["rows/orders.jsonl"] = lines(41)
    before = (workspace.root / "data" / "orders.jsonl").read_bytes()
    with pytest.raises(DataError, match="changed while it was fetched"):
        add(workspace, "orders", f"{served.url}/rows/orders.jsonl")
    assert (workspace.root / "data" / "orders.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("address", "says", "remedy"),
    [
        ("{url}/rows/none.jsonl", "cannot be fetched", "opens elsewhere"),
        ("http://127.0.0.1:9/rows.jsonl", "cannot be fetched", "opens elsewhere"),
        ("{url}/rows/orders", "the format of orders", "rename or convert"),
        ("http://example.org/rows.jsonl", "http://example.org/rows.jsonl", "https://"),
        ("https://me:letmein@example.org/rows.jsonl", "a password", "leave that out"),
        ("https://example.org/rows.jsonl?sig=letmein", "a query", "leave that out"),
        ("https://me:letmein@[example/rows.jsonl", "is no address: Invalid IPv6", "correct it"),
        ("{url}/rows/none%00.jsonl", "cannot be fetched", "opens elsewhere"),
        ("gs://bucket/rows.jsonl", "no gs:// here", "pip install 'dvc[gs]'"),
        ("gopher://a/rows.jsonl", "Unsupported URL type gopher", "follow its message"),
        ("hf://people/orders", "the address hf://people/orders", "hf://datasets/OWNER/NAME"),
        ("hf://datasets/people/orders/../x", "the address", "hf://datasets/OWNER/NAME"),
        ("hf://datasets/people/orders", "the hub is switched off", "--local-dir FOLDER"),
        ("people/orders@v1", "is not there", "`hf://datasets/people/orders@v1`"),
    ],
)
def test_an_address_that_brings_no_rows_says_what_to_do_and_shows_no_secret(
    workspace: Workspace, served: Storage, address: str, says: str, remedy: str
) -> None:
    files = sorted(workspace.root.glob("data/*"))
    with pytest.raises(PawlError, match=says) as caught:
        add(workspace, "orders", address.format(url=served.url))
    assert "letmein" not in str(caught.value)
    assert remedy in str(caught.value)
    assert sorted(workspace.root.glob("data/*")) == files


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """The address of an S3 server, and a client of it; the bucket `rows` holds orders.jsonl."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    # It keeps its buckets for as long as the process lives.
    urllib.request.urlopen(f"{url}/moto-api/reset", data=b"").close()
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="rows")
    client.put_object(Bucket="rows", Key="orders.jsonl", Body=lines(50))
    yield url, client
    server.stop()


def test_rows_in_s3_are_a_delivery_with_the_version_that_they_have_there(
    workspace: Workspace, bucket: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, client = bucket
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    done = add(workspace, "orders", "s3://rows/orders.jsonl")
    tag = client.head_object(Bucket="rows", Key="orders.jsonl")["ETag"].strip('"')
    assert done.source is not None
    assert (done.rows, done.source.address) == (50, "s3://rows/orders.jsonl")
    assert done.source.version == tag
    with pytest.raises(DataError, match="cannot be fetched: FileNotFoundError"):
        add(workspace, "orders", "s3://rows/none.jsonl")


def test_a_remote_with_credentials_names_rows_without_showing_them(
    workspace: Workspace, bucket: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    dvc = [sys.executable, "-m", "dvc", "remote"]
    for words in (
        ("add", "--local", "bucket", "s3://rows"),
        ("modify", "--local", "bucket", "endpointurl", bucket[0]),
        ("modify", "--local", "bucket", "access_key_id", "testing"),
        ("modify", "--local", "bucket", "secret_access_key", "letmein"),
    ):
        subprocess.run([*dvc, *words], cwd=workspace.root, check=True)
    assert add(workspace, "orders", "remote://bucket/orders.jsonl").rows == 50
    assert "letmein" not in (workspace.root / POINTER).read_text()


def test_bad_rows_of_an_address_never_take_the_place_of_good_ones_nor_show_their_text(
    workspace: Workspace, served: Storage
) -> None:
    served.files["rows/orders.jsonl"] = b'{"prompt": "of Ada Lovelace", "completion": 7, "x"}\n'
    before = (workspace.root / "data" / "orders.jsonl").read_bytes()
    with pytest.raises(DataError) as caught:
        add(workspace, "orders", f"{served.url}/rows/orders.jsonl")
    assert "Ada" not in str(caught.value)
    assert (workspace.root / "data" / "orders.jsonl").read_bytes() == before


def test_an_address_without_a_version_is_recorded_as_such(
    workspace: Workspace, served: Storage
) -> None:
    served.tags = False
    with rows_here(workspace, f"{served.url}/rows/orders.jsonl") as here:
        assert here.source
        assert here.source.version is None
        assert "it named no version" in here.notes[0]


def test_what_dvc_imported_is_understood_as_well(workspace: Workspace, served: Storage) -> None:
    (workspace.root / POINTER).unlink()
    (workspace.root / "data" / "orders.jsonl").unlink()
    command = [sys.executable, "-m", "dvc", "import-url", "--quiet"]
    address = f"{served.url}/rows/orders.jsonl"
    subprocess.run([*command, address, "data/orders.jsonl"], cwd=workspace.root, check=True)
    source = parse_source((workspace.root / POINTER).read_text())
    assert source == Source(address, f'"{digest_text(lines(40).decode())}"', None)


@pytest.mark.parametrize(
    ("named", "files", "count"),
    [
        ("@v1", {"data/train-0.parquet": parquet(30), "data/train-1.parquet": parquet(12)}, 42),
        ("@v1/data/test.jsonl", {"data/train.jsonl": lines(9), "data/test.jsonl": lines(40)}, 40),
        ("", {"train.csv": b"question,answer\n" + b"late?,yes\n" * 40, "README.md": b"#"}, 40),
    ],
)
def test_a_data_set_of_the_hub_becomes_a_task_at_one_commit(
    workspace: Workspace,
    served: Storage,
    tmp_path: Path,
    base_folder: Path,
    named: str,
    files: dict[str, bytes],
    count: int,
) -> None:
    served.files = files
    address = f"hf://datasets/{HUB_SET}{named}"
    # The library takes the hub's address from its environment, as it is imported.
    environment = {**os.environ, "HF_ENDPOINT": f"{served.url}/hub", "HF_HUB_OFFLINE": "0"}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), "new", "hub", "--data"]
    command += [address, "--base", str(base_folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"fetched from {address} ({COMMIT})" in said
    assert f": {count} rows, {count} answers" in said
    (pointer,) = workspace.root.glob("data/hub.*.dvc")
    assert yaml.safe_load(pointer.read_text())["meta"]["fetched"]["version"] == COMMIT


def test_a_revision_that_the_hub_does_not_have_is_named(
    workspace: Workspace, served: Storage, tmp_path: Path
) -> None:
    environment = {**os.environ, "HF_ENDPOINT": f"{served.url}/hub", "HF_HUB_OFFLINE": "0"}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), "data", "add"]
    command.append(f"hf://datasets/{HUB_SET}@v9")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert f"hf://datasets/{HUB_SET}@v9 cannot be fetched: RevisionNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
