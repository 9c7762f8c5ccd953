"""Which pairs of answers are compared in a look, which by people, and on which side each stands.

Pure. Nothing here follows from what people said, so that nobody can choose by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawl.core.files import digest_json, digest_text
from pawl.core.records import Contender, EvalReport, Opinion, Pair, Score
from pawl.errors import DataError

CANDIDATE, CHAMPION = "candidate", "champion"
# What a judge said of the pairs, beside the rows of an evaluation.
JUDGED = "judge.jsonl"


def opponent(report: EvalReport) -> str:
    """Whom the candidate is compared with: the champion, or the best prompt where there is none.

    The best one is the one by which the base finds the references likeliest (perplexity): that is
    known of every prompt, and before anybody has read an answer.

    Raises:
        DataError: no prompt was scored.
    """
    if report.champion.version is not None:
        return CHAMPION
    prompts = [one for one in report.contenders if _is_prompt(one)]
    if not prompts:
        raise DataError(
            "no prompt was scored, and there is no champion",
            rule="a candidate is compared with the champion, or with the best prompt",
            remedy="run the evaluation again: `pawl run TASK --force`",
        )
    return min(prompts, key=lambda one: one.scores.get("perplexity", float("inf"))).name


def pairs_of(report: EvalReport, scores: Sequence[Score]) -> tuple[Pair, ...]:
    """A pair for each gate row that candidate and opponent answered, in the order of row ids.

    Raises:
        DataError: as `opponent`.
    """
    against, question = opponent(report), report.look.question if report.look else ""
    answers = {
        name: {s.id: s for s in scores if (s.split, s.contender) == ("gate", name)}
        for name in (CANDIDATE, against)
    }
    found = []
    for row in sorted(answers[CANDIDATE].keys() & answers[against].keys()):
        mine, other = answers[CANDIDATE][row], answers[against][row]
        identity = digest_json([question, mine.key, row, against, mine.output, other.output])
        found.append(Pair(identity, row, mine.key, mine.output, other.output, mine.group))
    return tuple(found)


def planned(pairs: Sequence[Pair], count: int | None, *, question: str) -> tuple[Pair, ...]:
    """The pairs that people are to compare, in the order in which they are asked: drawn at random.

    `count` None: all. The draw follows from the look, which was paid for before any answer.
    """
    return tuple(sorted(pairs, key=lambda one: digest_text(f"{question} {one.id}"))[:count])


def digest_of(pairs: Sequence[Pair]) -> str:
    """Digest of the pairs' ids, in their order."""
    return digest_json([one.id for one in pairs])


def candidate_is_left(seed: str, pair: str) -> bool:
    """Whether the candidate's answer is on the left, by the review's seed and the pair's id."""
    return int(digest_text(f"{seed} {pair}")[:8], 16) % 2 == 0


def sides(pair: Pair, seed: str) -> tuple[str, str]:
    """Both answers as they are shown: left, right."""
    if candidate_is_left(seed, pair.id):
        return pair.candidate, pair.other
    return pair.other, pair.candidate


def preference(pair: Pair, choice: str | None, seed: str) -> int:
    """1 where the candidate was preferred, -1 where the other was, 0 for a tie."""
    if pair.same or choice == "tie":
        return 0
    return 1 if (choice == "left") == candidate_is_left(seed, pair.id) else -1


def leaning(opinion: Opinion) -> float:
    """How a judge leans, from -1 (the other in all its votes) to 1 (the candidate in all).

    A judge that follows the place leans nowhere: the two orders cancel.
    """
    value = {"first": 1, "second": -1, "tie": 0, "none": 0}
    signed = [value[v] for v in opinion.ahead] + [-value[v] for v in opinion.behind]
    return sum(signed) / len(signed)


def _is_prompt(one: Contender) -> bool:
    here = one.split == "gate" and one.elsewhere is None
    return here and one.adapter is None and one.name not in (CANDIDATE, CHAMPION)
