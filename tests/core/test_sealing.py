"""Sealed evidence opens with the owner's key alone, whole or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.core.sealing import KEY, SEALED, open_folder, seal
from pawl.errors import DataError, UsageError

TAG = 16  # bytes that AES-SIV adds
SECRET = "an answer to a gate row \u2028"


@pytest.fixture(autouse=True)
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, str(tmp_path / "owner" / "seal.key"))


def evaluation(secret: str = SECRET) -> dict[str, str]:
    rows = [{"split": "dev", "output": "free"}, {"split": "gate", "output": secret}]
    return {
        "rows.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "report.json": '{"gate": 0.875}\r\n',
    }


def sealed_folder(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir()
    for name, data in seal(texts).items():
        (folder / name).write_bytes(data)
    return folder


def test_only_dev_rows_stay_in_plain_and_the_key_brings_the_rest_back(tmp_path: Path) -> None:
    texts = evaluation()
    sealed_folder(tmp_path / "eval", texts)
    left = b"".join(path.read_bytes() for path in (tmp_path / "eval").iterdir())
    assert SECRET.encode() not in left
    assert b"0.875" not in left
    assert b"free" in left
    assert open_folder(tmp_path / "eval") == texts
    assert (tmp_path / "owner" / "seal.key").stat().st_mode & 0o077 == 0


def test_the_same_evidence_has_the_same_bytes_and_its_size_tells_a_power_of_two_alone() -> None:
    one, same, longer = (seal(evaluation(s))[SEALED] for s in (SECRET, SECRET, SECRET * 9))
    assert one == same
    assert len(one) == len(longer)
    sizes = {
        len(seal(evaluation("x" * length))[SEALED]) - TAG for length in range(1, 900_000, 9001)
    }
    assert sizes == {1 << power for power in range(16, 21)}


KILLED = """
import os, signal, sys
from pathlib import Path
from pawl.core import private_files
from pawl.core.sealing import seal
real = os.fdopen
def fdopen(*given):
    # The machine dies as the first byte of the key would be written.
    os.kill(os.getpid(), signal.SIGKILL)
os.fdopen = fdopen
seal({"rows.jsonl": "", "report.json": "{}"})
"""


def test_a_key_is_whole_or_absent_after_a_kill_and_the_same_for_all_who_make_it_at_once(
    tmp_path: Path,
) -> None:
    key = tmp_path / "owner" / "seal.key"
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    assert not key.exists()
    code = 'from pawl.core.sealing import seal; seal({"rows.jsonl": "", "report.json": "{}"})'
    makers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [maker.wait() for maker in makers] == [0] * 4
    assert len(key.read_bytes()) == 64
    assert key.stat().st_mode & 0o077 == 0


def test_another_key_a_changed_byte_or_no_key_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed_folder(tmp_path / "eval", evaluation())
    sealed = tmp_path / "eval" / SEALED
    good = sealed.read_bytes()
    sealed.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    with pytest.raises(DataError, match="another key, or altered"):
        open_folder(tmp_path / "eval")
    sealed.write_bytes(good)
    monkeypatch.setenv(KEY, str(tmp_path / "nobody"))
    with pytest.raises(UsageError, match="the key to sealed evidence is not at"):
        open_folder(tmp_path / "eval")
    (tmp_path / "nobody").write_bytes(b"short")
    with pytest.raises(UsageError, match="holds 5 bytes"):
        open_folder(tmp_path / "eval")
