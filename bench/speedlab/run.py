"""One training in this process: tokens a second, peak memory, and the loss on held-out rows."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", OMP_WAIT_POLICY="passive", TOKENIZERS_PARALLELISM="false")

import torch

from pawl.config.schema import Train
from pawl.core.records import Choices, Example, Point
from pawl.data.read.row import parse_row
from pawl.model.tokenizer import load_tokenizer
from pawl.train.choices import ROOM
from pawl.train.loop import Loop
from pawl.train.pack import packed
from pawl.train.passes import packed_mode, summed_loss
from pawl.train.qlora import prepared
from pawl.train.rows import Row, token_rows

TINY = Path(__file__).resolve().parents[2] / "base" / "tiny"
PARAMS = Train(rank=16, epochs=1, learning_rate=2e-3, batch_size=16, max_length=512, seed=1)
HELD_OUT = 64
# Steps before the clock starts: the first ones allocate.
WARM = 2
# Where the loss curve is read, in shares of the tokens.
CURVE = (0.25, 0.5, 0.75, 1.0)


class Watch:
    """Told of each step's end: its wall and CPU time, and the held-out loss where it is asked."""

    def __init__(self, loss: Callable[[], float], *, curve: bool) -> None:
        self.times: list[tuple[float, float]] = []
        self.losses: list[float] = []
        self._loss, self._left = loss, list(CURVE if curve else CURVE[-1:])

    def note(self, done: float) -> None:
        """Take the time; `done` is the share of the tokens that are learned."""
        self.times.append((time.perf_counter(), time.process_time()))
        self.peak = peak()
        if self._left and done >= self._left[0] - 1e-6:
            self._left.pop(0)
            self.losses.append(self._loss())

    def speeds(self, tokens: float) -> dict[str, float]:
        """Tokens a second; a share of them was learned while the clock ran."""
        (wall, cpu), (end, cpu_end) = self.times[WARM - 1], self.times[-1]
        timed = tokens * (len(self.times) - WARM) / len(self.times)
        return {"speed": timed / (end - wall), "cpu_speed": timed / (cpu_end - cpu)}


def main() -> None:
    """Print one JSON value, last."""
    case = json.loads(sys.argv[1])
    torch.set_num_threads(case.get("threads", 1))
    with tempfile.TemporaryDirectory() as scratch:
        made = {"tiny": lambda: TINY, "5m": lambda: five_million(Path(scratch))}
        folder = made.get(case["base"], lambda: Path(case["base"]))()
        tokenizer = load_tokenizer(folder)
        examples = readable(Path(case["data"]))
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(3))
        count = case["rows"] + HELD_OUT
        chosen = [examples[i] for i in order[:count].tolist()]
        rows = token_rows(chosen, tokenizer, max_length=PARAMS.max_length)
        held, rows = rows[:HELD_OUT], rows[HELD_OUT:]
        params = dataclasses.replace(
            PARAMS,
            seed=case.get("seed", PARAMS.seed),
            learning_rate=case.get("rate", PARAMS.learning_rate),
            precision=case.get("precision", "bfloat16" if case.get("bf16") else "float32"),
        )
        model = prepared(folder, params, Choices("dense" if case.get("dense", True) else "nf4"))
        train = pawl if case["trainer"] == "pawl" else trl
        if train is trl:
            model.get_base_model().set_attn_implementation(case.get("attention", "sdpa"))
        watch = Watch(lambda: held_out_loss(model, held, case), curve=case.get("curve", False))
        start = train(model, tokenizer, rows, watch, params, case, scratch)
    found = {
        "trainer": case["trainer"],
        **watch.speeds(sum(map(len, rows))),
        "steps": len(watch.times),
        "peak": watch.peak,
        "growth": watch.peak - start,
        "losses": watch.losses,
        "load": os.getloadavg()[0],
    }
    print(json.dumps(found))


def readable(path: Path) -> list[Example]:
    """The file's rows but for those that `pawl check` would name as bad (SNIPS has some that were
    decoded wrongly)."""
    found = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            with suppress(ValueError):
                found.append(parse_row(line, number))
    return found


def held_out_loss(model: Any, rows: list[Row], case: dict[str, Any]) -> float:
    """Nats a completion token, by one measure for both; leaves the model in training."""
    model.eval()
    # Pawl's loop has made the model ready already.
    made = nullcontext() if case["trainer"] == "pawl" else packed_mode(model)
    packs = packed(rows, room=ROOM)
    with made, torch.no_grad():
        total = sum(float(summed_loss(model, pack)) for pack in packs)
    model.train()
    return total / sum(len(pack.targets) for pack in packs)


def peak() -> float:
    """MiB of memory that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pawl(
    model: Any, _tokenizer: Any, rows: list[Row], watch: Watch, params: Train, *_: Any
) -> float:
    """As `pawl.train.training.fit` does, without bar and checkpoints; returns the memory before."""
    loop = Loop(model, rows, params=params, choices=Choices(room=ROOM))
    total, done = sum(map(len, rows)), 0

    def after(point: Point) -> None:
        nonlocal done
        done += point.tokens
        watch.note(done / total)

    start = peak()
    loop.run(after)
    return start


def trl(
    model: Any,
    tokenizer: Any,
    rows: list[Row],
    watch: Watch,
    params: Train,
    case: Any,
    scratch: str,
) -> float:
    """SFTTrainer on the same tokens; as many tokens a step as Pawl's sixteen rows have."""
    from datasets import Dataset
    from transformers import Trainer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class WithoutMetrics(SFTTrainer):  # type: ignore[misc]  # trl ships no types
        """Without entropy and token accuracy, which TRL computes in each step beside the loss."""

        compute_loss = Trainer.compute_loss

    packing, length = case["packing"], case["length"]
    step = sum(map(len, rows)) / len(rows) * params.batch_size
    apart = packing in ("padded", "sorted")
    size = params.batch_size if apart else max(1, round(step / length))
    data = Dataset.from_list(
        [
            {
                "input_ids": list(row.tokens),
                "completion_mask": [0] * row.prompt + [1] * (len(row) - row.prompt),
            }
            for row in rows
        ]
    )

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
            watch.note(state.global_step / state.max_steps)

    chosen: dict[str, Any] = {} if apart else {"packing": True, "packing_strategy": packing}
    if packing == "sorted":
        chosen = {"train_sampling_strategy": "group_by_length"}
    arguments = SFTConfig(
        output_dir=scratch,
        num_train_epochs=1,
        per_device_train_batch_size=size,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.06,
        weight_decay=0.0,
        adam_beta2=0.99,
        seed=params.seed,
        max_length=length,
        completion_only_loss=True,
        # Its default saves memory and costs a third of the speed.
        gradient_checkpointing=False,
        bf16=case.get("bf16", False),
        use_cpu=True,
        save_strategy="no",
        logging_steps=1000,
        report_to=[],
        disable_tqdm=True,
        **chosen,
    )
    start = peak()
    kind = SFTTrainer if case.get("metrics", True) else WithoutMetrics
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.train()
    return start


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
