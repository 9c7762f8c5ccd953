"""Prompts as numbers: what words stand in them, and what looks like an order number or a date."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pawl.data.rules.fields import tokens

# How many words and pairs of words tell prompts apart, and how many shapes of numbers.
WORDS, SHAPES = 1500, 50
# Words of more than this share of the prompts are frame; those of fewer prompts than this, chance.
EVERYWHERE, SELDOM = 0.5, 3
LETTER = re.compile(r"[^\W\d_]")
# Marks around a number that are none of its own.
MARKS = string.punctuation.replace("#", "")


def features(prompts: Sequence[str]) -> Any:
    """TF-IDF of words and pairs of words, shapes of numbers, a constant: a sparse (rows, n).

    Of words that always come together, as in a template, one counts.

    Args:
        prompts: normalised texts.
    """
    import numpy as np
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    shapes = [re.sub(r"\d", "0", prompt) for prompt in prompts]
    # Beside dozens of words a number would hardly be seen: each counts in full.
    numbers = CountVectorizer(
        analyzer=_numbers, min_df=min(SELDOM, len(prompts)), max_features=SHAPES, binary=True
    ).fit_transform(shapes)
    counts = CountVectorizer(analyzer=_words).fit_transform(shapes).tocsc()
    often = np.diff(counts.indptr)
    # Words with the same sum of their rows' marks stand in the same rows.
    marks = np.random.RandomState(0).randint(2**31, size=len(prompts))
    _, first = np.unique(marks @ (counts > 0), return_index=True)
    first = first[(often[first] >= SELDOM) & (often[first] <= EVERYWHERE * len(prompts))]
    kept = np.sort(first[np.argsort(-often[first], kind="stable")][:WORDS])
    parts = [numbers]
    if len(kept):
        parts.append(TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, kept]))
    return sparse.csr_array(sparse.hstack(parts), dtype=np.float64)


def _words(shape: str) -> list[str]:
    words = ["", *tokens(shape)]
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def _numbers(shape: str) -> list[str]:
    """What stands between blanks and has digits, such as `aa-00000` and `#000`; "" is in all."""
    found = (word.strip(MARKS) for word in shape.split() if "0" in word)
    return ["", *(LETTER.sub("a", word) for word in found)]
