"""`pawl check` as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from pawl.errors import DataError
from pawl.workspace.paths import Workspace

# In the form that its issuer gave such tokens; nobody's.
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def pawl(workspace: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pawl", *words],
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fix_is_proposed_beside_the_check_and_neither_shows_a_secret(
    quick_workspace: Workspace,
) -> None:
    path = quick_workspace.root / "data" / "tickets.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    row: dict[str, Any] = json.loads(lines[0])
    secret = {**row, "prompt": f"{row['prompt']} My token is {SECRET}."}
    lines += [json.dumps({**secret, "id": name}) for name in ("once", "twice")]
    lines[1] = lines[1].replace('}"}', '} "}')
    path.unlink()
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    before = path.read_bytes()
    done = pawl(quick_workspace, "check", "tickets", "--fix", "--json")
    assert done.returncode == DataError.exit_code, done.stderr
    found = json.loads(done.stdout)
    secrets = next(rule for rule in found["rules"] if rule["name"] == "secrets")
    assert (secrets["found"], secrets["passed"], secrets["severity"]) == (2, False, "block")
    assert {mend["name"]: mend["found"] for mend in found["fix"]["mends"]} == {
        "unreadable": 0, "duplicates": 1, "blanks": 1, "style": 0,
    }  # fmt: skip
    assert "secrets" in [rule["name"] for rule in found["fix"]["left"]]
    assert path.read_bytes() == before
    files = quick_workspace.files("tickets")
    assert SECRET in (files.fixed / "tickets.jsonl").read_text(encoding="utf-8")
    shown = [files.fixed / "changes.diff", files.fixed / "report.json", files.check / "report.html"]
    told = [done.stdout, done.stderr, *(file.read_text(encoding="utf-8") for file in shown)]
    assert not any(SECRET in text for text in told)
    assert "-[may hold a secret: not shown]" in shown[0].read_text(encoding="utf-8")
