"""`make audit`: it says what an advisory feed knows, and says so when there is no feed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parent.parent
Answer = Callable[[str, str], tuple[int, str]]


def advisory(name: str, *aliases: str, fixed: str = "99.0") -> str:
    """An answer of the OSV interface: one advisory for a package."""
    events = [{"introduced": "0"}, {"fixed": fixed}]
    package = {"name": name, "ecosystem": "PyPI"}
    affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    vuln = {"id": "GHSA-0000-0000-0000", "aliases": list(aliases), "affected": affected}
    return json.dumps({"vulns": [vuln]})


def sound_but_for(**unsound: str) -> Answer:
    """A feed that knows Django 1.8 as every feed does, and advisories of further packages."""

    def answer(name: str, version: str) -> tuple[int, str]:
        if (name, version) == ("django", "1.8"):
            return 200, advisory("django")
        return 200, unsound.get(name, "{}")

    return answer


@contextmanager
def feed(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that is asked as OSV is; its address, and the pins asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = query["package"]["name"], query["version"]
            asked.append(f"{name}=={version}")
            status, body = answer(name, version)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / ".ci/audit.py", "--osv-url", url]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_version_of_every_lock_file_is_asked_about() -> None:
    with feed(sound_but_for()) as (url, asked):
        done = audit(url)
    locks = [ROOT / "requirements.lock", *ROOT.glob("infra/*.lock")]
    pins = {m for lock in locks for m in re.findall(r"(?m)^\S+==[^\s;]+", lock.read_text())}
    assert set(asked) == pins | {"django==1.8"}
    assert done.returncode == 0, done.stderr
    assert f"{len(pins)} versions, no advisory" in done.stdout


def test_an_advisory_for_a_pinned_version_fails_and_is_named() -> None:
    known = {"jinja2": advisory("jinja2", "CVE-2099-1\x1b[2J", fixed="4.0")}
    with feed(sound_but_for(**known)) as (url, _):
        done = audit(url)
    assert done.returncode == 1
    pin = re.search(r"(?m)^jinja2==[^\s;]+", (ROOT / "requirements.lock").read_text())
    assert pin is not None
    assert done.stdout == f"{pin[0]}: CVE-2099-1[2J, GHSA-0000-0000-0000; mended in 4.0\n"
    assert re.fullmatch(r"audit: advisories for 1 of \d+ versions: .+\n", done.stderr)


def test_an_accepted_advisory_does_not_fail_and_another_of_its_package_does() -> None:
    for name, code in (("CVE-2025-69872", 0), ("CVE-2099-2", 1)):
        with feed(sound_but_for(diskcache=advisory("diskcache", name))) as (url, _):
            assert audit(url).returncode == code, name


@pytest.mark.parametrize(
    "answer",
    [
        lambda *_: (404, "not here"),
        lambda *_: (200, "{}"),
        lambda *_: (200, "<html>Please sign in</html>"),
        lambda *_: (503, ""),
        lambda name, _: (404, "") if name == "torch" else sound_but_for()(name, "1.8"),
    ],
    ids=["404", "knows nothing", "a portal's page", "down", "404 for one package"],
)
def test_where_there_is_no_feed_the_audit_fails_and_says_so_in_one_sentence(answer: Answer) -> None:
    with feed(answer) as (url, _):
        assert_no_feed(audit(url))


def test_a_feed_that_cannot_be_reached_fails_the_audit() -> None:
    with feed(sound_but_for()) as (url, _):
        pass
    assert_no_feed(audit(url))


def assert_no_feed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"audit: no advisory feed \(.+\), so nothing is known.+\n", done.stderr)
