"""Can the gate's metric tell contenders apart? Where dev shows that it cannot, that is said before
a training is paid for: 243 chats judged by exact match ended in no row won and none lost.

What the last evaluation found comes first. Without one, the dev rows' answers tell: free text that
no other row has, and of which the prompt holds little, is given word for word by nobody. Answers
that are put together from the prompt and from words that most answers share (a form, a rewriting, a
translation into XML) can be, however long they are.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pawl.core.exact_answers import exact_answers
from pawl.core.metrics import FALL, bounded
from pawl.core.records import EvalReport, Example, read_record
from pawl.errors import DataError

# Fewer dev rows say nothing of a metric.
FEWEST = 8
# The share of rows that are free text, from which no exact match is to be had of them.
MOST = 0.95
# The share of an answer's words that the prompt or most answers have, from which it can be given.
KNOWN = 0.8
WORD = re.compile(r"\w+")
OTHERS = (
    "`char_error` (the share of wrong characters), `perplexity` (how likely the references are), "
    "`preference` (people compare the answers), or a scorer of your own (`evaluate.scorers`)"
)


def cannot_tell(metric: str, dev: Sequence[Example], report: Path) -> str:
    """Why the gate's metric will hardly tell contenders apart, with the remedy; empty if it may.

    Args:
        report: where the last evaluation's report is, if there was one that may be read.
    """
    if (known := _last_report(report)) and (found := _measured(metric, known)):
        return "" if found == "apart" else found
    if metric != "exact_match" or len(dev) < FEWEST:
        return ""
    free = [row for row, exact in zip(dev, exact_answers(dev), strict=True) if not exact]
    if len(free) < MOST * len(dev) or _follows_from_prompts(free):
        return ""
    length = statistics.median(len(row.completion) for row in free)
    return (
        f"exact_match will hardly tell contenders apart: {len(free)} of {len(dev)} dev answers are "
        f"free text of about {length:,.0f} characters, no two alike, which no model gives word for "
        f"word. Judge by another `gate.metric`: {OTHERS}"
    )


def _last_report(path: Path) -> EvalReport | None:
    if not path.is_file():
        return None
    try:
        return read_record(path, EvalReport)
    except DataError:  # what is broken in build/ is made anew by the cycle
        return None


def _measured(metric: str, report: EvalReport) -> str:
    """What the last evaluation says: a sentence, or "apart" where values differ; empty if it has
    no such metric."""
    if not bounded(metric):
        return ""
    scored = [c for c in report.contenders if metric in c.scores and not c.elsewhere]
    dev = [c for c in scored if c.split == "dev"]
    if not dev or dev[0].rows < FEWEST:
        return ""
    values = {c.scores[metric] for c in scored}
    if len(values) > 1 or values.isdisjoint({0.0, 1.0}):
        return "apart"
    value, rows = values.pop(), dev[0].rows
    names = " and ".join(dict.fromkeys(c.name for c in scored))
    told = f"in the last evaluation {names} had {metric} {value:g} on all of {rows} dev rows"
    if (value == 1.0) == (metric not in FALL):
        return (
            f"{told}: nothing better can be seen by it. Add rows that are harder, or judge by "
            f"another `gate.metric`: {OTHERS}"
        )
    return (
        f"{told}: it will hardly tell contenders apart. If their answers are of use all the same "
        f"(`pawl report`), judge by another `gate.metric`: {OTHERS}"
    )


def _follows_from_prompts(rows: Sequence[Example]) -> bool:
    """Whether most of the answers' words stand in their prompts or in most other answers."""
    answers = [_words(row.completion) for row in rows]
    counts = Counter(word for words in answers for word in set(words))
    usual = {word for word, count in counts.items() if 2 * count >= len(rows)}
    shares = []
    for row, words in zip(rows, answers, strict=True):
        given = usual.union(*(_words(message.content) for message in row.messages))
        shares.append(sum(word in given for word in words) / len(words) if words else 1.0)
    return statistics.median(shares) >= KNOWN


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())
