"""A data set in a few numbers, kept with each version, so that the next is held against it.

Neither rows nor rare words and values are in it, and nothing of rows that hold a secret: it may be
read by whoever may read the record of releases.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pawl.core.records import Drift, Example, Profile
from pawl.core.row_identity import prompt_text

# Steps to a doubling: lengths differ by factors.
STEPS = 4
# Longer values are texts and no labels; a field with more of them is no closed set.
LONGEST_LABEL, MOST_LABELS = 40, 100
# What stands in a smaller share of rows may be anybody's name.
COMMON = 0.005
WORD = re.compile(r"[^\W\d_]{2,}")
SHOWN = 5
# The field of a completion that is no JSON object.
WHOLE = "completion"


def profile_of(
    prompts: Sequence[int], completions: Sequence[int], sample: Sequence[Example]
) -> Profile:
    """The profile of some rows: the lengths of all, in characters, and a sample to be told of."""
    held = Counter(word for row in sample for word in set(WORD.findall(prompt_text(row))))
    words = {word: count / len(sample) for word, count in held.items()}
    labels = labels_of(row.completion for row in sample)
    return Profile(
        rows=len(prompts),
        prompt=_lengths(prompts),
        completion=_lengths(completions),
        labels={name: _common(shares) for name, shares in labels.items()},
        words=_common(words),
    )


def labels_of(completions: Iterable[str]) -> dict[str, dict[str, float]]:
    """The fields with a closed set of short values, and the shares of these among all rows.

    A completion that is a JSON object has its scalar fields, any other is one itself.
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
        # A field whose values are nearly all different copies something out of the prompt.
        if len(found) <= min(MOST_LABELS, max(2, rows // 5))
        and max(map(len, found)) <= LONGEST_LABEL
    }


def scalars_of(completion: str) -> dict[str, str]:
    """The scalar fields of a JSON object, as JSON; of another completion the whole of it."""
    try:
        value = json.loads(completion)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return {WHOLE: completion}
    scalars = {name: v for name, v in value.items() if not isinstance(v, dict | list)}
    return {name: json.dumps(v, ensure_ascii=False) for name, v in scalars.items()}


def drift(now: Profile, before: Profile) -> tuple[Drift, ...]:
    """How far one data set is from another: lengths, each label field, words.

    Lengths by the largest difference of the two cumulative distributions (Kolmogorov-Smirnov),
    labels by the share of rows that would have to change (total variation), words by how many of a
    prompt's common words the other had not, on average.
    """
    found = [
        _length("prompt", now.prompt, before.prompt),
        _length("completion", now.completion, before.completion),
    ]
    for name in sorted(now.labels.keys() | before.labels.keys()):
        found.append(_labels(name, now.labels.get(name, {}), before.labels.get(name, {})))
    return (*found, _vocabulary(now.words, before.words))


def _length(name: str, now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    steps = sorted({*map(float, now), *map(float, before)})
    gap = new = old = 0.0
    for step in steps:
        new, old = new + now.get(_name(step), 0.0), old + before.get(_name(step), 0.0)
        gap = max(gap, abs(new - old))
    says = f"half of the {name}s had {_middle(before)} characters or more, now {_middle(now)}"
    return Drift(f"{name} length", round(gap, 4), says)


def _labels(name: str, now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    changes = {
        value: now.get(value, 0.0) - before.get(value, 0.0) for value in now.keys() | before.keys()
    }
    value = min(1.0, sum(map(abs, changes.values())) / 2)
    new = sorted(now.keys() - before.keys(), key=lambda v: -now[v])
    most = max(changes, key=lambda v: (abs(changes[v]), v), default=None)
    says = []
    if not before or not now:
        says.append(f"no closed set of values {'before' if not before else 'now'}")
    elif new:
        says.append(f"new: {', '.join(f'{v} ({now[v]:.1%})' for v in new[:SHOWN])}")
    if most is not None and before and now:
        says.append(
            f"most changed: {most}, {before.get(most, 0):.1%} before, {now.get(most, 0):.1%} now"
        )
    return Drift(f"labels of {name}", round(value, 4), "; ".join(says))


def _vocabulary(now: Mapping[str, float], before: Mapping[str, float]) -> Drift:
    new = sorted(now.keys() - before.keys(), key=lambda word: (-now[word], word))
    total = sum(now.values())
    value = sum(now[word] for word in new) / total if total else 0.0
    shown = ", ".join(f"{word} ({now[word]:.1%} of rows)" for word in new[:SHOWN])
    return Drift("vocabulary", round(value, 4), f"new common words: {shown or 'none'}")


def _lengths(lengths: Sequence[int]) -> dict[str, float]:
    """The shares of lengths in each step."""
    steps: Counter[str] = Counter()
    for length, count in Counter(lengths).items():
        steps[_step(length)] += count
    return _shares(steps)


def _step(length: int) -> str:
    """The lower end of the step that a length lies in, a quarter of a doubling wide."""
    return _name(2 ** (max(length, 1).bit_length() - 1) * _part(length))


def _part(length: int) -> float:
    above = length / 2 ** (max(length, 1).bit_length() - 1)
    return max(1.0, int((above - 1) * STEPS) / STEPS + 1)


def _name(step: float) -> str:
    return f"{step:g}"


def _middle(shares: Mapping[str, float]) -> str:
    total = 0.0
    for step in sorted(map(float, shares), reverse=True):
        total += shares[_name(step)]
        if total >= 0.5:
            return _name(step)
    return "0"


def _shares(counts: Mapping[str, int], *, of: int | None = None) -> dict[str, float]:
    rows = of or sum(counts.values())
    return {name: round(count / rows, 6) for name, count in sorted(counts.items())}


def _common(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: share for name, share in sorted(shares.items()) if share >= COMMON}
