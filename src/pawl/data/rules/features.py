"""Prompts as sparse feature vectors: words, and number shapes (order numbers, dates)."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pawl.data.rules.fields import TOKEN

# The number of word and bigram features, and of number shapes.
WORDS, SHAPES = 1500, 50
# Maximum and minimum document frequency: a share of the prompts, and a count.
MAX_DF, MIN_DF = 0.5, 3
LETTER = re.compile(r"[^\W\d_]")
# Punctuation to strip from around a number.
PUNCTUATION = string.punctuation.replace("#", "")


def features(prompts: Sequence[str]) -> Any:
    """Return TF-IDF of words and bigrams, number shapes, a constant: sparse, (rows, features).

    The prompts are normalised. Of words with the same occurrences, as in a template, only one is a
    feature.
    """
    import numpy as np
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    shapes = [re.sub(r"\d", "0", prompt) for prompt in prompts]
    # Binary, not TF-IDF: beside dozens of words a number would have little weight.
    numbers = CountVectorizer(
        analyzer=_number_shapes, min_df=min(MIN_DF, len(prompts)), max_features=SHAPES, binary=True
    ).fit_transform(shapes)
    counts = CountVectorizer(analyzer=_unigrams_and_bigrams).fit_transform(shapes).tocsc()
    frequency = np.diff(counts.indptr)
    # Words with the same sum of random row hashes occur in the same rows.
    hashes = np.random.RandomState(0).randint(2**31, size=len(prompts))
    _, first = np.unique(hashes @ (counts > 0), return_index=True)
    first = first[(frequency[first] >= MIN_DF) & (frequency[first] <= MAX_DF * len(prompts))]
    chosen = np.sort(first[np.argsort(-frequency[first], kind="stable")][:WORDS])
    parts = [numbers]
    if len(chosen):
        parts.append(TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, chosen]))
    return sparse.csr_array(sparse.hstack(parts), dtype=np.float64)


def _unigrams_and_bigrams(shape: str) -> list[str]:
    words = ["", *TOKEN.findall(shape)]
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def _number_shapes(shape: str) -> list[str]:
    """The shapes of words with digits, such as `aa-00000` and `#000`; "" is the constant."""
    found = (word.strip(PUNCTUATION) for word in shape.split() if "0" in word)
    return ["", *(LETTER.sub("a", word) for word in found)]
