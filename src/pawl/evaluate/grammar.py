"""Answers that a JSON Schema allows: decoding in which nothing else can be written (ADR 46).

A base that is only prompted fails by form where a schema would have held it: a stray word before
the brace, a label that is none. Whoever would rather prompt than train has such decoding at hand,
so the baselines that an adapter must beat have it too (`evaluate.schema_decoding`).

The likeliest token is taken wherever the grammar allows it, and else the likeliest that it allows;
that is greedy decoding over the allowed ones, and a mask is only made where it decides something.
llguidance reads the schema and refuses each keyword that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.config.judging import Evaluate
from pawl.core.files import digest_json
from pawl.core.jsonio import parse_constants
from pawl.core.records import Example
from pawl.core.records.io import read_value
from pawl.errors import BaseError, DataError, ParamsError
from pawl.model.prompt import answer_text, completion_tokens
from pawl.model.tokenizer import end_tokens
from pawl.workspace.paths import TaskFiles

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

KEY = "evaluate.schema_decoding"
# Between the parts of a JSON value: a blank, or a line's end with what indents the next. As many as
# a model likes would be written until its tokens are spent.
BLANKS = r"[ ]|\r?\n[ \t]{0,64}"
OPTIONS = {"whitespace_pattern": BLANKS, "json_allow_general_unicode_escapes": True}
# Some tokenizers begin each text with a blank.
GRAMMAR = 'start: LEAD? answer\nLEAD: " "\nanswer: %json '
# The share of the rows' answers that a grammar may refuse: an odd escape, say.
ODD = 0.01


@dataclass(frozen=True)
class Grammar:
    """What an answer may be, in a tokenizer's tokens; `ends` end one."""

    matcher: Any
    ends: frozenset[int]
    digest: str

    def begin(self) -> Writing:
        """An answer of which nothing is written yet."""
        return Writing(self.matcher.deep_copy(), self.ends)

    def allows(self, tokens: Sequence[int]) -> bool:
        """Whether a whole answer, end token included, may be written so."""
        matcher, said = self.matcher.deep_copy(), [t for t in tokens if t not in self.ends]
        return matcher.try_consume_tokens(said) == len(said) and bool(matcher.is_accepting())


@dataclass
class Writing:
    """An answer while it is written."""

    matcher: Any
    ends: frozenset[int]

    def take(self, logits: torch.Tensor, best: int) -> int:
        """The likeliest token that may come next, which is then written.

        Args:
            logits: of the next token, [words].
            best: the likeliest of all.
        """
        token = best if self._may(best) else self._likeliest(logits)
        if token not in self.ends and not self.matcher.consume_token(token):
            raise _stuck(self.matcher)
        return token

    def _may(self, token: int) -> bool:
        if token in self.ends:
            return bool(self.matcher.is_accepting())
        return bool(self.matcher.validate_tokens([token]) == 1)

    def _likeliest(self, logits: torch.Tensor) -> int:
        import torch

        mask = torch.frombuffer(bytearray(self.matcher.compute_bitmask()), dtype=torch.uint8)
        allowed = (mask[:, None] >> torch.arange(8, dtype=torch.uint8) & 1).bool().flatten()
        allowed = allowed[: len(logits)]
        allowed[list(self.ends)] = bool(self.matcher.is_accepting())
        if self.matcher.is_error() or not allowed.any():
            raise _stuck(self.matcher)
        return int(logits.masked_fill(~allowed.to(logits.device), -torch.inf).argmax())


def grammar(
    schema: Any, tokenizer: PreTrainedTokenizerBase, *, ends: Iterable[int], words: int = 0
) -> Grammar:
    """The grammar of a JSON Schema's values.

    Args:
        ends: the tokens that end an answer.
        words: how many logits the base has, if that is more than its tokenizer's words.

    Raises:
        ParamsError: the schema has what decoding cannot be held to.
        BaseError: the base's tokenizer does not show its words.
    """
    import llguidance
    from llguidance.hf import from_tokenizer

    ends = frozenset(ends)
    try:
        shown = from_tokenizer(
            tokenizer,
            n_vocab=max(words, len(tokenizer)),
            eos_token=sorted(ends),
        )
    except Exception as error:
        raise BaseError(
            f"the words of the base's tokenizer, a {type(tokenizer).__name__}, cannot be read: "
            f"{' '.join(str(error).split())[:200]}",
            rule="decoding that is held to a schema knows each token's text",
            remedy=f"set `{KEY}: none`, or name a base with a tokenizer.json",
        ) from error
    found = {**(schema if isinstance(schema, dict) else _plain(schema)), "x-guidance": OPTIONS}
    text = GRAMMAR + json.dumps(found)
    matcher = llguidance.LLMatcher(shown, text, log_level=0)
    if matcher.is_error():
        raise ParamsError(
            f"decoding cannot be held to the task's schema: {_reason(matcher.get_error())}",
            rule="what an answer may be is known token by token; keywords that need the whole "
            "answer, or that llguidance does not know, are none of that",
            remedy=f"leave that out of the schema, or set `{KEY}: none`: answers are judged by the "
            "whole schema all the same (`schema_valid`)",
        )
    return Grammar(matcher, ends, digest_json([llguidance.__version__, text]))


def held_schema(files: TaskFiles) -> Any:
    """The schema that decoding is held to, in its own order, as the stage `inputs` left it."""
    text = read_value(files.scoring_inputs).get("held", {}).get("schema")
    return None if text is None else parse_constants(text)


def grammar_for(
    policy: Evaluate, schema: Any, model: Any, tokenizer: PreTrainedTokenizerBase
) -> Grammar | None:
    """The grammar by which contenders on a base are held; None where none is."""
    if policy.schema_decoding == "none" or schema is None:
        return None
    ends, words = end_tokens(model, tokenizer), int(model.config.get_text_config().vocab_size)
    return grammar(schema, tokenizer, ends=ends, words=words)


def refuse_unwritable(
    schema: Any, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Example]
) -> None:
    """Raise where right answers, those of these rows, could not be written.

    Raises:
        ParamsError: the schema has what decoding cannot be held to, or more than a few of them
            could not be written.
    """
    found = grammar(schema, tokenizer, ends={int(tokenizer.eos_token_id)})
    refused = [
        row
        for row in rows
        if not found.allows(completion_tokens(tokenizer, answer_text(tokenizer, row).strip()))
    ]
    if len(refused) > ODD * len(rows):
        raise ParamsError(
            f"decoding that is held to the task's schema could not write {len(refused):,} of "
            f"{len(rows):,} rows' answers, first that of row '{refused[0].id}'",
            rule="an answer satisfies the schema, and its fields come in the order in which the "
            "schema has them (those that it does not name last), with at most a blank or a new "
            "line between the parts",
            remedy="give the schema's `properties` the order that the answers have (`pawl check` "
            f"names answers that violate it), or set `{KEY}: none`",
        )


def _plain(schema: Any) -> dict[str, Any]:
    """A schema that is no object as one: `true` allows everything, `false` nothing."""
    return {} if schema else {"enum": []}


def _reason(error: str) -> str:
    """What the library says, without the grammar's text."""
    first = error.strip().split("\n   1 | ")[0]
    return " ".join(re.sub(r"^at \d+\(\d+\): failed to compile JSON schema: ", "", first).split())


def _stuck(matcher: Any) -> DataError:
    return DataError(
        "decoding that is held to the task's schema came to an end: "
        f"{_reason(matcher.get_error()) or 'no token may come next'}",
        rule="while an answer is written, some token may come next",
        remedy=f"make the schema smaller, or set `{KEY}: none`",
    )
