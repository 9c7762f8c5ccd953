"""Make a tidy message look typed by a person in a hurry. Labels and meaning stay."""

from __future__ import annotations

import random
import re

TYPO_RATE = 0.05  # of the words in a message that has typos at all
TYPO_WORD = re.compile(r"[a-z]{4,}", re.IGNORECASE | re.ASCII)
EMOJI: tuple[str, ...] = ("🙂", "😞", "😡", "🙏", "😕", "👍", "😅", "🤔")


def roughen(rng: random.Random, text: str) -> str:
    """Add typos, lost punctuation, lower case, a shouted sentence and emoji, each to some."""
    if rng.random() < 0.5:
        text = TYPO_WORD.sub(lambda match: _maybe_typo(rng, match[0]), text)
    if rng.random() < 0.2:
        text = text.replace(",", "").replace("'", "")
    if rng.random() < 0.12:
        text = re.sub(r"[.!](?= |$)", "", text)
    style = rng.random()
    if style < 0.18:
        text = text.lower()
    elif style < 0.24:
        text = _shout(rng, text)
    if rng.random() < 0.1:
        text = f"{text} {rng.choice(EMOJI)}"
    return text


def _shout(rng: random.Random, text: str) -> str:
    """One sentence in capitals: few people hold the key down for a whole letter."""
    sentences = re.split(r"(?<=[.!?]) ", text)
    at = rng.randrange(len(sentences))
    sentences[at] = sentences[at].upper()
    return " ".join(sentences)


def _maybe_typo(rng: random.Random, word: str) -> str:
    if rng.random() >= TYPO_RATE:
        return word
    # The first letter stays, as it mostly does when people mistype.
    at = rng.randint(1, len(word) - 2)
    match rng.randrange(3):
        case 0:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case 1:
            return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]
