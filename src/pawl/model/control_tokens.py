"""Control tokens (`<|im_end|>`, `<s>`): a prompt's template writes them, a row's text never does.

A row that holds one would end a turn or forge another's. So where a text holds one, the prompt is
read by a copy of the tokenizer that knows its control tokens by other names, which no text can
guess: what the template wrote has them, what the row wrote is plain text to the copy. All other
texts go through the tokenizer itself.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pawl.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ControlTokens:
    """The control tokens of a tokenizer: those that it calls special, and those in `turns`.

    Args:
        turns: the text of some turns as the chat template writes them. Some bases (DeepSeek) do not
            call the tokens around a turn special.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, turns: str) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.values()
        texts = {
            token.content
            for token in added
            # Gemma has added tokens of line ends alone, which templates write as text.
            if (token.special or token.content in turns) and not token.content.isspace()
        }
        # The longest first, as the tokenizer finds them.
        ordered = sorted(texts, key=lambda text: (-len(text), text))
        self._pattern = re.compile("|".join(map(re.escape, ordered)) if ordered else r"(?!)")
        self._texts = ordered
        # Digits, so that no template's filter for upper or lower case changes them.
        self._key = str(secrets.randbelow(10**18)).zfill(18)
        self._normalises = any(token.normalized for token in added if token.content in texts)

    def found(self, text: str) -> tuple[str, ...]:
        """The control tokens that a text holds, each once."""
        held = dict.fromkeys(self._pattern.findall(text))
        if self._normalises and (normalizer := self._backend.normalizer) is not None:
            held |= dict.fromkeys(self._pattern.findall(normalizer.normalize_str(text)))
        return tuple(held)

    def hide(self, text: str) -> str:
        """The text with other characters in place of its control tokens, for a template."""
        number = {token: i for i, token in enumerate(self._texts)}
        return self._pattern.sub(lambda found: self._hidden(number[found[0]]), text)

    def ids(self, text: str) -> list[int]:
        """Token ids of a text whose control tokens are its own, but for those that are hidden."""
        copy, own = self._renamed
        named = self._pattern.sub(lambda found: self._name(found[0]), text)
        wanted = sum(token in self._controls.values() for token in self._pattern.findall(text))
        for i, token in enumerate(self._texts):
            named = named.replace(self._hidden(i), token)
        ids = [own.get(i, i) for i in copy.encode(named, add_special_tokens=False).ids]
        read = sum(i in self._controls for i in ids)
        # More than the template wrote, or a template changed what it was given.
        if self._key in self._tokenizer.decode(ids) or read != wanted:
            raise DataError(
                "a text that holds a control token cannot be read as plain text by this base's "
                "tokenizer",
                rule="what a row says is never read as the end of a turn or the start of another",
                remedy="take the row out, or the control token out of its text",
            )
        return ids

    @cached_property
    def _controls(self) -> dict[int, str]:
        """Those by id that no text comes to: without the one for what the vocabulary lacks."""
        unknown = (self._tokenizer.unk_token, getattr(self._backend.model, "unk_token", None))
        return {self._backend.token_to_id(t): t for t in self._texts if t not in unknown}

    @cached_property
    def _renamed(self) -> tuple[Any, dict[int, int]]:
        """The copy, and the tokenizer's ids of the copy's added tokens by the copy's own."""
        from tokenizers import Tokenizer

        value = json.loads(self._backend.to_str())
        for token in value["added_tokens"]:
            if token["content"] in self._texts:
                token |= {"content": self._name(token["content"]), "normalized": False}
        copy = Tokenizer.from_str(json.dumps(value))
        copy.no_truncation()
        copy.no_padding()
        ids: Any = {copy.token_to_id(t["content"]): t["id"] for t in value["added_tokens"]}
        return copy, ids

    @property
    def _backend(self) -> Any:
        return self._tokenizer.backend_tokenizer

    def _name(self, token: str) -> str:
        return f"\ue000{self._key}.{self._texts.index(token)}\ue001"

    def _hidden(self, number: int) -> str:
        return f"\ue000{self._key}:{number}\ue001"


def any_found(control: ControlTokens, texts: Sequence[str]) -> bool:
    """Whether one of the texts holds a control token."""
    return any(map(control.found, texts))
