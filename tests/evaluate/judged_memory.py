"""One judging in this process: the memory that it took at its worst, and what was predicted.

    python judged_memory.py BASE WEIGHTS

Memory is the growth of what the process holds over what it held before the base was loaded.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from pawl.evaluate.decode import greedy
from pawl.evaluate.judging import Judging, judged_model
from pawl.evaluate.judging_memory import Asked, judging_peak
from pawl.evaluate.perplexity import answer_losses, general_perplexity
from pawl.model.adapted_layers import linear_names
from pawl.model.tokenizer import load_tokenizer
from pawl.train.process_settings import return_freed_memory

RANK, ANSWER, REFERENCE = 16, 24, 40


def some_prompts() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Prompts by themselves, and behind a common prefix, of ids that no base ends with."""
    rests = [tuple(5 + (i * 7 + j) % 90 for j in range(60 + i)) for i in range(48)]
    shared = tuple(5 + i % 90 for i in range(400))
    return tuple(rests), tuple(shared + rest for rest in rests)


def resident(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(key)


def judge(folder: Path, weights: Any) -> None:
    """What an evaluation does with one contender."""
    tokenizer = load_tokenizer(folder)
    base: Any = judged_model(folder, Judging(weights, 1, 0, {}, 0, True))
    config = LoraConfig(r=RANK, target_modules=linear_names(base), task_type="CAUSAL_LM")
    model: Any = get_peft_model(base, config).eval()
    for prompts in some_prompts():
        greedy(model, tokenizer, prompts, max_new_tokens=ANSWER, batch_size=48, label=None)
        answer_losses(model, prompts[-16:], [[7] * REFERENCE] * 16, pad=0, share="padded")
    general_perplexity(model, tokenizer)


if __name__ == "__main__":
    base, weights = Path(sys.argv[1]), sys.argv[2]
    return_freed_memory()
    # Libraries, threads and all that a first judging brings into a process.
    judge(Path(sys.argv[3]), "dense")
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    judge(base, weights)
    measured = resident("VmHWM") - before
    asked = Asked(some_prompts(), ANSWER, REFERENCE, 1, RANK)
    found = judging_peak(base, asked, weights, cuda=torch.cuda.is_available())
    told = {"measured": measured, "predicted": found.total, "parts": found.parts}
    sys.stdout.write(json.dumps(told) + "\n")
