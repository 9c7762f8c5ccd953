"""A base in memory with its adapters, one of which (or none) is active at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Evaluate
from pawl.core.records import Example, Weights
from pawl.evaluate.answer_cache import answer_key, cached_or_decoded
from pawl.evaluate.baselines import Turns
from pawl.evaluate.decode import greedy
from pawl.evaluate.perplexity import answer_perplexity, general_perplexity
from pawl.evaluate.scoreboard import Reply
from pawl.model.cached_batches import sharing
from pawl.model.prompt import completion_tokens, prompt_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class AdapterSlot:
    """The loaded base.

    `base` is its digest, `adapters` maps the names of its adapters to their digests, `prompt_limit`
    is the most tokens of a prompt, `cache` the folder of the answer cache (None: decode each time).
    An adapter in `prompting` is asked as it was trained, by a tokenizer of its own.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    policy: Evaluate
    base: str
    adapters: dict[str, str]
    prompt_limit: int
    cache: Path | None
    weights: Weights = "dense"
    prompting: dict[str, PreTrainedTokenizerBase] = field(default_factory=dict)

    def replies(
        self,
        show: Callable[[Turns], Turns],
        rows: Sequence[Example],
        *,
        adapter: str | None = None,
        label: str | None,
    ) -> tuple[list[Reply], bool]:
        """Replies to `rows` in their order, and whether the answers came from the cache.

        Args:
            show: makes the prompt's messages from a row's.
            adapter: the name of the active adapter, None for the bare base.
            label: label of the progress bar; None: no bar.
        """
        tokenizer = self.prompting.get(adapter or "", self.tokenizer)
        prompts = [prompt_tokens(tokenizer, show(row.messages)) for row in rows]
        key = answer_key(
            self.model,
            prompts,
            self.policy,
            base_digest=self.base,
            adapter_digest=self.adapters[adapter] if adapter else None,
            weights=self.weights,
        )
        references = [row.completion for row in rows]
        longest = max((len(completion_tokens(self.tokenizer, r)) for r in references), default=0)
        with self._active(adapter):
            share = sharing(
                self.model,
                prompts,
                pad=int(self.tokenizer.pad_token_id),
                more=max(longest, self.policy.max_new_tokens),
            )
            answers, cached = cached_or_decoded(
                self.cache,
                key,
                len(rows),
                lambda: greedy(
                    self.model,
                    self.tokenizer,
                    prompts,
                    max_new_tokens=self.policy.max_new_tokens,
                    batch_size=self.policy.batch_size,
                    label=label,
                    share=share,
                ),
            )
            perplexities = answer_perplexity(
                self.model, self.tokenizer, prompts, references, share=share
            )
        replies = [
            Reply(answer.text, answer.seconds, answer.tokens, len(prompt), perplexity)
            for answer, prompt, perplexity in zip(answers, prompts, perplexities, strict=True)
        ]
        return replies, cached

    def general_perplexities(self) -> dict[str, float]:
        """Perplexity of the general text on the bare base (`base`) and with each adapter."""
        perplexities: dict[str, float] = {}
        for name in (None, *self.adapters):
            with self._active(name):
                value = general_perplexity(self.model, self.tokenizer)
            if value is not None:
                perplexities[name or "base"] = value
        return perplexities

    def _active(self, adapter: str | None) -> AbstractContextManager[Any]:
        """Activate this adapter alone; None: the bare base."""
        if adapter is not None:
            self.model.set_adapter(adapter)
        elif self.adapters:
            context: AbstractContextManager[Any] = self.model.disable_adapter()
            return context
        return nullcontext()
