"""How a base will be judged is known before its training is paid for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pawl.config.judging import Evaluate, Gate
from pawl.config.schema import Check, Split, Task, Train
from pawl.core.records import BaseRef
from pawl.errors import BaseError
from pawl.evaluate.answer_cache import contender_key
from pawl.evaluate.decode import greedy
from pawl.evaluate.judging import (
    Judging,
    assumed,
    cards_of,
    judged_model,
    judging,
    refuse_unfit,
)
from pawl.evaluate.judging_memory import Asked, judging_peak
from pawl.evaluate.perplexity import answer_perplexity
from pawl.model.device import GIB, Device
from pawl.model.tokenizer import load_tokenizer

LLAMA_3_8B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "num_hidden_layers": 32, "vocab_size": 128256,
}  # fmt: skip
# Four rows of 300 tokens.
ASKED = Asked((tuple((i, *(7,) * 299) for i in range(4)),), 48, 48, adapters=2, rank=16)


@pytest.fixture
def eight(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B))
    return tmp_path


def card(size: float) -> Device:
    return Device(f"a card of {size} GiB", cuda=True, memory=int(size * GIB), here=False)


def test_llama_3_8b_on_12_gib_is_judged_as_nf4(eight: Path) -> None:
    found = judging(eight, ASKED, card(12))
    assert (found.weights, found.cards, found.fits) == ("nf4", 1, True)
    assert found.unpacked is not None
    # 16 GB unpacked, of which 2 are embedding and head; a quarter of the rest as NF4.
    assert 15 < found.unpacked / GIB < 18
    assert 5 < found.peak / GIB < 8
    assert found.peak == sum(found.parts.values())
    assert "as NF4" in found.says()
    refuse_unfit(found, card(12), "b")


@pytest.mark.slow
def test_a_large_card_judges_it_unpacked_two_share_it_and_a_small_one_is_refused(
    eight: Path,
) -> None:
    assert judging(eight, ASKED, card(24)).weights == "dense"
    shared = judging(eight, ASKED, card(14), cards=2)
    assert (shared.weights, shared.cards) == ("dense", 2)
    small = judging(eight, ASKED, card(5))
    assert not small.fits
    with pytest.raises(BaseError, match="cannot be judged on a card of 5 GiB") as refused:
        refuse_unfit(small, card(5), "someone/8b")
    size = float(small.remedies[-1].removeprefix("a device with ").removesuffix(" GiB"))
    assert refused.value.remedy.endswith(f"a device with {size} GiB")
    assert judging(eight, ASKED, card(size)).fits


@pytest.mark.slow
def test_a_batch_size_that_is_named_as_a_remedy_fits(eight: Path) -> None:
    many = Asked((tuple((i, *(7,) * 3000) for i in range(64)),), 48, 48)
    found = judging(eight, many, card(12))
    assert not found.fits
    size = int(found.remedies[0].removeprefix("`evaluate.batch_size: ").rstrip("`"))
    fewer = Asked((many.prompts[0][-size:],), 48, 48)
    assert judging(eight, fewer, card(12)).fits


def test_the_base_is_shared_by_cards_in_judging_where_it_was_in_training() -> None:
    def section(train: Train) -> Task:
        return Task("d", BaseRef("b"), Check(), Split("s"), train, Evaluate(), Gate())

    assert cards_of(section(Train(processes=4, parallel="fsdp"))) == 4
    assert cards_of(section(Train(processes=4))) == 1
    asked = assumed(section(Train(max_length=99, rank="auto")))
    assert {len(prompt) for kind in asked.prompts for prompt in kind} == {99}
    assert asked.rank == 128


def test_a_base_that_is_judged_as_nf4_gives_the_answers_of_the_unpacked_one(
    base_folder: Path,
) -> None:
    tokenizer = load_tokenizer(base_folder)
    prompts = [tokenizer(f"order {i} is late")["input_ids"] for i in range(9)]
    found: dict[Any, Any] = {}
    weights: Any
    for weights in ("dense", "nf4"):
        model = judged_model(base_folder, Judging(weights, 1, 0, {}, 0, True)).eval()
        answers = greedy(model, tokenizer, prompts, max_new_tokens=9, batch_size=4, label=None)
        known = answer_perplexity(model, tokenizer, prompts, [[7, 8, 4]] * 9)
        key = contender_key(
            model, Evaluate(), base_digest="b", adapter_digest=None, weights=weights
        )
        found[weights] = ([answer.text for answer in answers], known, key)
    assert found["dense"][0] == found["nf4"][0]
    assert found["dense"][1] == pytest.approx(found["nf4"][1], rel=1e-4)
    # What is cached for one is not taken for the other: on a card their last bits differ.
    assert found["dense"][2] != found["nf4"][2]


def test_a_base_as_nf4_takes_less_and_more_prompts_take_more(base_folder: Path) -> None:
    few = Asked((((5,) * 40,) * 2,), 8, 8)
    many = Asked((((5,) * 40,) * 2, tuple((i, *(5,) * 400) for i in range(32))), 8, 8)
    packed = judging_peak(base_folder, few, "nf4", cuda=True).total
    assert packed < judging_peak(base_folder, few, "dense", cuda=True).total
    assert packed < judging_peak(base_folder, many, "nf4", cuda=True).total


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["dense", "nf4"])
def test_predicted_memory_is_what_the_process_takes_or_up_to_a_third_more(
    base_folder: Path, weights: str
) -> None:
    script = Path(__file__).with_name("judged_memory.py")
    command = [sys.executable, str(script), str(base_folder), weights, str(base_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert 0.95 < found["predicted"] / found["measured"] < 1.35, found
