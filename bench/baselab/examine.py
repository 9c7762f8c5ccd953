"""One family through load, a step, decoding, perplexity, save and reload, each against plain code.

"Plain" is peft's and transformers' own: a row by itself, no pack, no cache, `generate`.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from baselab.families import WINDOW, write_base
from torch.nn.functional import cross_entropy

from pawl.config.schema import Train
from pawl.core.records import AdapterManifest, BaseInfo, Choices
from pawl.errors import PawlError
from pawl.evaluate.drafted import drafted
from pawl.model.adapter import load_adapter, read_adapter
from pawl.model.base import dequantised, load_base
from pawl.model.cached_batches import sharing
from pawl.model.prompt import completion_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.train.agreement import agreed
from pawl.train.pack import packed
from pawl.train.passes import packed_mode, summed_loss
from pawl.train.qlora import prepared, save
from pawl.train.rows import Row

PARAMS = Train(rank=4, max_length=128, seed=3, precision="float32")
# Rows and rests of prompts by their tokens; the prompts' common prefix is longer than the window.
ROWS, PREFIX, RESTS = (40, 12, 70, 25), 40, (3, 9, 5, 14, 3, 20, 8, 11)
NEW, BATCH = 12, 4
REFERENCES = ["w9 w8 w7 w6", "w5 w4"] * 4


@dataclass(frozen=True)
class Examined:
    """What came of a family; `refused` (empty: it was not) says why it cannot be trained.

    `passes` and `sharing` are what Pawl chose; `gradient` is the relative error of the adapter's
    whole gradient, `decoded` how many of the 8 answers are `generate`'s, `perplexity` the largest
    relative error, `reloaded` the largest difference of logits, as a share of their spread, in
    plain peft after saving.
    """

    passes: str = ""
    gradient: float = math.nan
    sharing: str = ""
    decoded: int = 0
    perplexity: float = math.nan
    reloaded: float = math.nan
    refused: str = ""

    @property
    def right(self) -> bool:
        """Whether all is as the plain code has it, but for rounding in float32."""
        return (
            self.gradient < 1e-4
            and self.decoded == len(RESTS)
            and self.perplexity < 1e-4
            and self.reloaded < 1e-4
        )


def examine(kind: str, settings: dict[str, Any], folder: Path) -> Examined:
    """Examine one family, in float32 on a CPU; `folder` is for its files."""
    base = write_base(kind, settings, folder / "base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _examined(base, folder / "adapter")
        except PawlError as error:
            return Examined(refused=str(error).partition("\n")[0])


def _examined(base: Path, target: Path) -> Examined:
    draw = torch.Generator().manual_seed(3)

    def tokens(count: int) -> list[int]:
        return torch.randint(5, 500, (count,), generator=draw).tolist()

    rows = [Row(f"r{i}", tuple(tokens(n)), n // 2) for i, n in enumerate(ROWS)]
    prefix = tokens(PREFIX)
    prompts = [prefix + tokens(n) for n in RESTS]
    model = prepared(base, PARAMS, Choices(weights="dense"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.05, generator=draw)
    choices, _ = agreed(model, rows, Choices(weights="dense"))
    gradient = _gradient_error(model, rows, choices)
    manifest = AdapterManifest("t", BaseInfo(str(base), None, "b" * 64), "d" * 64, 4, {}, (), {})
    save(model, manifest, target)
    model = model.eval()
    read_adapter(target)
    reloaded = _reload_error(model, base, target, prompts[0])
    tokenizer = load_tokenizer(base)
    judged = load_adapter(dequantised(load_base(base)), target, name="candidate")
    share = sharing(judged, prompts, pad=0, more=NEW)
    wanted = [_generated(judged, tokenizer, prompt) for prompt in prompts]
    # By drafts, as the gate decodes: the references, of which a random base writes nothing.
    references = [completion_tokens(tokenizer, text) for text in REFERENCES]
    found = drafted(
        judged,
        tokenizer,
        prompts,
        references,
        max_new_tokens=NEW,
        batch_size=BATCH,
        share=share,
    )
    decoded = sum(one.answer.text == text for one, text in zip(found, wanted, strict=True))
    off = [
        abs((one or math.nan) / _perplexity(judged, tokenizer, prompt, text) - 1)
        for one, prompt, text in zip(
            (one.perplexity for one in found), prompts, REFERENCES, strict=True
        )
    ]
    return Examined(choices.passes, gradient, share, decoded, max(off), reloaded)


def _gradient_error(model: Any, rows: list[Row], choices: Choices) -> float:
    model.eval()
    for row in rows:
        ids = torch.tensor([row.tokens])
        logits = model(input_ids=ids, use_cache=False).logits[0].float()
        loss = cross_entropy(logits[row.prompt - 1 : -1], ids[0, row.prompt :], reduction="sum")
        loss.backward()
    wanted = _taken(model)
    with packed_mode(model, choices):
        for pack in packed(rows, room=4096, apart=choices.passes != "packed"):
            summed_loss(model, pack).backward()
    found = _taken(model)
    names = wanted.keys() | found.keys()
    nothing = torch.zeros(())
    off = sum(float((found.get(n, nothing) - wanted.get(n, nothing)).square().sum()) for n in names)
    return math.sqrt(off / sum(float(part.square().sum()) for part in wanted.values()))


def _taken(model: Any) -> dict[str, torch.Tensor]:
    found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def _reload_error(model: Any, base: Path, adapter: Path, prompt: list[int]) -> float:
    """Logits of the trained model against those of plain peft on the saved files."""
    from peft import PeftModel

    ids = torch.tensor([prompt])
    again = PeftModel.from_pretrained(dequantised(load_base(base)), str(adapter)).eval()
    with torch.inference_mode():
        one, other = (m(input_ids=ids, use_cache=False).logits for m in (model, again))
    return float((one - other).abs().max() / one.std())


def _generated(model: Any, tokenizer: Any, prompt: list[int]) -> str:
    with torch.inference_mode():
        out = model.generate(
            input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)).long(),
            max_new_tokens=NEW, do_sample=False, pad_token_id=0, eos_token_id=2,
        )  # fmt: skip
    return str(tokenizer.decode(out[0, len(prompt) :], skip_special_tokens=True))


def _perplexity(model: Any, tokenizer: Any, prompt: list[int], reference: str) -> float:
    answer = [*tokenizer(reference, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    ids = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    return math.exp(float(cross_entropy(logits, torch.tensor(answer))))


def as_row(examined: Examined) -> dict[str, Any]:
    """The record as JSON; numbers that were not measured are left out."""
    return {k: v for k, v in dataclasses.asdict(examined).items() if v == v}


assert PREFIX > WINDOW
