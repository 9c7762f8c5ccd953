"""A base with its adapters on it, on which contenders take their seat one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.schema import Evaluate
from pawl.core.records import Example
from pawl.evaluate.answers import answer_key, kept_or
from pawl.evaluate.baselines import Turns
from pawl.evaluate.board import Reply
from pawl.evaluate.decode import greedy
from pawl.evaluate.perplexity import answer_perplexity, general_perplexity
from pawl.model.prompt import prompt_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class AdapterSlot:
    """The loaded base by its digest, and `adapters`: name to digest of those that sit on it.

    `room` is how many tokens a prompt may have. `folder` is where answers are kept, None to decode
    each time.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    policy: Evaluate
    base: str
    adapters: dict[str, str]
    room: int
    folder: Path | None

    def replies(
        self,
        show: Callable[[Turns], Turns],
        rows: Sequence[Example],
        *,
        adapter: str | None = None,
        label: str | None,
    ) -> tuple[list[Reply], bool]:
        """Replies to `rows`, whose messages are shown by `show`; and whether they were kept ones.

        Args:
            adapter: the name of the adapter to wear, None for the bare base.
            label: what the progress bar says; None: there is none.
        """
        prompts = [prompt_tokens(self.tokenizer, show(row.messages)) for row in rows]
        key = answer_key(
            self.model,
            prompts,
            self.policy,
            base_digest=self.base,
            adapter_digest=self.adapters[adapter] if adapter else None,
        )
        with self._wearing(adapter):
            answers, kept = kept_or(
                self.folder,
                key,
                len(rows),
                lambda: greedy(
                    self.model,
                    self.tokenizer,
                    prompts,
                    max_new_tokens=self.policy.max_new_tokens,
                    batch_size=self.policy.batch_size,
                    label=label,
                ),
            )
            perplexities = answer_perplexity(
                self.model, self.tokenizer, prompts, [row.completion for row in rows]
            )
        replies = [
            Reply(answer.text, answer.seconds, answer.tokens, len(prompt), perplexity)
            for answer, prompt, perplexity in zip(answers, prompts, perplexities, strict=True)
        ]
        return replies, kept

    def general(self) -> dict[str, float]:
        """Perplexity of the general text on the bare base (`base`) and with each adapter."""
        found: dict[str, float] = {}
        for name in (None, *self.adapters):
            with self._wearing(name):
                value = general_perplexity(self.model, self.tokenizer)
            if value is not None:
                found[name or "base"] = value
        return found

    def _wearing(self, adapter: str | None) -> AbstractContextManager[Any]:
        if adapter is not None:
            self.model.set_adapter(adapter)
        elif self.adapters:
            context: AbstractContextManager[Any] = self.model.disable_adapter()
            return context
        return nullcontext()
