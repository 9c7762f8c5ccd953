"""Training on a GPU, from random weights: checked first, then timed; one table, in 8 minutes.

    python bench/gpu.py [--tiny] [--only 8b|70b]

Llamas of 8B and 70B are built layer by layer straight into NF4 on the device; nothing comes from a
network. Before anything is timed, attention, gradients, NF4 and resume are checked on the device,
and a failed check ends the run. `--tiny` goes the same way with tiny shapes, on CPU too. With trl
installed (extra `bench`), its trainer runs in the same process on the same 8B base.

FLOP are 4 a weight and token: a product forward, one back to the input, none for frozen weights,
none for the head, and none for what checkpointing computes twice.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import torch
from speedlab.checks import CHECKS
from speedlab.shapes import B8, B70, DEVICE, SMALL, Shape, built, some_rows

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.model.base import dequantised
from pawl.train.loop import Loop
from pawl.train.memory import Load, peak
from pawl.train.pack import packed
from pawl.train.qlora import adapted
from pawl.train.rows import Row

# bf16 without sparsity, by the vendor's sheets, in FLOP/s.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
WARM = 2
# TRL wants one, for the padding token's id alone.
TOKENIZER = Path(__file__).resolve().parents[1] / "base" / "tiny"


@dataclasses.dataclass(frozen=True)
class Case:
    """A line of the table: `tokens` are those of a step, `room` those of a pack."""

    name: str
    shape: Shape
    tokens: int
    room: int
    steps: int
    checkpointing: bool


CASES = {
    "8b": (
        Case("8B, packs of 2,048", B8, 8192, 2048, 8, checkpointing=False),
        Case("8B, 1 × 2,048, checkpointing", B8, 2048, 2048, 5, checkpointing=True),
    ),
    "70b": (Case("70B, 8k tokens a step, checkpointing", B70, 8192, 2048, 4, checkpointing=True),),
}


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="tiny shapes; runs on CPU")
    parser.add_argument("--only", choices=list(CASES))
    given = parser.parse_args()
    if DEVICE.type == "cpu" and not given.tiny:
        parser.error("no GPU is here: give --tiny for a rehearsal on CPU")
    start = time.perf_counter()
    for check in CHECKS:
        print(f"checked: {check()}", flush=True)
    print("\n| | tokens/s | spread | of the peak FLOP/s | peak GiB | planned GiB |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for short, cases in CASES.items():
        if given.only in (None, short):
            _time([_small(case) if given.tiny else case for case in cases], compared=short == "8b")
    print(f"\n{_name()}, torch {torch.__version__}, {time.perf_counter() - start:.0f} s in all")


def planned(case: Case, weights: Literal["nf4", "dense"]) -> str:
    """The planner's word on the peak in GiB, from the shape alone."""
    packs = packed(_rows(case), room=case.room)
    heaviest = max(packs, key=lambda pack: sum(pack.lengths))
    load = Load(heaviest, heaviest, several=len(packs) > 1)
    choices = Choices(weights, checkpointing=case.checkpointing, room=case.room)
    with tempfile.TemporaryDirectory() as folder:
        case.shape.config.save_pretrained(folder)
        need = peak(Path(folder), Train(rank=16), load, choices, cuda=DEVICE.type == "cuda")
    return f"{need.total / 2**30:.2f}"


def _time(cases: list[Case], *, compared: bool) -> None:
    """The cases share their base; `compared`: also TRL on it, and Pawl on weights unpacked once."""
    base = built(cases[0].shape)
    weights = sum(
        layer.in_features * layer.out_features
        for layer in base.modules()
        if isinstance(layer, torch.nn.Linear) and layer is not base.lm_head
    )
    model = adapted(base, Train(rank=16))
    for case in cases:
        _time_pawl(case, model, weights)
    if not compared:
        return
    if importlib.util.find_spec("trl"):
        for checkpointing in (False, True):
            case = dataclasses.replace(cases[0], checkpointing=checkpointing)
            _time_trl(case, model, weights)
    del base, model
    case = dataclasses.replace(cases[0], name=f"{cases[0].name}, weights unpacked once")
    _time_pawl(case, adapted(dequantised(built(case.shape)), Train(rank=16)), weights, held="dense")


def _rows(case: Case) -> list[Row]:
    return some_rows(case.tokens, case.shape.vocabulary, longest=case.room)


def _time_pawl(
    case: Case, model: Any, weights: int, *, held: Literal["nf4", "dense"] = "nf4"
) -> None:
    rows, plan = _rows(case), planned(case, held)
    choices = Choices(held, checkpointing=case.checkpointing, room=case.room)
    _forget()
    params = Train(rank=16, epochs=case.steps, batch_size=len(rows), max_length=case.room)
    times = [time.perf_counter()]
    loop = Loop(model, rows, params=params, choices=choices)
    loop.run(lambda _: times.append(time.perf_counter()))
    _line(f"pawl, {case.name}", sum(map(len, rows)), times, weights, plan)


def _time_trl(case: Case, model: Any, weights: int) -> None:
    """SFTTrainer with its best-fit packing on the same rows."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from pawl.model.tokenizer import load_tokenizer

    rows = _rows(case)
    times = [time.perf_counter()]

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    columns = [
        {"input_ids": list(r.tokens), "completion_mask": [0] * r.prompt + [1] * (len(r) - r.prompt)}
        for r in rows
    ]
    _forget()
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SFTConfig(
            output_dir=scratch,
            num_train_epochs=case.steps,
            per_device_train_batch_size=case.tokens // case.room,
            max_length=case.room,
            packing=True,
            completion_only_loss=True,
            gradient_checkpointing=case.checkpointing,
            bf16=True,
            use_cpu=DEVICE.type == "cpu",
            optim="adamw_torch_fused",
            save_strategy="no",
            logging_steps=1000,
            report_to=[],
            disable_tqdm=True,
        )
        SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(columns),
            processing_class=load_tokenizer(TOKENIZER),
            callbacks=[Clock()],
        ).train()
    kind = "with checkpointing" if case.checkpointing else "without checkpointing"
    each = sum(map(len, rows)) * case.steps / (len(times) - 1)
    _line(f"TRL, {case.name}, {kind}", each, times, weights, "")


def _line(name: str, tokens: float, times: list[float], weights: int, plan: str) -> None:
    """A line of the table; the first steps, which compile and allocate, are not timed."""
    speeds = sorted(
        tokens / (end - start) for start, end in zip(times[WARM:], times[WARM + 1 :], strict=False)
    )
    middle = statistics.median(speeds)
    peak = next((value for key, value in PEAKS.items() if key in _name()), None)
    share = f"{4 * weights * middle / peak:.1%}" if peak else ""
    print(
        f"| {name} | {middle:,.0f} | {speeds[0]:,.0f} to {speeds[-1]:,.0f} | {share} "
        f"| {_memory():.2f} | {plan} |",
        flush=True,
    )


def _memory() -> float:
    """GiB held at most since `_forget`; on CPU by the process in all its life."""
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _forget() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _small(case: Case) -> Case:
    return dataclasses.replace(case, shape=SMALL, tokens=case.tokens // 8, room=case.room // 8)


def _name() -> str:
    return torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
