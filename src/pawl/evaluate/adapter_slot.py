"""A base in memory with its adapters, one of which (or none) is active at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.config.judging import Evaluate
from pawl.core.records import Example, Weights
from pawl.evaluate.answer_cache import cached_or_decoded, contender_key, row_key
from pawl.evaluate.answers import answers
from pawl.evaluate.baselines import Turns
from pawl.evaluate.drafted import Drafted
from pawl.evaluate.grammar import Grammar
from pawl.evaluate.perplexity import general_perplexity
from pawl.evaluate.scoreboard import Reply
from pawl.evaluate.undecided import UNDECIDED
from pawl.model.prompt import answer_text, completion_tokens, prompt_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class AdapterSlot:
    """The loaded base.

    `base` is its digest, `adapters` maps the names of its adapters to their digests, `prompt_limit`
    is the most tokens of a prompt, `cache` the folder of the answer cache (None: decode each time).
    `timed`: the seconds of each row are judged; `weights` is how the base is held. An adapter in
    `prompting` is asked as it was trained, by a tokenizer of its own. `grammar` is that of the
    task's schema, where decoding is held to it.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    policy: Evaluate
    base: str
    adapters: dict[str, str]
    prompt_limit: int
    cache: Path | None
    timed: bool = False
    weights: Weights = "dense"
    prompting: dict[str, PreTrainedTokenizerBase] = field(default_factory=dict)
    grammar: Grammar | None = None

    def holds(self, *, prompted: bool) -> bool:
        """Whether answers are held to the schema: an adapter's, or those of a prompt."""
        return self.grammar is not None and (prompted or self.policy.schema_decoding == "all")

    def replies(
        self,
        show: Callable[[Turns], Turns],
        rows: Sequence[Example],
        *,
        adapter: str | None = None,
        prompted: bool = False,
        judged_by: str | None = None,
        label: str | None,
    ) -> tuple[list[Reply], bool]:
        """Replies to `rows` in their order, and whether the answers came from the cache.

        Args:
            show: makes the prompt's messages from a row's.
            adapter: the name of the active adapter, None for the bare base.
            prompted: the answers are those of a prompt that competes with adapters.
            judged_by: one of the metrics of `UNDECIDED`: an answer is given up where it can no
                longer be right by it; None: all answers are whole.
            label: label of the progress bar; None: no bar.
        """
        tokenizer = self.prompting.get(adapter or "", self.tokenizer)
        prompts = [prompt_tokens(tokenizer, show(row.messages)) for row in rows]
        drafts = [completion_tokens(tokenizer, answer_text(tokenizer, row)) for row in rows]
        digest = self.adapters[adapter] if adapter else None
        grammar = self.grammar if self.holds(prompted=prompted) else None
        key = contender_key(
            self.model,
            self.policy,
            base_digest=self.base,
            adapter_digest=digest,
            judged_by=judged_by,
            weights=self.weights,
            grammar=grammar,
        )
        may = UNDECIDED[judged_by] if judged_by else None

        def decode(places: list[int]) -> list[Drafted]:
            return answers(
                self.model,
                self.tokenizer,
                [prompts[i] for i in places],
                [drafts[i] for i in places],
                self.policy,
                timed=self.timed,
                grammar=grammar,
                undecided=may and (lambda i, text: may(text, rows[places[i]].completion)),
                label=label,
            )

        with self._active(adapter):
            found, cached = cached_or_decoded(
                self.cache, key, list(map(row_key, prompts, drafts)), decode
            )
        replies = [
            Reply(
                one.answer.text,
                one.answer.seconds,
                one.answer.tokens,
                len(prompt),
                one.perplexity,
                one.whole,
            )
            for one, prompt in zip(found, prompts, strict=True)
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
