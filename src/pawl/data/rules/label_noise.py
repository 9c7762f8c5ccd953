"""Suspected label noise: rows whose answer is not what the rows nearest to theirs would say.

Cross-fitted (Northcutt, Jiang and Chuang 2021, "Confident learning"): a row is judged by a linear
model of each field that saw neither the row nor its duplicates, and by the votes of its nearest
rows in that model's scores (Bahri, Jiang and Gupta 2020, "Deep k-NN for noisy labels"). Ridge
regression on the labels' indicators estimates how often rows with such prompts have each label; all
fields of a fold share one system. Figures: bench/README.md.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.core.records import Example
from pawl.core.row_identity import prompt_text
from pawl.data.rules.features import features
from pawl.data.rules.fields import Field, fields_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

FOLDS = 5
# Fewer rows a fold tell nothing of their neighbours.
LEAST = 10
# What holds the weights of words down.
RIDGE = 1.0
NEIGHBOURS = 20
# By what share of rows with such prompts another label must lead the row's own.
MARGIN = 0.3
# The share of the errors of always saying the commonest label that a field's model must avoid: what
# cannot be told from the prompts is no noise.
SKILL = 0.05
# The share of values with a digit from which a copied field is one of numbers.
NUMBERS = 0.9
# Fields named in a suspect's words.
NAMED = 3


@dataclass(frozen=True)
class Suspect:
    """The row at `index` and why its answer is doubted: `score` in (0, 1], 1 is worst."""

    index: int
    score: float
    says: str


@dataclass(frozen=True)
class _Question:
    """What a field asks of each row: one of `labels`, as words; the last may stand for all others.

    `own` holds each row's label by number, `asked` the rows that are to be judged.
    """

    field: Field
    labels: tuple[str, ...]
    own: Integers
    asked: NDArray[np.bool_]
    # How many of the labels can be anybody's suggestion.
    known: int


def label_noise(rows: Sequence[Example]) -> list[Suspect]:
    """The rows whose completion is probably wrong, worst first.

    A label is doubted if rows with such prompts mostly have another; a copied value if it does not
    stand in its prompt; null if rows with such prompts mostly copy something, and the other way
    round. Free text is never doubted.

    Returns:
        The doubted rows alone. A field's score is the other label's lead times the share of errors
        that the field's model avoids; a row's is that of all its doubted fields together, taken as
        independent.
    """
    same: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        same[row.key, row.completion].append(index)
    # Repeated rows have one voice.
    repeats = list(same.values())
    doubts = _doubts([rows[indices[0]] for indices in repeats])
    suspects = [
        Suspect(index, *_together(found))
        for number, found in doubts.items()
        for index in repeats[number]
    ]
    return sorted(suspects, key=lambda suspect: (-suspect.score, suspect.index))


def _doubts(rows: Sequence[Example]) -> dict[int, list[tuple[float, str]]]:
    """The doubted fields of each row, as scores and words."""
    prompts = [prompt_text(row) for row in rows]
    fields = fields_of([row.completion for row in rows], prompts)
    doubts: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)
    for index, score, says in (*_strangers(fields), *_outvoted(fields, prompts, rows)):
        doubts[index].append((score, says))
    return doubts


def _together(doubts: Sequence[tuple[float, str]]) -> tuple[float, str]:
    worst = sorted(doubts, key=lambda doubt: -doubt[0])
    score = 1 - math.prod(1 - score for score, _ in worst)
    return round(score, 6), "says " + "; and ".join(says for _, says in worst[:NAMED])


def _strangers(fields: Sequence[Field]) -> Iterator[tuple[int, float, str]]:
    """Values of copied fields that do not stand in their prompts."""
    for field in (field for field in fields if field.kind == "copied"):
        given = [index for index, value in enumerate(field.values) if value is not None]
        share = sum(field.stands) / len(given)
        for index in given:
            if not field.stands[index]:
                said = field.says(field.values[index])
                # As for labels: by how much those that stand lead those that do not.
                yield index, 2 * share - 1, f"{said}, which does not stand in its prompt"


def _outvoted(
    fields: Sequence[Field], prompts: Sequence[str], rows: Sequence[Example]
) -> Iterator[tuple[int, float, str]]:
    """Labels that neither the model of the other folds nor most of the neighbours would give."""
    questions = [question for field in fields if (question := _question(field)) is not None]
    if questions and len(rows) >= FOLDS * LEAST:
        folds = _Folds(rows, prompts)
        for question in questions:
            yield from _judged(question, folds)


class _Folds:
    """The prompts in folds, ready to be fitted to any labels: the system is factored once."""

    def __init__(self, rows: Sequence[Example], prompts: Sequence[str]) -> None:
        import numpy as np
        from scipy.linalg import cho_factor

        found = features(prompts)
        # Duplicates share the key and with it the fold.
        of = np.array([int(row.key[:8], 16) % FOLDS for row in rows])
        self.mine = [np.flatnonzero(of == fold) for fold in range(FOLDS)]
        self.others = [np.flatnonzero(of != fold) for fold in range(FOLDS)]
        self.features = found
        squares = [(found[mine].T @ found[mine]).toarray() for mine in self.mine]
        whole = sum(squares) + RIDGE * np.eye(found.shape[1])
        self._factors = [
            cho_factor(whole - square, overwrite_a=True, check_finite=False) for square in squares
        ]

    def models(self, indicators: Floats) -> list[Floats]:
        """For each fold the weights, (features, labels), that fit the labels of all others."""
        from scipy.linalg import cho_solve

        products = [self.features[mine].T @ indicators[mine] for mine in self.mine]
        whole = sum(products)
        return [
            cho_solve(factor, whole - product, check_finite=False)
            for factor, product in zip(self._factors, products, strict=True)
        ]


def _judged(question: _Question, folds: _Folds) -> Iterator[tuple[int, float, str]]:
    """The rows whose label another one leads, by the model and by the neighbours' votes."""
    import numpy as np

    own, known = question.own, question.known
    models = folds.models(np.eye(len(question.labels))[own])
    scores = np.empty((len(own), len(question.labels)))
    for mine, model in zip(folds.mine, models, strict=True):
        scores[mine] = folds.features[mine] @ model
    skill = 1 - np.mean(scores.argmax(1) != own) / (1 - np.bincount(own).max() / len(own))
    if skill < SKILL:
        return
    rivals = np.where(np.arange(known) == own[:, None], -np.inf, scores[:, :known])
    lead = rivals.max(1) - scores[np.arange(len(own)), own]
    doubted = question.asked & (lead > MARGIN)
    for mine, others, model in zip(folds.mine, folds.others, models, strict=True):
        for index, votes in _votes(mine[doubted[mine]], others, folds.features, model, own):
            most = int(votes[:known].argmax())
            if votes[most] > votes[own[index]]:
                said = question.field.says(question.field.values[index])
                rival = f"{votes[most]} of {votes.sum()} near neighbours {question.labels[most]}"
                yield index, float(skill * min(lead[index], 1)), f"{said}; {rival}"


