"""The planner's memory against a training's own, for bases of many shapes with random weights.

    python bench/planning.py [--only WORD] [--precision bfloat16]    # measured: minutes
    python bench/planning.py --large          # predicted alone, for CUDA: bases that need a card

Each training is a process of its own. On the CPU its memory is the growth of what the process holds
(the high-water mark of its resident set, by the kernel) over what it held after a first small
training; on CUDA it is `torch.cuda.max_memory_allocated`. malloc gives back what is freed, as a
training asks where memory is scarce; with `--keeps` it does not, as elsewhere, and what the process
then holds is more than tensors take.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

from planlab.run import config, measure, some_rows

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.train.device import GIB
from pawl.train.memory import Load, peak
from pawl.train.pack import packed

MIB = 1 << 20
CKPT, DENSE = {"checkpointing": True}, {"weights": "dense"}
SMALL = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 6, "heads": (12, 12)}
WIDE = {"hidden_size": 1536, "intermediate_size": 4096, "num_hidden_layers": 5, "heads": (16, 4)}
DEEP = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 16, "heads": (8, 2)}
SQUAT = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 4, "heads": (8, 8)}
LONG, SHORT = [50, 100, 150, 212], [64] * 4
# Twenty steps, hardly two of one size.
MANY = [24 + 53 * i % 189 for i in range(40)]
# Name, shape, tokens in the vocabulary, tied head, rank, lengths of rows, choices.
CASES: tuple[tuple[str, dict[str, Any], int, bool, int, list[int], dict[str, Any]], ...] = (
    ("768 wide, 6 layers", SMALL, 32000, True, 16, LONG, {}),
    ("768 wide, 6 layers", SMALL, 32000, True, 16, LONG, DENSE),
    ("768 wide, 6 layers", SMALL, 32000, True, 16, LONG, CKPT),
    ("768 wide, 6 layers", SMALL, 32000, True, 16, LONG, DENSE | CKPT),
    ("768 wide, 6 layers, rank 256", SMALL, 32000, True, 256, SHORT, {}),
    ("768 wide, 6 layers, rank 256", SMALL, 32000, True, 256, SHORT, CKPT),
    ("768 wide, 6 layers, 20 steps", SMALL, 32000, True, 16, MANY, {}),
    ("768 wide, 6 layers, 20 steps", SMALL, 32000, True, 16, MANY, CKPT),
    ("768 wide, 6 layers, packs of 256", SMALL, 32000, True, 16, LONG, {"room": 256}),
    ("1,536 wide, 4 of 16 heads", WIDE, 8192, False, 16, LONG, {}),
    ("1,536 wide, 4 of 16 heads", WIDE, 8192, False, 16, LONG, CKPT),
    ("1,536 wide, 4 of 16 heads", WIDE, 8192, False, 16, SHORT, DENSE),
    ("512 wide, 16 layers, 2 of 8 heads", DEEP, 16384, True, 32, LONG, {}),
    ("512 wide, 16 layers, 2 of 8 heads", DEEP, 16384, True, 32, LONG, CKPT),
    ("128k words, tied head", SQUAT, 128256, True, 16, LONG, {}),
    ("128k words, own head", SQUAT, 128256, False, 16, LONG, {}),
    ("128k words, own head", SQUAT, 128256, False, 16, LONG, CKPT),
)

# Llama 3's shapes; tokens of a pack.
EIGHT = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "heads": (32, 8)}
SEVENTY = {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "heads": (64, 8),
}
LARGE = [
    (name, shape, choices, tokens)
    for name, shape in (("8B", EIGHT), ("70B", SEVENTY))
    for choices, tokens in ((CKPT, 2048), (CKPT, 8192), ({}, 2048), (DENSE | CKPT, 2048))
]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name has this word")
    parser.add_argument("--keeps", action="store_true", help="malloc as it comes")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--large", action="store_true", help="8B and 70B on CUDA, not measured")
    given = parser.parse_args()
    if given.large:
        _predict()
        return
    print(
        "| base | rank | tokens | weights | checkpointing | predicted MiB | measured MiB | off |\n"
        "|---|---:|---:|---|---|---:|---:|---:|"
    )
    worst = 0.0
    for name, shape, words, tied, rank, lengths, choices in CASES:
        if given.only not in name:
            continue
        case = {"shape": shape, "words": words, "tied": tied, "rank": rank, "lengths": lengths}
        case |= {"choices": choices | {"gives_back": not given.keeps}, "precision": given.precision}
        with multiprocessing.get_context("fork").Pool(1) as process:
            got = process.apply(measure, (case,))
        print(name, got, file=sys.stderr, flush=True)
        off = got["predicted"] / got["measured"] - 1
        worst = max(worst, abs(off))
        weights = choices.get("weights", "nf4")
        kept = "yes" if choices.get("checkpointing") else "no"
        print(
            f"| {name} | {rank} | {got['tokens']:,} | {weights} | {kept} "
            f"| {got['predicted'] / MIB:,.0f} | {got['measured'] / MIB:,.0f} | {off:+.1%} |",
            flush=True,
        )
    print(f"\nworst: {worst:.1%}")
    raise SystemExit(worst > 0.1 and not given.keeps)


def _predict() -> None:
    print(
        "| base | tokens | weights | checkpointing | GiB | of it activations |\n"
        "|---|---:|---|---|---:|---:|"
    )
    for name, shape, choices, tokens in LARGE:
        with tempfile.TemporaryDirectory() as scratch:
            config(shape, 128256, tied=False).save_pretrained(scratch)
            (pack,) = packed(some_rows([tokens], 1000), room=tokens)
            load, made = Load(pack, pack, several=False), Choices(**choices, room=tokens)
            found = peak(Path(scratch), Train(rank=16), load, made, cuda=True)
        kept = "yes" if made.checkpointing else "no"
        print(
            f"| {name} | {tokens:,} | {made.weights} | {kept} | {found.total / GIB:.1f} "
            f"| {found.parts['activations'] / GIB:.1f} |"
        )


if __name__ == "__main__":
    main()
