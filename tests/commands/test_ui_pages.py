"""`pawl ui` in a real browser: its own pages work, and no other page reaches its servers."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import browser
from servers import Served, ask, get, log_in, served
from verdicts import judged

from pawl.report.verdict.page import page
from pawl.store.client import open_store
from pawl.store.runs import log_evidence, open_run
from pawl.workspace.paths import Workspace

# Every way in which a page can send something without being asked whether it may, and with.
ATTACK = """
const results = {};
const ways = {
  simple: (url, text) => fetch(url, {method: 'POST', mode: 'no-cors', body: text}),
  // Prefect reads a body without a type as JSON.
  untyped: (url, text) => fetch(url, {method: 'POST', mode: 'no-cors', body: new Blob([text])}),
  json: (url, text) => fetch(url,
    {method: 'POST', body: text, headers: {'Content-Type': 'application/json'}}),
  credentials: (url, text) => fetch(url,
    {method: 'POST', mode: 'no-cors', credentials: 'include', body: new Blob([text])}),
  beacon: async (url, text) => navigator.sendBeacon(url, new Blob([text])),
  form: (url, text) => new Promise(done => {
    const frame = document.createElement('iframe');
    const form = document.createElement('form');
    frame.name = Math.random().toString();
    Object.assign(form, {method: 'POST', action: url, enctype: 'text/plain', target: frame.name});
    const field = document.createElement('input');
    const cut = text.lastIndexOf('}');
    field.name = text.slice(0, cut) + ', "ignored": "';
    field.value = '"}';
    form.append(field);
    document.body.append(frame, form);
    frame.onload = () => done('sent');
    setTimeout(() => done('no answer'), 5000);
    form.submit();
  }),
  sandboxed: (url, text) => new Promise(done => {  // its Origin is "null"
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-scripts';
    const sent = `fetch(${JSON.stringify(url)}, {method: 'POST', mode: 'no-cors',
      body: new Blob([${JSON.stringify(text)}])}).finally(() => parent.postMessage(1, '*'))`;
    frame.srcdoc = '<script>' + sent + '</' + 'script>';
    addEventListener('message', () => done('sent'), {once: true});
    setTimeout(() => done('no answer'), 5000);
    document.body.append(frame);
  }),
};
async function attempt(name, work) {
  try { const answer = await work(); results[name] = String(answer.status ?? answer); }
  catch (error) { results[name] = String(error); }
}
function socket(url, protocols, words) {
  return new Promise(done => {
    const line = new WebSocket(url, protocols);
    const told = [];
    line.onopen = () => { told.push('open'); for (const word of words) line.send(word); };
    line.onmessage = message => told.push(message.data);
    line.onclose = () => done(told.join() || 'closed');
    setTimeout(() => { line.close(); done(told.join() || 'no answer'); }, 4000);
  });
}
async function attack(prefect, mlflow) {
  for (const [name, way] of Object.entries(ways)) {
    const targets = {
      [prefect + '/api/variables/']: {name: name, value: 'x'},
      [prefect + '/api/flows/']: {name: 'flow-' + name},
      [prefect + '/api/work_pools/']: {name: 'pool-' + name, type: 'process'},
      [mlflow + '/api/2.0/mlflow/registered-models/create']: {name: 'model-' + name},
      [mlflow + '/ajax-api/2.0/mlflow/experiments/create']: {name: 'experiment-' + name},
    };
    for (const [url, body] of Object.entries(targets))
      await attempt(name + ' ' + url, () => way(url, JSON.stringify(body)));
  }
  const put = mlflow + '/api/2.0/mlflow-artifacts/artifacts/planted.txt';
  await attempt('put ' + put, () => fetch(put, {method: 'PUT', body: 'x'}));
  for (const path of ['/api/flows/filter', '/ui-settings'])
    await attempt('read ' + prefect + path, async () => (await fetch(prefect + path)).text());
  const search = '/ajax-api/2.0/mlflow/experiments/search?max_results=5';
  await attempt('read ' + mlflow + search, async () => (await fetch(mlflow + search)).text());
  const events = prefect.replace('http', 'ws') + '/api/events/in';
  const event = JSON.stringify({
    event: 'planted', occurred: new Date().toISOString(), related: [], payload: {},
    id: '11111111-1111-4111-8111-111111111111', resource: {'prefect.resource.id': 'planted'}});
  const login = JSON.stringify({type: 'auth', token: 'guess'});
  await attempt('socket', () => socket(events, [], [event]));
  await attempt('socket with protocol', () => socket(events, ['prefect'], [login, event]));
  return results;
}
"""


class _Page(http.server.BaseHTTPRequestHandler):
    """The hostile page, and nothing else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<title>evil</title><body><script>{ATTACK}</script>".encode())

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def hostile_page() -> Iterator[int]:
    """The port of a page on this machine that belongs to somebody else."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(Workspace(tmp_path_factory.mktemp("ui"))) as running:
        yield running


def contents(ui: Served) -> dict[str, Any]:
    """All that an attack could have made, as the servers hold it."""
    counted = {
        name: ask(ui, "POST", f"/{name}/filter", {})
        for name in ("variables", "flows", "flow_runs", "deployments", "work_pools")
    }
    events = ask(ui, "POST", "/events/filter", {"filter": {"event": {"name": ["planted"]}}})
    stored = f"{ui.mlflow}/api/2.0/mlflow"
    models = get(f"{stored}/registered-models/search").get("registered_models", [])
    experiments = get(f"{stored}/experiments/search?max_results=100")["experiments"]
    return {
        **counted,
        "events": events["total"],
        "models": [model["name"] for model in models],
        "experiments": [found["name"] for found in experiments],
        "files": [str(path) for path in ui.workspace.home.rglob("planted*")],
    }


@pytest.mark.server
def test_the_own_pages_work_for_who_types_the_key(ui: Served, tmp_path: Path) -> None:
    ask(ui, "POST", "/variables/", {"name": "seen", "value": "by its owner"})
    with browser() as tab:
        log_in(tab, ui)
        tab.failures.clear()
        tab.open(f"{ui.prefect}/v2/variables")
        tab.wait_for("document.body.innerText.includes('by its owner')")
        tab.picture(tmp_path / "prefect.png")
        # The other name of loopback is another page for the browser, which knows no key there.
        tab.open(ui.prefect.replace("127.0.0.1", "localhost"))
        tab.wait_for("document.querySelector('input[type=password]')")
        tab.open(f"{ui.mlflow}/#/experiments")
        tab.wait_for("document.body.innerText.includes('Default')")
        tab.picture(tmp_path / "mlflow.png")
    assert [failure for failure in tab.failures if failure.startswith("403")] == []


@pytest.mark.server
def test_mlflows_artifact_viewer_shows_the_whole_verdict_page(ui: Served, tmp_path: Path) -> None:
    store = open_store(ui.workspace)
    run = open_run(store, "tickets", op_id="a test", name="a cycle", tags={})
    (tmp_path / "verdict.html").write_text(page(judged()), encoding="utf-8")
    log_evidence(store, run, files={tmp_path / "verdict.html": ""})
    experiment = store.client.get_run(run).info.experiment_id
    # Else the frame is a process of its own, into which this debugger does not see.
    with browser("--disable-features=IsolateSandboxedIframes") as tab:
        tab.open(f"{ui.mlflow}/#/experiments/{experiment}/runs/{run}/artifacts/verdict.html")
        tab.wait_for("document.querySelector('iframe[sandbox]')")
        for _ in range(100):
            framed = json.dumps(tab.send("DOM.getDocument", depth=-1, pierce=True))
            if "What to do next" in framed:
                break
            tab.ask("new Promise(done => setTimeout(done, 200))")
        tab.picture(tmp_path / "viewer.png", whole=False)
    for words in ("Promoted: version 2 is the champion now.", "t-00000", "What to do next"):
        assert words in framed


@pytest.mark.slow
@pytest.mark.server
def test_a_page_whose_name_is_rebound_to_this_machine_gets_nothing(ui: Served) -> None:
    before = contents(ui)
    # The second one passes for a private address with MLflow's own filter.
    names = ("evil.example", "10.evil.example")
    rules = ",".join(f"MAP {name} 127.0.0.1" for name in names)
    with browser(f"--host-resolver-rules={rules}") as tab:
        for name in names:
            prefect, mlflow = (url.replace("127.0.0.1", name) for url in (ui.prefect, ui.mlflow))
            for server in (prefect, mlflow):
                tab.open(server)
                assert "does not go by that name" in tab.ask("document.body.innerText")
            said = tab.ask(f"(async () => {{{ATTACK}; return attack('{prefect}', '{mlflow}')}})()")
            assert said[f"put {mlflow}/api/2.0/mlflow-artifacts/artifacts/planted.txt"] == "403"
    assert contents(ui) == before


@pytest.mark.server
def test_no_other_page_shows_these_in_a_frame(ui: Served) -> None:
    with hostile_page() as port, browser() as tab:
        tab.open(f"http://127.0.0.1:{port}/")
        for server in (ui.prefect, ui.mlflow):
            tab.ask(f"""new Promise(done => {{
              const frame = document.createElement('iframe');
              Object.assign(frame, {{src: '{server}/', onload: done}});
              document.body.append(frame);
            }}).then(() => 0)""")
        assert sum("X-Frame-Options" in complaint for complaint in tab.complaints) == 2, (
            tab.complaints
        )


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_on_another_port_changes_nothing_and_reads_nothing(ui: Served, name: str) -> None:
    before = contents(ui)
    with hostile_page() as port, browser() as tab:
        log_in(tab, ui)  # what the browser holds for the own page must not help the other
        tab.open(f"http://{name}:{port}/")
        assert tab.ask("document.title") == "evil"
        said = tab.ask(f"attack({json.dumps(ui.prefect)}, {json.dumps(ui.mlflow)})")
    assert contents(ui) == before
    for what, answer in said.items():
        assert "Failed to fetch" in answer or not what.startswith(("read", "json", "put")), said
        assert "auth_success" not in answer, said