def _votes(
    rows: Integers, others: Integers, found: Any, model: Floats, own: Integers
) -> Iterator[tuple[int, Integers]]:
    """How many of each row's nearest in a model's scores have each label."""
    import numpy as np
    from scipy.spatial import cKDTree

    if not len(rows):
        return
    ranks = range(1, min(NEIGHBOURS, len(others)) + 1)
    _, near = cKDTree(found[others] @ model).query(found[rows] @ model, list(ranks))
    for index, neighbours in zip(rows, others[near], strict=True):
        yield int(index), np.bincount(own[neighbours], minlength=model.shape[1])


def _question(field: Field) -> _Question | None:
    """What a field's values are as labels; None if all rows say the same."""
    import numpy as np

    present = np.array([value is not None for value in field.values])
    if field.kind == "copied":
        # Whether a name is left out cannot be told by its looks; whether a number is, can.
        numbers = sum(any(map(str.isdigit, value)) for value in field.values if value)
        if present.all() or numbers < NUMBERS * present.sum():
            return None
        # A value that does not stand in its prompt is doubted for that.
        asked = ~present | np.array(field.stands)
        labels = ("say null", "copy a value from the prompt")
        return _Question(field, labels, present.astype(np.int64), asked, known=2)
    often = sorted(field.often, key=lambda value: (value is None, value))
    number = {value: at for at, value in enumerate(often)}
    own = np.array([number.get(value, len(often)) for value in field.values])
    words = [f"say {field.says(value).removeprefix(f'{field.name}=')}" for value in often]
    rare = ["say something rare"] if own.max() == len(often) else []
    return _Question(field, (*words, *rare), own, np.ones(len(own), bool), known=len(often))
