"""The planner's memory against a training's own, for bases of many shapes with random weights.

    python bench/planning.py [--only WORD]

Each training is a process of its own. On the CPU its memory is the growth of what the process holds
(the high-water mark of its resident set, by the kernel) over what it held after a first small
training, with a malloc that gives back what is freed; on CUDA it is
`torch.cuda.max_memory_allocated`. `--as-is` leaves malloc as it is, which keeps some of it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from typing import Any

from planlab.run import measure

MIB = 1 << 20
CKPT, DENSE = {"checkpointing": True}, {"weights": "dense"}
SMALL = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 6, "heads": (12, 12)}
WIDE = {"hidden_size": 1536, "intermediate_size": 4096, "num_hidden_layers": 5, "heads": (16, 4)}
DEEP = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 16, "heads": (8, 2)}
SQUAT = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 4, "heads": (8, 8)}
LONG, SHORT = [50, 100, 150, 212], [64] * 4
# Name, shape, tokens in the vocabulary, tied head, rank, lengths of rows, choices.
CASES: tuple[tuple[str, dict[str, Any], int, bool, int, list[int], dict[str, Any]], ...] = (
    ("768 wide, 6 layers", SMALL, 32000, True, 16, LONG, {}),
    ("the same, dense", SMALL, 32000, True, 16, LONG, DENSE),
    ("the same, checkpointing", SMALL, 32000, True, 16, LONG, CKPT),
    ("the same, dense, checkpointing", SMALL, 32000, True, 16, LONG, DENSE | CKPT),
    ("the same, rank 256", SMALL, 32000, True, 256, SHORT, {}),
    ("the same, rank 256, checkpointing", SMALL, 32000, True, 256, SHORT, CKPT),
    ("the same, packs of 512", SMALL, 32000, True, 16, LONG, {"room": 512}),
    ("1,536 wide, 4 of 16 heads", WIDE, 8192, False, 16, LONG, {}),
    ("the same, checkpointing", WIDE, 8192, False, 16, LONG, CKPT),
    ("the same, dense", WIDE, 8192, False, 16, SHORT, DENSE),
    ("512 wide, 16 layers, 2 of 8 heads", DEEP, 16384, True, 32, LONG, {}),
    ("the same, checkpointing", DEEP, 16384, True, 32, LONG, CKPT),
    ("128k words, tied head", SQUAT, 128256, True, 16, LONG, {}),
    ("128k words, own head", SQUAT, 128256, False, 16, LONG, {}),
    ("the same, checkpointing", SQUAT, 128256, False, 16, LONG, CKPT),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name has this word")
    parser.add_argument("--as-is", action="store_true", help="malloc as it comes")
    given = parser.parse_args()
    print(
        "| base | rank | tokens | weights | checkpointing | predicted MiB | measured MiB | off |\n"
        "|---|---:|---:|---|---|---:|---:|---:|"
    )
    worst = 0.0
    for name, shape, words, tied, rank, lengths, choices in CASES:
        if given.only not in name:
            continue
        case = {"shape": shape, "words": words, "tied": tied, "rank": rank, "lengths": lengths}
        with multiprocessing.get_context("fork").Pool(1) as process:
            got = process.apply(measure, ({**case, "choices": choices, "as_is": given.as_is},))
        print(name, got, file=sys.stderr, flush=True)
        off = got["predicted"] / got["measured"] - 1
        worst = max(worst, abs(off))
        weights = choices.get("weights", "nf4")
        kept = "yes" if choices.get("checkpointing") else "no"
        print(
            f"| {name} | {rank} | {sum(lengths):,} | {weights} | {kept} "
            f"| {got['predicted'] / MIB:,.0f} | {got['measured'] / MIB:,.0f} | {off:+.1%} |",
            flush=True,
        )
    print(f"\nworst: {worst:.1%}")
    raise SystemExit(worst > 0.1)


if __name__ == "__main__":
    main()
