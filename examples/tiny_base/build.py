"""Build the tiny base: train its tokenizer, pretrain a small Llama, save a Hugging Face folder.

    python examples/tiny_base/build.py --out base/tiny

The number of steps is fixed, not the time, so that the same machine makes the same weights again.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from corpus import documents
from wiring import wire

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("system", "user", "assistant")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# JSON and XML punctuation stays whole; digits, capitals and other marks are single, and a space
# joins only a lower-case word: so a code or a name has the same tokens in a text and in an answer.
PIECES = Regex(
    r"""\{"|":"|":|","|,"|"\}|\}|</|\n+| ?\p{Ll}+|\p{Lu}\p{Ll}+|\p{Lu}|\p{N}|"""
    r"""[\p{Lo}\p{M}\p{Lt}\p{Lm}]+|  +|\s|."""
)


# Answers weigh most: the noise in a message can be read but not foretold.
ANSWER_WEIGHT, PROSE_WEIGHT, ASKED_WEIGHT = 1.0, 0.5, 0.15
WEIGHTS = {"assistant": ANSWER_WEIGHT, "text": PROSE_WEIGHT}


@dataclass(frozen=True)
class Plan:
    """Everything that decides the weights."""

    seed: int = 20
    vocab: int = 2048
    hidden: int = 256
    layers: int = 4
    inner: int = 640
    heads: int = 4
    steps: int = 5000
    long_share: float = 0.1  # the last steps see 1,024 tokens a row, for few-shot prompts
    tokens_a_step: int = 2048
    rate: float = 1.2e-3
    warmup: int = 400  # long, because the wired start does not survive a rough one


def main() -> None:
    """Read the command line, build, say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the checkpoint to")
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--no-compile", action="store_true", help="slower, needs no C++ compiler")
    args = parser.parse_args()
    started = time.monotonic()
    plan = Plan(steps=args.steps)
    torch.manual_seed(plan.seed)
    tokenizer = train_tokenizer(plan)
    model = new_model(plan, tokenizer)
    print(f"{model.num_parameters():,} parameters", flush=True)
    pretrain(model, tokenizer, plan, args.out, compiled=not args.no_compile)
    save(model, tokenizer, args.out)
    print(f"done in {time.monotonic() - started:.0f} s")


def train_tokenizer(plan: Plan) -> PreTrainedTokenizerFast:
    """A byte-level BPE (any text comes back exactly) learned from a sample of the corpus."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(PIECES, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    special = [PAD, *(f"<|{role}|>" for role in ROLES), END]
    trainer = trainers.BpeTrainer(
        vocab_size=plan.vocab,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    sample = documents(plan.seed + 1, 20_000)
    raw.train_from_iterator((text for doc in sample for _, text in doc), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=special[1:-1],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
        padding_side="left",
    )


def new_model(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama that starts out able to copy a little (see `wiring`)."""
    config = LlamaConfig(
        vocab_size=plan.vocab,
        hidden_size=plan.hidden,
        num_hidden_layers=plan.layers,
        intermediate_size=plan.inner,
        num_attention_heads=plan.heads,
        num_key_value_heads=plan.heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.03,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.data.mul_((2 * plan.layers) ** -0.5)
    wire(model, plan.seed)
    return model


def pretrain(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    plan: Plan,
    out: Path,
    *,
    compiled: bool,
) -> None:
    """AdamW, warmed up, then falling straight to zero; saved on the way, lest a crash cost all."""

    def loss_of(ids: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits.float()
        losses = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        flat = weights[:, 1:].flatten()
        answers = flat == ANSWER_WEIGHT
        answer_loss = (losses.detach() * answers).sum() / answers.sum()
        return (losses * flat).sum() / flat.sum(), answer_loss

    step_loss = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, plan))
    started, running = time.monotonic(), math.nan
    model.train()
    for step, (ids, weights) in enumerate(batches(tokenizer, plan), start=1):
        loss, answer_loss = step_loss(ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        now = answer_loss.item()
        running = now if math.isnan(running) else 0.98 * running + 0.02 * now
        if step % 100 == 0:
            print(
                f"step {step} answer loss {running:.4f} {time.monotonic() - started:.0f} s",
                flush=True,
            )
        if step % 1000 == 0:
            save(model, tokenizer, out)


def rate_at(step: int, plan: Plan) -> float:
    """Multiplier of the learning rate: up over the warm-up, then straight down to nothing."""
    return min((step + 1) / plan.warmup, (plan.steps - step) / (plan.steps - plan.warmup))


def batches(
    tokenizer: PreTrainedTokenizerFast, plan: Plan
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Packed rows without padding: 256 tokens each, 1,024 in the last steps."""
    stream = weighted_tokens(tokenizer, plan)
    for step in range(plan.steps):
        width = 1024 if step >= plan.steps * (1 - plan.long_share) else 256
        rows = plan.tokens_a_step // width
        need = rows * (width + 1)
        pairs = np.array(list(itertools.islice(stream, need)), dtype=np.float32)
        ids = torch.from_numpy(pairs[:, 0].astype(np.int64)).view(rows, width + 1)
        yield ids, torch.from_numpy(pairs[:, 1].copy()).view(rows, width + 1)


def weighted_tokens(tokenizer: PreTrainedTokenizerFast, plan: Plan) -> Iterator[tuple[int, float]]:
    """Token ids and their loss weights. Answers weigh most: noise of a message is noise."""
    end = tokenizer.eos_token_id
    encode = tokenizer.backend_tokenizer.encode_batch
    docs = documents(plan.seed, 10**9)
    while chunk := list(itertools.islice(docs, 500)):
        turns = [turn for doc in chunk for turn in doc]
        encoded = encode([text for _, text in turns], add_special_tokens=False)
        for (role, _), piece in zip(turns, encoded, strict=True):
            weight = WEIGHTS.get(role, ASKED_WEIGHT)
            if role != "text":
                yield tokenizer.convert_tokens_to_ids(f"<|{role}|>"), 0.0
            for token in piece.ids:
                yield token, weight
            yield end, weight


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """A folder that AutoModelForCausalLM and AutoTokenizer read with no special code."""
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main()
