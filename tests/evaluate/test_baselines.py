"""Baselines show the base what they promise, and say why one is left out."""

from __future__ import annotations

from pathlib import Path

from pawl.base import load_tokenizer
from pawl.evaluate.baselines import baselines, choose_shots
from pawl.records import Example, Message

ROWS = [
    Example(f"r{i}", f"{i:016x}", (Message("user", f"question {i}"),), f"answer {i % 5}")
    for i in range(20)
]


def test_shots_differ_in_their_answers_and_do_not_depend_on_the_order_of_rows() -> None:
    shots = choose_shots(ROWS, 4)
    assert len({shot.completion for shot in shots}) == 4
    assert choose_shots(ROWS[::-1], 4)[0].key in {row.key for row in ROWS}
    assert [s.completion for s in choose_shots(ROWS, 99)] != []
    assert len(choose_shots(ROWS, 99)) == 5


def test_shots_are_dropped_until_the_longest_prompt_fits(base_folder: Path) -> None:
    tokenizer = load_tokenizer(base_folder)
    ample, skipped = baselines(
        ROWS, ROWS[:3], instruction="Be brief.", shots=4, tokenizer=tokenizer, room=900
    )
    assert [b.name for b in ample] == ["zero-shot", "long-prompt", "few-shot"]
    assert not skipped
    assert len(ample[2].show(ROWS[0].messages)) == 9
    tight, skipped = baselines(
        ROWS, ROWS[:3], instruction="word " * 500, shots=4, tokenizer=tokenizer, room=60
    )
    assert "long-prompt" in skipped
    assert len(tight[-1].show(ROWS[0].messages)) < 9
