"""Rows are measured alike however they are shared out, and no row that is too long gets by."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.core.records import BaseRef, Example, Message
from pawl.data.read.examples import read_examples
from pawl.data.rules import share as module
from pawl.data.rules.measure import Measure, Ruler, never_more_tokens_than_bytes
from pawl.data.rules.share import measured
from pawl.model.prompt import completion_tokens, prompt_tokens

ROOT = Path(__file__).parents[3]
SCHEMA = {"type": "object", "required": ["category"]}


def row(prompt: str, completion: str) -> Example:
    return Example("r", "00000000000000ff", (Message("user", prompt),), completion)


@pytest.fixture(scope="module")
def ruler(base_folder: Path) -> Ruler:
    return Ruler(Measure(BaseRef(str(base_folder)), ROOT, None, 64))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)


@settings(max_examples=300)
@given(prompt=texts, completion=texts)
def test_what_fits_by_its_bytes_fits_by_its_tokens(
    ruler: Ruler, prompt: str, completion: str
) -> None:
    one = row(prompt, completion)
    ids = prompt_tokens(ruler.tokenizer, one.messages)
    exact = len(ids) + len(completion_tokens(ruler.tokenizer, completion))
    told = ruler.measured([one])[0].tokens
    assert ruler.tokens(one) == exact <= told
    assert told == exact or told <= ruler.longest


def test_a_tokenizer_that_rewrites_text_first_is_asked_about_every_row(tokenizer: Any) -> None:
    from tokenizers import Tokenizer, normalizers

    class Rewriting:
        backend_tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())

    assert never_more_tokens_than_bytes(Rewriting())  # type: ignore[arg-type]  # all that is asked
    Rewriting.backend_tokenizer.normalizer = normalizers.NFKC()
    assert not never_more_tokens_than_bytes(Rewriting())  # type: ignore[arg-type]


def test_rows_are_measured_alike_in_one_process_and_in_several(
    base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_examples(ROOT / "examples" / "tickets" / "v2.jsonl", "v2.jsonl").examples[:500]
    asked = Ruler(Measure(BaseRef(str(base_folder)), ROOT, SCHEMA, 320))
    done = threading.Event()
    alone = list(measured(rows, asked, meanwhile=done.set))
    monkeypatch.setattr(module, "FEW", 100)
    monkeypatch.setattr(module, "CHUNK", 60)
    shared = list(measured(rows, asked, meanwhile=done.set))
    assert shared == alone
    assert done.is_set()
    assert [one for one, _ in alone] == list(rows)


def test_workers_end_with_a_check_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    code = (
        "import os, sys, time\n"
        "from pawl.data.rules.workers import workers\n"
        "with workers(2) as pool:\n"
        "    found = pool.submit(os.getpid).result()\n"
        f"    open({str(told)!r}, 'w').write(str(found))\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 60
    while not (told.exists() and told.read_text()):
        assert time.monotonic() < until
        time.sleep(0.1)
    worker = int(told.read_text())
    parent.kill()
    parent.wait()
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != "zombie":
        assert time.monotonic() < until
        time.sleep(0.1)
