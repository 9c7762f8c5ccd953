"""Profiles of a data set, stored with each version, and the drift between two of them.

A profile holds no rows, no rare words or values, and nothing of rows with a secret: everyone who
may read the release record may read it.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pawl.core.records import Drift, Example, Profile
from pawl.core.row_identity import prompt_text

# Bins per doubling of a length.
BINS = 4
# Longer values are text, not labels; a field with more distinct values is not a closed set.
LONGEST_LABEL, MOST_LABELS = 40, 100
# A word in a smaller share of the rows may be a person's name.
COMMON = 0.005
WORD = re.compile(r"[^\W\d_]{2,}")
SHOWN = 5
# The field name of a completion that is not a JSON object.
WHOLE = "completion"


def profile_of(
    prompts: Sequence[int], completions: Sequence[int], sample: Sequence[Example]
) -> Profile:
    """Return a profile: lengths of all rows, in characters; words and labels of the sample."""
    counts = Counter(word for row in sample for word in set(WORD.findall(prompt_text(row))))
    words = {word: count / len(sample) for word, count in counts.items()}
    labels = labels_of(row.completion for row in sample)
    return Profile(
        rows=len(prompts),
        prompt=_lengths(prompts),
        completion=_lengths(completions),
        labels={name: _common(shares) for name, shares in labels.items()},
        words=_common(words),
    )


def labels_of(completions: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return the fields with a closed set of short values, and each value's share of the rows.

    The fields are a JSON object's scalar ones; any other completion is a single field.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows = 0
    for completion in completions:
        rows += 1
        for name, value in scalars_of(completion).items():
            counts[name][value] += 1
    return {
        name: _shares(found, of=rows)
        for name, found in sorted(counts.items())
        # A field whose values are nearly all distinct copies something from the prompt.
        if len(found) <= min(MOST_LABELS, max(2, rows // 5))
        and max(map(len, found)) <= LONGEST_LABEL
    }


def scalars_of(completion: str) -> dict[str, str]:
    """Return the scalar fields of a JSON object, as JSON; else the whole completion as one."""
    try:
        value = json.loads(completion)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return {WHOLE: completion}
    scalars = {name: v for name, v in value.items() if not isinstance(v, dict | list)}
    return {name: json.dumps(v, ensure_ascii=False) for name, v in scalars.items()}


def drift(now: Profile, before: Profile) -> tuple[Drift, ...]:
    """Return the drift between two data sets: lengths, each label field, vocabulary.

    Lengths by the Kolmogorov-Smirnov distance, labels by total variation distance, vocabulary by
    the average share of a prompt's common words that are new.
    """
    drifts = [
        _length("prompt", now.prompt, before.prompt),
        _length("completion", now.completion, before.completion),
    ]
    for name in sorted(now.labels.keys() | before.labels.keys()):
        drifts.append(_labels(name, now.labels.get(name, {}), before.labels.get(name, {})))
    return (*drifts, _vocabulary(now.words, before.words))


def _length(name: str, now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    edges = sorted({*map(float, now), *map(float, before)})
    gap = new = old = 0.0
    for edge in edges:
        new, old = new + now.get(_name(edge), 0.0), old + before.get(_name(edge), 0.0)
        gap = max(gap, abs(new - old))
    text = f"half of the {name}s had {_median(before)} characters or more, now {_median(now)}"
    return Drift(f"{name} length", round(gap, 4), text)


def _labels(name: str, now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    changes = {
        value: now.get(value, 0.0) - before.get(value, 0.0) for value in now.keys() | before.keys()
    }
    value = min(1.0, sum(map(abs, changes.values())) / 2)
    new = sorted(now.keys() - before.keys(), key=lambda v: -now[v])
    most = max(changes, key=lambda v: (abs(changes[v]), v), default=None)
    texts = []
    if not before or not now:
        texts.append(f"no closed set of values {'before' if not before else 'now'}")
    elif new:
        texts.append(f"new: {', '.join(f'{v} ({now[v]:.1%})' for v in new[:SHOWN])}")
    if most is not None and before and now:
        texts.append(
            f"most changed: {most}, {before.get(most, 0):.1%} before, {now.get(most, 0):.1%} now"
        )
    return Drift(f"labels of {name}", round(value, 4), "; ".join(texts))


def _vocabulary(now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    new = sorted(now.keys() - before.keys(), key=lambda word: (-now[word], word))
    total = sum(now.values())
    value = sum(now[word] for word in new) / total if total else 0.0
    shown = ", ".join(f"{word} ({now[word]:.1%} of rows)" for word in new[:SHOWN])
    return Drift("vocabulary", round(value, 4), f"new common words: {shown or 'none'}")


def _lengths(lengths: Sequence[int]) -> dict[str, float]:
    """Return the share of lengths in each bin, by its lower edge."""
    bins: Counter[str] = Counter()
    for length, count in Counter(lengths).items():
        bins[_bin(length)] += count
    return _shares(bins)


def _bin(length: int) -> str:
    """Return the lower edge of a length's bin; BINS bins divide each power of two evenly."""
    power = 2 ** (max(length, 1).bit_length() - 1)
    return _name(power * max(1.0, int((length / power - 1) * BINS) / BINS + 1))


def _name(edge: float) -> str:
    return f"{edge:g}"


def _median(shares: Mapping[str, float]) -> str:
    total = 0.0
    for edge in sorted(map(float, shares), reverse=True):
        total += shares[_name(edge)]
        if total >= 0.5:
            return _name(edge)
    return "0"


def _shares(counts: Mapping[str, int], *, of: int | None = None) -> dict[str, float]:
    rows = of or sum(counts.values())
    return {name: round(count / rows, 6) for name, count in sorted(counts.items())}


def _common(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: share for name, share in sorted(shares.items()) if share >= COMMON}
