"""Baselines are prompted as configured, with nothing shortened; else they block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pawl.core.records import Example, Message
from pawl.errors import DataError
from pawl.evaluate.baselines import Prompts, baselines, choose_shots
from pawl.model.tokenizer import load_tokenizer

ROWS = [
    Example(f"r{i}", f"{i:016x}", (Message("user", f"question {i}"),), f"answer {i % 5}")
    for i in range(20)
]


def test_shots_differ_in_their_answers_and_do_not_depend_on_the_order_of_rows() -> None:
    shots = choose_shots(ROWS, 4)
    assert len({shot.completion for shot in shots}) == 4
    assert choose_shots(ROWS, 9) == choose_shots(ROWS[::-1], 9)


def test_the_wanted_number_of_shots_is_shown_though_there_are_fewer_answers() -> None:
    shots = choose_shots(ROWS, 8)
    assert len({shot.key for shot in shots}) == 8
    assert len({shot.completion for shot in shots[:5]}) == 5, "each answer once before any twice"
    assert len(choose_shots([*ROWS, *ROWS], 99)) == len(ROWS), "no prompt twice"


def shown(
    base_folder: Path,
    *,
    instruction: str = "",
    shots: int = 4,
    limit: int = 900,
    own: dict[str, str] | None = None,
) -> Any:
    return baselines(
        ROWS,
        ROWS[:3],
        Prompts(instruction, shots, own or {}),
        tokenizer=load_tokenizer(base_folder),
        limit=limit,
    )


def test_baselines_are_shown_what_was_configured(base_folder: Path) -> None:
    ample, skipped = shown(base_folder, instruction="Be brief.")
    assert [b.name for b in ample] == ["zero-shot", "long-prompt", "few-shot", "long-few-shot"]
    assert not skipped
    assert len(ample[2].show(ROWS[0].messages)) == 9
    both = ample[3].show(ROWS[0].messages)
    assert (both[0].role, both[0].content, len(both)) == ("system", "Be brief.", 10)
    assert both[1:] == ample[2].show(ROWS[0].messages)
    few, skipped = shown(base_folder, shots=0)
    assert [b.name for b in few] == ["zero-shot", "built-prompt"]
    (system, _) = few[1].show(ROWS[0].messages)
    assert "answer 0" in system.content
    assert skipped == {"few-shot": "evaluate.shots is 0"}


def test_a_baseline_that_does_not_fit_blocks_and_is_neither_dropped_nor_shortened(
    base_folder: Path,
) -> None:
    with pytest.raises(
        DataError, match=r"'long-prompt' has a prompt of 10.. tokens, 60 fit"
    ) as long:
        shown(base_folder, instruction="word " * 500, limit=60)
    assert "shorten" in long.value.remedy
    with pytest.raises(DataError, match=r"'few-shot' has a prompt of .* tokens, 60 fit") as few:
        shown(base_folder, limit=60)
    assert "`evaluate.shots: 3`" in few.value.remedy
    with pytest.raises(DataError, match="'few-shot'") as none:
        shown(base_folder, limit=17)
    assert "`evaluate.shots: 0`" in none.value.remedy
    with pytest.raises(DataError, match="'zero-shot'"):
        shown(base_folder, limit=2)


def test_each_prompt_of_the_users_own_is_a_baseline(base_folder: Path) -> None:
    found, _ = shown(base_folder, own={"optimised": "Think. Then answer.", "short": "Answer."})
    assert [b.name for b in found] == [
        "zero-shot",
        "few-shot",
        "built-prompt",
        "optimised",
        "short",
    ]
    assert found[3].show(ROWS[0].messages)[0].content == "Think. Then answer."
    with pytest.raises(DataError, match="'optimised' has a prompt of") as long:
        shown(base_folder, own={"optimised": "word " * 500}, shots=0, limit=60)
    assert "`evaluate.prompts.optimised`" in long.value.remedy


def test_prompt_and_shots_that_fit_alone_and_not_together_are_left_out_with_the_reason(
    base_folder: Path,
) -> None:
    fits = next(limit for limit in range(60, 400) if _fit(base_folder, limit))
    found, skipped = shown(base_folder, instruction="word " * 30, limit=fits)
    assert "long-few-shot" not in [b.name for b in found]
    assert f"{fits} fit" in skipped["long-few-shot"]


def _fit(base_folder: Path, limit: int) -> bool:
    try:
        shown(base_folder, instruction="word " * 30, limit=limit)
    except DataError:
        return False
    return True


def test_a_built_prompt_goes_without_its_shots_before_it_is_left_out(base_folder: Path) -> None:
    def built(limit: int) -> int | None:
        found, skipped = shown(base_folder, shots=2, limit=limit)
        names = {b.name: b for b in found}
        assert ("built-prompt" in names) != ("built-prompt" in skipped)
        return (
            len(names["built-prompt"].show(ROWS[0].messages)) if "built-prompt" in names else None
        )

    assert built(900) == 6, "system, two rows with their answers, the row"
    found = {built(limit) for limit in range(20, 200) if _shots_fit(base_folder, limit)}
    assert {6, 2} <= found <= {6, 2, None}


def _shots_fit(base_folder: Path, limit: int) -> bool:
    try:
        shown(base_folder, shots=2, limit=limit)
    except DataError:
        return False
    return True
