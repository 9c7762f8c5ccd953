"""A store that is down, or none at all, is one sentence with a remedy, soon, and no password."""

from __future__ import annotations

import http.server
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pawl.commands.doctor import examine
from pawl.core.records.commands import Finding
from pawl.errors import RegistryError
from pawl.store import probe
from pawl.store.client import check_connection, open_store
from pawl.workspace.paths import Workspace

SECRET = "s3cret%40word"
PAGE = b"<html>gateway</html>"


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers each request with the status that the path begins with, and a page."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_POST = do_GET  # noqa: N815 - as the library calls it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://ada:{SECRET}@127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture(scope="module")
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        yield hole.getsockname()[1]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    before = dict(os.environ)
    monkeypatch.setattr(probe, "SECONDS", 1)
    (tmp_path / "params.yaml").write_text("tasks: {}\n")
    yield Workspace(tmp_path)
    os.environ.clear()
    os.environ.update(before)


def tracking(workspace: Workspace, address: str) -> Finding:
    os.environ["MLFLOW_TRACKING_URI"] = address
    (found,) = (one for one in examine(workspace) if one.what == "tracking")
    return found


def said(workspace: Workspace, address: str) -> str:
    """What doctor says of a store that cannot be used."""
    found = tracking(workspace, address)
    assert not found.ok, found.says
    assert "remedy: " in found.says
    assert "s3cret" not in found.says
    return found.says


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500, 503])
def test_a_server_that_is_none_of_mlflows_is_one_finding(
    workspace: Workspace, server: str, status: int
) -> None:
    assert "failed: " in said(workspace, f"{server}/{status}")


@pytest.mark.parametrize(
    "address",
    [
        f"http://ada:{SECRET}@127.0.0.1:9",
        f"postgresql://ada:{SECRET}@127.0.0.1:9/db",
        f"postgresql://127.0.0.1:9/db?user=ada&password={SECRET}",
        f"mssql://ada:{SECRET}@127.0.0.1:9/db",
        f"mysql://ada:{SECRET}@127.0.0.1:9/db",
        f"http://ada:{SECRET}@127.0.0.1:99999",
        f"http://ada:{SECRET}@host.invalid",
        f"gopher://ada:{SECRET}@127.0.0.1:9",
        f"http://ada:{SECRET}@[::1",
    ],
)
def test_an_address_where_nothing_is_is_one_finding(workspace: Workspace, address: str) -> None:
    said(workspace, address)


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_store_that_never_answers_is_given_up(
    workspace: Workspace, black_hole: int, scheme: str
) -> None:
    said(workspace, f"{scheme}://ada:{SECRET}@127.0.0.1:{black_hole}/db")


def garbage(file: Path) -> None:
    file.write_bytes(b"no database" * 400)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [garbage, cut_off, newer, folder])
def test_a_database_that_cannot_be_used_is_one_finding_and_stays_as_it_is(
    workspace: Workspace, empty_store: Path, damage: Callable[[Path], None]
) -> None:
    file = workspace.root / "mine.db"
    file.write_bytes(empty_store.read_bytes())
    damage(file)
    before = file.is_file() and file.read_bytes()
    says = said(workspace, f"sqlite:///{file}")
    assert str(file) in says
    assert (file.is_file() and file.read_bytes()) == before


def test_a_locked_database_is_waited_for_and_read(workspace: Workspace, empty_store: Path) -> None:
    file = workspace.root / "mine.db"
    file.write_bytes(empty_store.read_bytes())
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert tracking(workspace, f"sqlite:///{file}").ok
        other.rollback()
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in said(workspace, f"sqlite:///{file}")


def test_every_command_gives_up_as_soon_for_a_database_that_is_down(workspace: Workspace) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = f"postgresql://ada:{SECRET}@127.0.0.1:9/db"
    with pytest.raises(RegistryError, match="Connection refused") as refused:
        open_store(workspace)
    assert "s3cret" not in str(refused.value)


def test_asking_briefly_leaves_the_limits_of_other_requests_as_they_were(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with probe.briefly():
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "1"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_relative_sqlite_address_is_the_same_ledger_in_every_folder(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///kept/mine.db")
    (tmp_path / "data").mkdir()
    for place in (tmp_path, tmp_path / "data"):
        monkeypatch.chdir(place)
        check_connection(open_store(workspace))
        assert workspace.tracking_uri == f"sqlite:///{tmp_path}/kept/mine.db"
    assert (tmp_path / "kept" / "mine.db").is_file()
    assert not (tmp_path / "data" / "kept").exists()
    for same in ("sqlite:////abs/x.db", "sqlite:///:memory:", "sqlite://", "http://a/x.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", same)
        assert workspace.tracking_uri == same
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite+pysqlite:///x.db?timeout=3")
    assert workspace.tracking_uri == f"sqlite+pysqlite:///{tmp_path}/x.db?timeout=3"
