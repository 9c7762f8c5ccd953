"""What `pawl export` writes is loaded by plain libraries, and its answers are compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from callers import PROMPTS, Served
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from pawl.commands.export import export
from pawl.core.files import digest_file, write_lines
from pawl.core.records import (
    Champion,
    Contender,
    EvalReport,
    Example,
    Message,
    Score,
    to_json,
    write_record,
)
from pawl.errors import UsageError
from pawl.model.adapter import FILES, load_adapter
from pawl.model.base import dequantised, load_base
from pawl.release.local_copies import adapter_folder
from pawl.serve.exported import answers

CHATS = [[Message("user", text)] for text in PROMPTS]


def logits(model: Any, folder: Path) -> torch.Tensor:
    """What a model makes of a prompt, at its last token."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Hello, where is my parcel?", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return model(ids).logits[0, -1].float()


# The weights that a server holds unquantised are others than those that were judged.
@pytest.mark.parametrize(("form", "off"), [("peft", 0.5), ("merged", 0.1)])
def test_plain_libraries_load_what_was_written_and_it_is_the_adapter_that_was_judged(
    copied: dict[str, Served], base_folder: Path, tmp_path: Path, form: Any, off: float
) -> None:
    bench, out = copied["tickets"], tmp_path / "out"
    report = export(bench.workspace, bench.store, "tickets", version=None, form=form, out=out)
    assert (report.version, report.form, report.rows) == (1, form, 0)
    adapter = adapter_folder(bench.workspace, bench.store, "tickets")
    judged = logits(
        load_adapter(dequantised(load_base(base_folder)), adapter, name="a"), base_folder
    )
    bare = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.bfloat16)
    base = logits(bare, base_folder)
    if form == "peft":
        assert {path.name for path in out.iterdir()} == {*FILES}
        written = logits(PeftModel.from_pretrained(bare, str(out)), base_folder)
    else:
        assert not list(out.glob("adapter*"))
        written = logits(AutoModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16), out)
    assert (written - judged).norm() < off * (base - judged).norm()


def test_dev_rows_that_are_answered_otherwise_are_counted_and_shown(
    fresh: dict[str, Served], base_folder: Path, tmp_path: Path
) -> None:
    bench = fresh["tickets"]
    adapter = adapter_folder(bench.workspace, bench.store, "tickets")
    export(
        bench.workspace, bench.store, "tickets", version=1, form="merged", out=tmp_path / "first"
    )
    served = answers(base_folder, adapter, tmp_path / "first", CHATS, most=24)
    judged = [*served[:2], "something else", *served[3:]]
    evidence(bench, judged)
    bench.cycle(1, question="judged with evidence")
    report = export(
        bench.workspace, bench.store, "tickets", version=4, form="merged", out=tmp_path / "second"
    )
    assert report.rows == len(PROMPTS)
    (changed,) = report.changed
    assert (changed.id, changed.judged, changed.served) == ("r2", "something else", served[2])
    assert "it answers 5 of 6 dev rows as it was judged\n  r2\n" in report.says()


def evidence(bench: Served, judged: list[str]) -> None:
    """Leave in `build/` that the candidate answered dev rows so."""
    files = bench.workspace.files("tickets")
    rows = [Example(f"r{n}", f"key {n}", tuple(chat), "yes") for n, chat in enumerate(CHATS)]
    scores = [
        Score(row.id, row.key, "candidate", "dev", text, {"exact_match": 0.0})
        for row, text in zip(rows, judged, strict=True)
    ]
    write_lines(files.check / "rows.jsonl", map(to_json, rows))
    write_lines(files.eval / "rows.jsonl", map(to_json, scores))
    contender = Contender("candidate", "dev", len(rows), {}, 10.0, 2.0)
    digest = digest_file(files.eval / "rows.jsonl")
    report = EvalReport("tickets", "b", "c", Champion(), None, None, 0, (contender,), {}, digest)
    write_record(files.eval / "report.json", report)


def test_an_export_never_writes_over_anything(copied: dict[str, Served], tmp_path: Path) -> None:
    bench = copied["tickets"]
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        export(
            bench.workspace, bench.store, "tickets", version=1, form="peft", out=tmp_path / "mine"
        )
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("forms", [[], ["--peft", "--merged"]])
def test_one_form_is_named(copied: dict[str, Served], tmp_path: Path, forms: list[str]) -> None:
    command = [sys.executable, "-m", "pawl", "-C", str(copied["tickets"].workspace.root)]
    done = subprocess.run(
        [*command, "export", "tickets", "--out", str(tmp_path / "out"), *forms],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "name one of --peft and --merged" in done.stderr
    assert not (tmp_path / "out").exists()
