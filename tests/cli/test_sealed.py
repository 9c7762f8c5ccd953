"""A sealed gate, by a real cycle: whatever it leaves is searched for what it must not say."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.core.sealing import KEY, open_folder
from pawl.workspace.paths import Workspace

pytestmark = pytest.mark.server


@pytest.mark.slow
def test_nothing_that_a_sealed_cycle_leaves_tells_a_gate_answer_or_score(
    quick_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(tmp_path / "owner" / "seal.key"))
    text = quick_workspace.params_file.read_text()
    text = text.replace("metric: exact_match", "metric: exact_match\n      disclosure: sealed")
    quick_workspace.params_file.write_text(text)
    done = pawl(quick_workspace, "run", "tickets")
    assert done.returncode in (0, 3), done.stderr[-3000:]
    cycle = json.loads(done.stdout)
    assert cycle["verdict"] in ("promote", "reject")
    assert all(reason.startswith("sealed gate: ") for reason in cycle["reasons"])
    assert set(cycle["scores"]) == {"candidate (dev)"}

    page = quick_workspace.files("tickets").page.read_text(encoding="utf-8")
    assert "The gate is sealed" in page
    for section in ("contenders", "flips", "slices", "fields", "cost", "seen"):
        assert f'id="{section}"' not in page

    secrets = secrets_of(quick_workspace)
    assert len(secrets) >= 5, "there must be something to find"
    left = {str(p): p.read_bytes() for p in quick_workspace.root.rglob("*") if p.is_file()}
    left |= {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    told = [(name, s) for name, bytes_ in left.items() for s in secrets if s.encode() in bytes_]
    # The pages write a quotation mark otherwise.
    told += [("page", s) for s in secrets if html.escape(s.replace('\\"', '"')) in page]
    assert told == []

    again = pawl(quick_workspace, "replay", "tickets", "1")
    assert json.loads(again.stdout)["same"], again.stdout
    assert again.returncode == 0


def secrets_of(workspace: Workspace) -> list[str]:
    """Gate answers and gate means that neither the data nor a dev row happens to hold as well."""
    files = workspace.files("tickets")
    sealed = open_folder(files.eval)
    rows = [json.loads(line) for line in sealed["rows.jsonl"].split("\n") if line]
    open_text = (files.eval / "rows.jsonl").read_text() + "".join(
        p.read_text() for p in (workspace.root / "data").glob("*.jsonl")
    )
    means = [
        repr(value)
        for contender in json.loads(sealed["report.json"])["contenders"]
        if contender["split"] == "gate"
        for value in (*contender["scores"].values(), contender["output_tokens"])
    ]
    answers = [
        json.dumps(r["output"], ensure_ascii=False)[1:-1] for r in rows if r["split"] != "dev"
    ]
    dev = json.dumps(
        [c for c in json.loads(sealed["report.json"])["contenders"] if c["split"] == "dev"]
    )
    return [
        *{a for a in answers if len(a) > 25 and a not in open_text},
        *{m for m in means if len(m) > 12 and m not in dev},
    ]


def pawl(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(workspace.root), *words, "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
