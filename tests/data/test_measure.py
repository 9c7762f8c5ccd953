"""Rows are measured alike however they are shared out, and no row that is too long gets by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.data import measure as module
from pawl.data.measure import Measure, Ruler, measured, never_more_tokens_than_bytes, tokens_of
from pawl.data.read import read_examples
from pawl.params import Base
from pawl.records import Example, Message

ROOT = Path(__file__).parents[2]
SCHEMA = {"type": "object", "required": ["category"]}


def row(prompt: str, completion: str) -> Example:
    return Example("r", "00000000000000ff", (Message("user", prompt),), completion)


@pytest.fixture(scope="module")
def ruler(base_folder: Path) -> Ruler:
    return Ruler(Measure(Base(str(base_folder)), ROOT, None, 64))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)


@settings(max_examples=300)
@given(prompt=texts, completion=texts)
def test_what_fits_by_its_bytes_fits_by_its_tokens(
    ruler: Ruler, prompt: str, completion: str
) -> None:
    one = row(prompt, completion)
    exact, told = tokens_of(ruler.tokenizer, one), ruler.measured(one).tokens
    assert exact <= told
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
    asked = Measure(Base(str(base_folder)), ROOT, SCHEMA, 320)
    alone = list(measured(rows, asked))
    monkeypatch.setattr(module, "FEW", 100)
    monkeypatch.setattr(module, "CHUNK", 60)
    shared = list(measured(rows, asked))
    assert shared == alone
    assert [one for one, _ in alone] == list(rows)
