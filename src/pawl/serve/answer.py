"""An answer as it grows: its tokens become text, piece by piece, up to a stop text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What the beginning of a letter of several bytes is decoded to, while its end is missing.
HALF = "\ufffd"


class Answer:
    """The text of one answer, and how much of it was taken already.

    Joined, the pieces are the whole text: what may still become another letter, or part of a stop
    text, waits.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[str]) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        # Such a tokenizer changes what stands before when more comes.
        self._steady = not getattr(tokenizer, "clean_up_tokenization_spaces", False)
        self.text, self.tokens, self.stopped = "", 0, False
        self._taken = 0

    def grow(self, tokens: Sequence[int], *, ended: bool) -> str:
        """The next piece of the text, given all tokens so far; `stopped` where a stop text came."""
        if self.stopped:
            return ""
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        self.text, self.tokens = text, len(tokens)
        at = min((place for stop in self._stops if (place := text.find(stop)) >= 0), default=-1)
        if at >= 0:
            self.text, self.stopped = text[:at], True
            return self._piece(at)
        if ended:
            return self._piece(len(text))
        return self._piece(self._certain(text)) if self._steady else ""

    def _piece(self, end: int) -> str:
        piece = self.text[self._taken : end]
        self._taken = max(self._taken, end)
        return piece

    def _certain(self, text: str) -> int:
        """Up to where the text stays as it is, whatever comes."""
        end = len(text.rstrip(HALF))
        for stop in self._stops:
            for length in range(min(len(stop) - 1, end), 0, -1):
                if text[:end].endswith(stop[:length]):
                    end -= length
                    break
        return end
