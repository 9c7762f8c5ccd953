"""Judging against `generate`, and against lm-evaluation-harness where it is installed.

    python bench/evaluation.py WORKSPACE TASK [--rows 96] [--rounds 3] [--sizes 8 32]

The workspace holds the task's splits and a trained adapter (`dvc repro train@TASK`, or a cycle).
Each line is a contender on rows: the adapter on rows that it was trained on (most are right) and on
held-out ones, the base without an adapter by each prompt. Ours is what the evaluate stage does, the
reference's perplexity included; theirs is `generate`, greedy, left-padded batches by length, in the
fastest of the sizes, without a perplexity. By turns, medians of rounds; *same*: answers alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from pawl.core.records import Example, read_rows
from pawl.evaluate.answers import answers
from pawl.evaluate.baselines import baselines, prompt_limit, prompts_of
from pawl.evaluate.undecided import UNDECIDED
from pawl.model.adapter import load_adapter
from pawl.model.base import dequantised, find_base, load_base
from pawl.model.prompt import completion_tokens, prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.workspace.paths import Workspace


def main() -> None:
    """Print a line a contender."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("workspace", type=Path)
    parser.add_argument("task")
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 32])
    given = parser.parse_args()
    workspace = Workspace(given.workspace.resolve())
    section, files = workspace.task(given.task), workspace.files(given.task)
    folder = find_base(section.base, workspace.root)
    tokenizer: Any = load_tokenizer(folder)
    model: Any = load_adapter(dequantised(load_base(folder)), files.adapter, name="candidate")
    train, held = (
        [row for name in names for row in read_rows(files.splits / f"{name}.jsonl")][: given.rows]
        for names in (["train"], ["gate", "dev"])
    )
    prompted, _ = baselines(
        read_rows(files.splits / "train.jsonl"),
        held,
        prompts_of(section.evaluate, files),
        tokenizer=tokenizer,
        limit=prompt_limit(folder, section.evaluate),
    )
    metric = section.gate.metric
    print("| contender | rows | right | ours, rows/s | generate, rows/s (size) | ratio | same |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    for name, rows in (("adapter, rows it learned", train), ("adapter, held out", held)):
        asked = Asked(model, tokenizer, [row.messages for row in rows], rows, section.evaluate)
        line(name, asked, given, metric=None)
    with model.disable_adapter():
        for baseline in prompted:
            shown = [baseline.show(row.messages) for row in held]
            asked = Asked(model, tokenizer, shown, held, section.evaluate)
            line(baseline.name, asked, given, metric=None)
            if metric in UNDECIDED:
                line(f"{baseline.name}, judged by {metric}", asked, given, metric=metric)


class Asked:
    """Prompts, their references, and who is asked."""

    def __init__(
        self, model: Any, tokenizer: Any, chats: Sequence[Any], rows: Sequence[Example], policy: Any
    ) -> None:
        self.model, self.tokenizer, self.policy = model, tokenizer, policy
        self.rows = rows
        self.prompts = [prompt_tokens(tokenizer, chat) for chat in chats]
        self.drafts = [completion_tokens(tokenizer, row.completion) for row in rows]

    def ours(self, metric: str | None) -> list[str]:
        may = UNDECIDED[metric] if metric else None
        found = answers(
            self.model, self.tokenizer, self.prompts, self.drafts, self.policy, timed=False,
            undecided=may and (lambda i, text: may(text, self.rows[i].completion)), label=None,
        )  # fmt: skip
        return [one.answer.text for one in found]

    def generate(self, size: int) -> list[str]:
        """transformers' own greedy search, left-padded batches by length."""
        order = sorted(range(len(self.prompts)), key=lambda i: len(self.prompts[i]))
        found: dict[int, str] = {}
        pad = int(self.tokenizer.pad_token_id)
        for start in range(0, len(order), size):
            part = order[start : start + size]
            longest = max(len(self.prompts[i]) for i in part)
            ids = torch.tensor(
                [[pad] * (longest - len(self.prompts[i])) + self.prompts[i] for i in part]
            )
            mask = torch.tensor(
                [[0] * (longest - len(self.prompts[i])) + [1] * len(self.prompts[i]) for i in part]
            )
            with torch.inference_mode():
                out = self.model.generate(
                    input_ids=ids.to(self.model.device), attention_mask=mask.to(self.model.device),
                    max_new_tokens=self.policy.max_new_tokens, do_sample=False, pad_token_id=pad,
                )  # fmt: skip
            for i, tokens in zip(part, out[:, longest:].tolist(), strict=True):
                found[i] = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return [found[i] for i in range(len(self.prompts))]


def line(name: str, asked: Asked, given: argparse.Namespace, *, metric: str | None) -> None:
    """Time both by turns and print their line."""
    best = min(given.sizes, key=lambda size: timed(lambda: asked.generate(size))[0])
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(given.rounds):
        seconds, ours = timed(lambda: asked.ours(metric))
        mine.append(seconds)
        seconds, plain = timed(lambda: asked.generate(best))
        theirs.append(seconds)
    count = len(asked.rows)
    right = sum(
        text.strip() == row.completion.strip() for text, row in zip(plain, asked.rows, strict=True)
    )
    same = sum(
        a == b if metric is None else b.startswith(a.rstrip("\ufffd"))
        for a, b in zip(ours, plain, strict=True)
    )
    ratios = sorted(b / a for a, b in zip(mine, theirs, strict=True))
    print(
        f"| {name} | {count} | {right / count:.0%} | {count / statistics.median(mine):.1f} "
        f"| {count / statistics.median(theirs):.1f} ({best}) "
        f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {same} |",
        flush=True,
    )


def timed(run: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Seconds that it took, and what it returned."""
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    main()
