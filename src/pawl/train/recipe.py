"""The recipe that a new task begins with: rate, scale and epochs by the base's width and the rows.

Rate: 0.0002 at a width of 4,096, as QLoRA (Dettmers et al. 2023) trained 7B bases, and more for
narrower ones, by the power of the width that "LoRA Without Regret" (Schulman et al. 2025) fitted to
the Llama and Qwen families. Rounded to one digit that gives QLoRA's 0.0002 for 13B and 0.0001 for
33B and 65B as well, and 0.002 for the tiny base (docs/adr/0033-a-recipe-for-each-base.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATE, WIDTH = 2e-4, 4096
# The rate's power of WIDTH / width.
POWER, QWEN = 0.78, 0.08
RANK, BATCH = 16, 16
# Below this width a base is narrow: it knows less, so that it is pushed harder and for longer.
NARROW = 1024
# rsLoRA's alpha, of narrow bases and of others. At rank 16 an update is scaled by a quarter of it;
# 8 is the scale of "LoRA Without Regret" there, within what is usual for bases of 1B to 8B.
ALPHA_NARROW, ALPHA = 16, 8
# Epochs are so many that about that many steps are taken, at least the second number of them.
STEPS_NARROW, STEPS = (600, 6), (250, 3)
MOST = 10
PATIENCE = 3


@dataclass(frozen=True)
class Recipe:
    """Keys of a task's `train`, and why, in one line."""

    train: dict[str, Any]
    why: str


def recipe(folder: Path, *, rows: int) -> Recipe:
    """The recipe for the base in `folder`, by its config.json, and about so many train rows."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    text = config.get_text_config()
    return chosen(width=int(text.hidden_size), family=str(text.model_type), rows=rows)


def chosen(*, width: int, family: str, rows: int) -> Recipe:
    """The recipe for a base of this width and family (transformers' `model_type`)."""
    power = QWEN if family.startswith("qwen") else POWER
    rate = float(f"{RATE * (WIDTH / width) ** power:.0e}")
    narrow = width < NARROW
    alpha = ALPHA_NARROW if narrow else ALPHA
    steps, least = STEPS_NARROW if narrow else STEPS
    epochs = min(MOST, max(least, math.ceil(steps * BATCH / max(1, rows))))
    train = {
        "rank": RANK,
        "alpha": alpha,
        "epochs": epochs,
        "learning_rate": rate,
        "batch_size": BATCH,
        "keep": "best",
        "patience": PATIENCE,
    }
    why = (
        f"{family}, {width:,} wide: rate {rate:g}, alpha {alpha}; about {rows:,} train rows: "
        f"at most {epochs} epochs, the best on dev kept"
    )
    return Recipe(train, why)
