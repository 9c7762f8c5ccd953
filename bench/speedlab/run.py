"""One training in this process: tokens a second, peak memory, and the loss on held-out rows."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", OMP_WAIT_POLICY="passive", TOKENIZERS_PARALLELISM="false")

import torch

from pawl.base import load_base, load_tokenizer
from pawl.data.read import parse_row
from pawl.params import Train
from pawl.prompt import completion_tokens, prompt_tokens
from pawl.train.choices import ROOM, Choices
from pawl.train.loop import Loop, Point
from pawl.train.measure import mean_loss
from pawl.train.qlora import adapted
from pawl.train.rows import Row, token_rows

TINY = Path(__file__).resolve().parents[2] / "base" / "tiny"
PARAMS = Train(rank=16, epochs=1, learning_rate=2e-3, batch_size=16, max_length=512, seed=1)
HELD_OUT = 64
# Steps before the clock starts: the first ones allocate.
WARM = 2


def main() -> None:
    """Print one JSON value, last."""
    case = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        folder = TINY if case["base"] == "tiny" else five_million(Path(scratch))
        tokenizer = load_tokenizer(folder)
        count = case["rows"] + HELD_OUT
        with Path(case["data"]).open("rb") as file:
            examples = [parse_row(line, n) for n, line in enumerate(file, start=1)]
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(3))
        examples = [examples[i] for i in order[:count].tolist()]
        rows = token_rows(examples, tokenizer, max_length=PARAMS.max_length)
        model = adapted(load_base(folder, seed=PARAMS.seed), PARAMS)
        train = pawl if case["trainer"] == "pawl" else trl
        found = train(model, tokenizer, rows[HELD_OUT:], examples[HELD_OUT:], case, scratch)
        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["loss"] = mean_loss(model, rows[:HELD_OUT], room=ROOM)
    print(json.dumps({"trainer": case["trainer"], **found}))


def pawl(model: Any, _tokenizer: Any, rows: list[Row], *_: Any) -> dict[str, float]:
    """As `pawl.train.qlora.fit` does, without bar and checkpoints."""
    loop = Loop(model, rows, params=PARAMS, choices=Choices(room=ROOM))
    times: list[tuple[float, int]] = []

    def after(point: Point) -> None:
        times.append((time.perf_counter(), point.tokens))

    loop.run(after)
    tokens = sum(count for _, count in times[WARM:])
    return {"speed": tokens / (times[-1][0] - times[WARM - 1][0]), "steps": loop.steps}


def trl(
    model: Any, tokenizer: Any, rows: list[Row], examples: list[Any], case: Any, scratch: str
) -> dict[str, float]:
    """SFTTrainer on the same tokens; as many tokens a step as Pawl's sixteen rows have."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    total = sum(map(len, rows))
    packing, length = case["packing"], case["length"]
    step = total / len(rows) * PARAMS.batch_size
    size = PARAMS.batch_size if packing == "none" else max(1, round(step / length))
    data = Dataset.from_list(
        [
            {
                "input_ids": prompt_tokens(tokenizer, e.messages)
                + completion_tokens(tokenizer, e.completion),
                "completion_mask": [0] * row.prompt + [1] * (len(row) - row.prompt),
            }
            for e, row in zip(examples, rows, strict=True)
        ]
    )
    times: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    packs = {} if packing == "none" else {"packing": True, "packing_strategy": packing}
    arguments = SFTConfig(
        output_dir=scratch,
        num_train_epochs=1,
        per_device_train_batch_size=size,
        learning_rate=PARAMS.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.06,
        weight_decay=0.0,
        adam_beta2=0.99,
        seed=PARAMS.seed,
        max_length=length,
        completion_only_loss=True,
        # Its default saves memory and costs a third of the speed.
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        save_strategy="no",
        logging_steps=1000,
        report_to=[],
        disable_tqdm=True,
        **packs,
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.train()
    share = (len(times) - WARM) / len(times)
    return {"speed": share * total / (times[-1] - times[WARM - 1]), "steps": len(times)}


def five_million(scratch: Path) -> Path:
    """A Llama of five million random weights with the tiny base's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_tokenizer(TINY)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    folder = scratch / "base"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
