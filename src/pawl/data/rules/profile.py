"""Profiles of a data set, stored with each version, and the drift between two of them.

A profile holds no rows, no rare words or values, and nothing of rows with a secret.
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
    words = Counter(word for row in sample for word in set(WORD.findall(prompt_text(row))))
    labels = labels_of(row.completion for row in sample)
    return Profile(
        rows=len(prompts),
        prompt=_lengths(prompts),
        completion=_lengths(completions),
        labels={name: _common(shares) for name, shares in labels.items()},
        words=_common({word: count / len(sample) for word, count in words.items()}),
    )


def labels_of(completions: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return each value's share of the rows, of the fields (`scalars_of`) with few short values."""
    rows = [scalars_of(completion) for completion in completions]
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for scalars in rows:
        for name, value in scalars.items():
            counts[name][value] += 1
    return {
        name: _shares(found, of=len(rows))
        for name, found in sorted(counts.items())
        # A field whose values are nearly all distinct copies something from the prompt.
        if len(found) <= min(MOST_LABELS, max(2, len(rows) // 5))
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
    """Return the drift between two data sets.

    Lengths by the Kolmogorov-Smirnov distance, labels by total variation distance, vocabulary by
    the average share of a prompt's common words that are new.
    """
    names = sorted(now.labels.keys() | before.labels.keys())
    return (
        _length("prompt", now.prompt, before.prompt),
        _length("completion", now.completion, before.completion),
        *(_labels(name, now.labels.get(name, {}), before.labels.get(name, {})) for name in names),
        _vocabulary(now.words, before.words),
    )


def _length(name: str, now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    edges = sorted({*map(float, now), *map(float, before)})
    gap = new = old = 0.0
    for edge in edges:
        new, old = new + now.get(_name(edge), 0.0), old + before.get(_name(edge), 0.0)
        gap = max(gap, abs(new - old))
    text = f"half of the {name}s had {_median(before)} characters or more, now {_median(now)}"
    return Drift(f"{name} length", round(gap, 4), text)


def _labels(name: str, now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    changes = {v: now.get(v, 0.0) - before.get(v, 0.0) for v in now.keys() | before.keys()}
    value = min(1.0, sum(map(abs, changes.values())) / 2)
    new = sorted(now.keys() - before.keys(), key=lambda v: -now[v])
    most = max(changes, key=lambda v: (abs(changes[v]), v), default=None)
    texts = []
    if not before or not now:
        texts.append(f"no closed set of values {'before' if not before else 'now'}")
    elif new:
        texts.append(f"new: {', '.join(f'{v} ({now[v]:.1%})' for v in new[:SHOWN])}")
    if most is not None and before and now:
        was, share = before.get(most, 0), now.get(most, 0)
        texts.append(f"most changed: {most}, {was:.1%} before, {share:.1%} now")
    return Drift(f"labels of {name}", round(value, 4), "; ".join(texts))


def _vocabulary(now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    new = sorted(now.keys() - before.keys(), key=lambda word: (-now[word], word))
    total = sum(now.values())
    value = sum(now[word] for word in new) / total if total else 0.0
    shown = ", ".join(f"{word} ({now[word]:.1%} of rows)" for word in new[:SHOWN])
    return Drift("vocabulary", round(value, 4), f"new common words: {shown or 'none'}")


def _lengths(lengths: Sequence[int]) -> dict[str, float]:
    """Return the share of lengths in each bin, by its lower edge; BINS divide a power of two."""
    bins: Counter[str] = Counter()
    for length, count in Counter(lengths).items():
        power = 2 ** (max(length, 1).bit_length() - 1)
        bins[_name(power * max(1.0, int((length / power - 1) * BINS) / BINS + 1))] += count
    return _shares(bins)


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
