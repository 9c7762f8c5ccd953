"""A version written for a serving stack, and whether it answers there as it was judged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.core.records import Message
from pawl.model.adapter import FILES, load_adapter, read_adapter
from pawl.model.base import TOKENIZER, dequantised, load_base, silence_bitsandbytes
from pawl.model.families import refusing_other_models
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import end_tokens, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

# Prompts that are answered at once.
BATCH = 16


def write_peft(adapter: Path, into: Path) -> None:
    """Write what peft and vLLM load beside the base: configuration and weights, and no manifest."""
    for name in FILES:
        shutil.copyfile(adapter / name, into / name)


def write_merged(base: Path, adapter: Path, into: Path) -> None:
    """Write a model that needs neither peft nor a base: the adapter added to the weights, in bf16.

    They are added to the weights that the adapter was trained and judged on, the values of NF4.
    """
    import torch

    model: Any = load_adapter(dequantised(load_base(base)), adapter, name="chosen")
    weights = model.merge_and_unload().state_dict()
    # A model of its own, as one that was quantised is neither cast nor saved.
    plain = _model(base)
    plain.load_state_dict({name: value.to(torch.bfloat16) for name, value in weights.items()})
    plain.save_pretrained(into)
    # As they lie, not as a library would write them anew.
    for path in {path for pattern in TOKENIZER for path in base.glob(pattern)}:
        place = into / path.relative_to(base)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)
    # As readable as the rest: a server may be another user.
    for path in into.glob("*.safetensors"):
        path.chmod((into / "config.json").stat().st_mode)


def answers(
    base: Path, adapter: Path, written: Path, chats: Sequence[Sequence[Message]], *, most: int
) -> list[str]:
    """Greedy answers of what was written, loaded by the libraries that serve it, in bf16.

    Args:
        base, adapter: what it was made of; prompts are those that the adapter was trained with.
        written: the folder of `write_peft`, which is put on the base as it lies in its folder, or
            of `write_merged`.
        most: tokens of an answer.
    """
    import torch

    tokenizer = load_tokenizer(base, read_adapter(adapter).base)
    asked = [prompt_tokens(tokenizer, messages) for messages in chats]
    model = _loaded(base, written)
    pad, ends = int(tokenizer.pad_token_id), sorted(end_tokens(model, tokenizer))
    found: list[str] = []
    with torch.inference_mode(), _as_judged(model):
        for start in range(0, len(asked), BATCH):
            ids, mask = _padded(asked[start : start + BATCH], pad, model.device)
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=most,
                pad_token_id=pad,
                eos_token_id=ends,
            )
            new = out[:, ids.shape[1] :]
            found += tokenizer.batch_decode(new, skip_special_tokens=True)
    return found


def _loaded(base: Path, written: Path) -> Any:
    silence_bitsandbytes()  # which peft imports
    from peft import PeftModel

    if (written / FILES[0]).is_file():
        return PeftModel.from_pretrained(_model(base), str(written)).eval()
    return _model(written).eval()


def _model(folder: Path) -> Any:
    """The model of a folder as a server loads it: in bf16, not quantised."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    silence_bitsandbytes()
    disable_progress_bar()
    with refusing_other_models(folder):
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16,
            device_map="cuda" if torch.cuda.is_available() else "cpu",
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
        )


def _padded(
    prompts: Sequence[Sequence[int]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts of one batch, padded on the left, and their mask."""
    import torch

    width = max(map(len, prompts))
    rows = [[pad] * (width - len(prompt)) + [*prompt] for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(rows, device=device), torch.tensor(mask, device=device)


@contextmanager
def _as_judged(model: Any) -> Iterator[None]:
    """Within this, what a base's generation_config.json asks for beside greedy is left out."""
    from transformers import GenerationConfig

    before, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = before
