"""A week-old backup that is restored is doubted, until a person says which champion holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from workbench import TASK, Bench

from pawl.commands.backup import backup
from pawl.commands.restore import restore


def pawl(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl", "-C", str(bench.workspace.root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_restored_older_record_is_doubted_until_a_person_adopts_it(
    bench: Bench, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=bench.workspace.root, check=True)
    bench.cycle(1)
    backup(bench.workspace, tmp_path / "week-old", keys=True, data=False)
    bench.cycle(2)
    shutil.rmtree(bench.workspace.home)
    restore(bench.workspace, tmp_path / "week-old")
    for words in (("status", TASK), ("verify", TASK), ("rollback", TASK, "--reason", "back")):
        done = pawl(bench, *words)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
    # As docs/backup.md says.
    done = pawl(bench, "adopt", TASK, "1", "--reason", "restored the backup of Monday")
    assert done.returncode == 0, done.stderr
    for words in (("status", TASK), ("verify", TASK)):
        done = pawl(bench, *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
