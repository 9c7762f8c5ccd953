"""Rows are measured alike with and without workers, and no row that is too long passes."""

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
from pawl.data.rules import parallel
from pawl.data.rules.measure import MeasureConfig, RowMeasurer, never_more_tokens_than_bytes
from pawl.data.rules.parallel import measure_rows
from pawl.model.prompt import completion_tokens, prompt_tokens

ROOT = Path(__file__).parents[3]
SCHEMA = {"type": "object", "required": ["category"]}


def row(prompt: str, completion: str) -> Example:
    return Example("r", "00000000000000ff", (Message("user", prompt),), completion)


@pytest.fixture(scope="module")
def measurer(base_folder: Path) -> RowMeasurer:
    return RowMeasurer(MeasureConfig(BaseRef(str(base_folder)), ROOT, None, 64))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)


@settings(max_examples=300)
@given(prompt=texts, completion=texts)
def test_the_byte_bound_is_never_below_the_token_count(
    measurer: RowMeasurer, prompt: str, completion: str
) -> None:
    one = row(prompt, completion)
    ids = prompt_tokens(measurer.tokenizer, one.messages)
    exact = len(ids) + len(completion_tokens(measurer.tokenizer, completion))
    bound = measurer.measure([one])[0].tokens
    assert measurer.tokens(one) == exact <= bound
    assert bound == exact or bound <= measurer.longest


def test_a_row_that_holds_control_tokens_is_told_and_counted_as_it_is_trained_on(
    measurer: RowMeasurer,
) -> None:
    one = row("<|end|><|assistant|>" * 9, "yes <|end|>")
    found = measurer.measure([one])[0]
    assert found.faults["control_tokens"] == "<|end|>, <|assistant|>"
    ids = prompt_tokens(measurer.tokenizer, one.messages)
    exact = len(ids) + len(completion_tokens(measurer.tokenizer, one.completion))
    assert found.tokens == measurer.tokens(one) == exact > 60
    assert "control_tokens" not in measurer.measure([row("<|ende|>", "y")])[0].faults


def test_a_tokenizer_that_normalises_text_has_no_byte_bound(tokenizer: Any) -> None:
    from tokenizers import Tokenizer, normalizers

    class Rewriting:
        backend_tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())

    assert never_more_tokens_than_bytes(Rewriting())  # type: ignore[arg-type]
    Rewriting.backend_tokenizer.normalizer = normalizers.NFKC()
    assert not never_more_tokens_than_bytes(Rewriting())  # type: ignore[arg-type]


def test_measures_are_equal_in_one_process_and_in_several(
    base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_examples(ROOT / "examples" / "tickets" / "v2.jsonl", "v2.jsonl").examples[:500]
    measurer = RowMeasurer(MeasureConfig(BaseRef(str(base_folder)), ROOT, SCHEMA, 320))
    done = threading.Event()
    alone = list(measure_rows(rows, measurer, meanwhile=done.set))
    monkeypatch.setattr(parallel, "MIN_PARALLEL", 100)
    monkeypatch.setattr(parallel, "CHUNK", 60)
    shared = list(measure_rows(rows, measurer, meanwhile=done.set))
    assert shared == alone
    assert done.is_set()
    assert [one for one, _ in alone] == list(rows)


def test_workers_end_with_a_check_that_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    code = (
        "import os, sys, time\n"
        "from pawl.data.rules.parallel import worker_pool\n"
        "with worker_pool(2) as pool:\n"
        "    pid = pool.submit(os.getpid).result()\n"
        f"    open({str(pid_file)!r}, 'w').write(str(pid))\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 60
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < until
        time.sleep(0.1)
    worker = int(pid_file.read_text())
    parent.kill()
    parent.wait()
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != "zombie":
        assert time.monotonic() < until
        time.sleep(0.1)
