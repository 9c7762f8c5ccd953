"""One training in this process: the memory that it took at its worst, and what was predicted."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", OMP_WAIT_POLICY="passive", TOKENIZERS_PARALLELISM="false")

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.train.fit import heaviest
from pawl.train.loop import Loop
from pawl.train.memory import peak
from pawl.train.qlora import prepared
from pawl.train.row_loss import mean_loss
from pawl.train.rows import Row

BATCH = 4
TINY = Path(__file__).resolve().parents[2] / "base" / "tiny"


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Train the case's base in this process, which nothing else was trained in before."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, choices = Path(scratch), Choices(**case["choices"])
        # Random weights, in bfloat16 as most are saved.
        model = LlamaForCausalLM(config(case["shape"], case["words"], tied=case["tied"]))
        model.to(torch.bfloat16).save_pretrained(folder)
        del model
        rows = some_rows(case["lengths"], case["words"])
        params = Train(rank=case["rank"], batch_size=BATCH, epochs=2, max_length=8192)
        params = dataclasses.replace(params, precision=case["precision"])
        # Libraries, threads and all that a first training brings into a process.
        first = Choices(gives_back=choices.gives_back)
        trained(TINY, some_rows([128] * 2, 2000), Train(batch_size=2, epochs=1), first)
        before = settled()
        forget_peak()
        trained(folder, rows, params, choices)
        measured = resident("VmHWM") - before
        if torch.cuda.is_available():
            measured = torch.cuda.max_memory_allocated()
        load = heaviest(rows, rows, params, choices.room)
        found = peak(folder, params, load, choices, cuda=torch.cuda.is_available())
    tokens = load.learned.ids.numel()
    return {"measured": measured, "predicted": found.total, "tokens": tokens, "parts": found.parts}


def config(shape: dict[str, Any], words: int, *, tied: bool) -> LlamaConfig:
    """A Llama's configuration; `heads` of the shape are those of queries and of keys."""
    shape = dict(shape)
    heads, groups = shape.pop("heads")
    return LlamaConfig(
        **shape,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        vocab_size=words,
        tie_word_embeddings=tied,
        max_position_embeddings=8192,
    )


def trained(folder: Path, rows: list[Row], params: Train, choices: Choices) -> None:
    """As `pawl.train.qlora` does it, without bar and checkpoints; the load is not counted."""
    model = prepared(folder, params, choices)
    forget_peak()
    Loop(model, rows, params=params, choices=choices).run(lambda _: None)
    mean_loss(model, rows, choices=choices)


def some_rows(lengths: list[int], words: int) -> list[Row]:
    """Rows of these lengths of arbitrary tokens; a quarter of each is learned."""
    generator = torch.Generator().manual_seed(1)
    return [
        Row(f"r{i}", tuple(torch.randint(5, words, (n,), generator=generator).tolist()), 3 * n // 4)
        for i, n in enumerate(lengths)
    ]


def settled() -> int:
    """Bytes that this process holds after all that is free was given back."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident("VmRSS")


def resident(key: str) -> int:
    """Bytes of memory: now (`VmRSS`), or at most (`VmHWM`) since `forget_peak`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status says no {key}")


def forget_peak() -> None:
    """Begin anew to keep the highest `VmHWM`."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
