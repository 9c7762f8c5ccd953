"""Contenders on other bases and on servers, or kept of one: they need not be beaten.

Does the small tuned model match the large prompted one? They answer the same rows in the same run,
with the task's long prompt if it has one, else with the row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.judging import Evaluate
from pawl.core.records import Example
from pawl.evaluate.adapter_slot import AdapterSlot
from pawl.evaluate.baselines import Turns, longest_prompt, prompt_limit
from pawl.evaluate.endpoint import UnansweredError, chat_completions
from pawl.evaluate.grammar import grammar_for
from pawl.evaluate.judging import asked_of, judged_model, judging
from pawl.evaluate.scoreboard import Reply, Scoreboard
from pawl.model.base import base_info, find_base
from pawl.model.device import here
from pawl.model.prompt import answer_text, prompt_tokens, with_instruction
from pawl.model.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def score_bases(
    board: Scoreboard,
    policy: Evaluate,
    rows: Sequence[Example],
    *,
    instruction: str,
    schema: Any,
    root: Path,
    cache: Path | None,
) -> dict[str, str]:
    """Score each of `evaluate.bases` on the gate rows; return why any was skipped, by name.

    Call when nothing else is loaded: one base at a time is in memory.

    Raises:
        BaseError: a base is absent or incomplete.
    """
    skipped: dict[str, str] = {}
    show = _prompted(instruction)
    for name, base in policy.bases.items():
        folder = find_base(base, root)
        tokenizer, limit = load_tokenizer(folder, base), prompt_limit(folder, policy)
        longest = longest_prompt(show, rows, tokenizer)
        if longest > limit:
            skipped[name] = f"its longest prompt has {longest} tokens, {limit} fit"
            continue
        prompts = [prompt_tokens(tokenizer, show(row.messages)) for row in rows]
        references = [answer_text(tokenizer, row) for row in rows]
        held = judging(folder, asked_of([prompts], references, policy, tokenizer), here())
        if not held.fits:
            skipped[name] = held.says()
            continue
        model: Any = judged_model(folder, held).eval()
        loaded = AdapterSlot(
            model=model,
            tokenizer=tokenizer,
            policy=policy,
            base=base_info(base, root).digest,
            adapters={},
            prompt_limit=limit,
            cache=cache,
            weights=held.weights,
            grammar=grammar_for(policy, schema, model, tokenizer),
        )
        replies, cached = loaded.replies(show, rows, prompted=True, label=board.bar_label(name))
        board.add(
            *(name, "gate", rows, replies),
            elsewhere=f"base {loaded.base[:12]}",
            by_schema=loaded.holds(prompted=True),
            cached=cached,
        )
    return skipped


def score_endpoints(
    board: Scoreboard,
    policy: Evaluate,
    rows: Sequence[Example],
    *,
    instruction: str,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, str]:
    """Score each of `evaluate.endpoints` on the gate rows; return why any was skipped, by name.

    A server's answers are never cached: nothing proves that the same model would repeat them.
    """
    skipped: dict[str, str] = {}
    for name, endpoint in policy.endpoints.items():
        show = _prompted("" if endpoint.bare else instruction)
        try:
            replies = chat_completions(
                endpoint,
                [show(row.messages) for row in rows],
                max_new_tokens=policy.max_new_tokens,
                tokenizer=tokenizer,
            )
        except UnansweredError as error:
            # A contender that answered only some rows is not scored at all.
            skipped[name] = str(error)
            continue
        where = f"{endpoint.model} at {endpoint.url}"
        board.add(name, "gate", rows, replies, elsewhere=where)
    return skipped


def score_kept(
    board: Scoreboard, kept: Mapping[str, Mapping[str, str]], rows: Sequence[Example]
) -> dict[str, str]:
    """Score answers that were kept, by contender and row key; why any was skipped, by name.

    A server that is gone, such as a tune that its provider ended, is judged by what it said.
    """
    skipped: dict[str, str] = {}
    for name, answers in kept.items():
        if missing := sum(row.key not in answers for row in rows):
            skipped[name] = f"{missing} of {len(rows)} gate rows have no answer that was kept of it"
            continue
        replies = [Reply(answers[row.key], None, None, None) for row in rows]
        board.add(name, "gate", rows, replies, elsewhere="answers that were kept")
    return skipped


def _prompted(instruction: str) -> Callable[[Turns], Turns]:
    """Put the instruction, if there is one, before a row's messages."""
    return lambda turns: with_instruction(turns, instruction) if instruction else turns
