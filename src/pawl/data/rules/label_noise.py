"""Suspected label noise: rows whose answer disagrees with those of similar rows.

Cross-fitted (Northcutt, Jiang and Chuang 2021, "Confident learning"): a row is judged by a linear
model per field that was fitted without the row and its duplicates, and by the votes of its nearest
neighbours in that model's scores (Bahri, Jiang and Gupta 2020, "Deep k-NN for noisy labels"). Ridge
regression on one-hot labels estimates each label's frequency; all fields of a fold share one linear
system. Figures: bench/README.md.
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
# With fewer rows per fold, neighbours are not informative.
MIN_FOLD = 10
# L2 regularisation.
RIDGE = 1.0
NEIGHBOURS = 20
# The least lead of another label over the row's own, as a share of similar rows.
MARGIN = 0.3
# The least share of the majority classifier's errors that a field's model must avoid: what the
# prompts do not determine is not noise.
MIN_SKILL = 0.05
# The share of values with a digit from which a copied field is numeric.
NUMERIC = 0.9
# Fields named in a suspect's reason.
NAMED = 3


@dataclass(frozen=True)
class Suspect:
    """A row by its index and why its answer is suspect; `score` in (0, 1], 1 is worst."""

    index: int
    score: float
    reason: str


@dataclass(frozen=True)
class _LabelTask:
    """A field as a classification task; the last of the `labels` may stand for all rare values.

    `own` is each row's label by number, `judged` marks the rows to judge; only the first
    `suggestible` labels may be suggested for another row.
    """

    field: Field
    labels: tuple[str, ...]
    own: Integers
    judged: NDArray[np.bool_]
    suggestible: int


def label_noise(rows: Sequence[Example]) -> list[Suspect]:
    """Return the rows whose completion is probably wrong, worst first.

    A label is suspect if similar rows mostly have another; a copied value if it does not occur in
    its prompt; null if similar rows mostly copy a value, and vice versa. Free text never is. A
    field's score is the other label's lead times the share of errors that the field's model avoids;
    a row's score combines its suspect fields as independent.
    """
    same: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        same[row.key, row.completion].append(index)
    # Duplicates count once.
    groups = list(same.values())
    firsts = [rows[indices[0]] for indices in groups]
    prompts = [prompt_text(row) for row in firsts]
    fields = fields_of([row.completion for row in firsts], prompts)
    by_group: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)
    for number, score, reason in (*_not_copied(fields), *_outvoted(fields, prompts, firsts)):
        by_group[number].append((score, reason))
    suspects: list[Suspect] = []
    for number, found in by_group.items():
        worst = sorted(found, key=lambda field: -field[0])
        score = round(1 - math.prod(1 - score for score, _ in worst), 6)
        reason = "says " + "; and ".join(reason for _, reason in worst[:NAMED])
        suspects += (Suspect(index, score, reason) for index in groups[number])
    return sorted(suspects, key=lambda suspect: (-suspect.score, suspect.index))


def _not_copied(fields: Sequence[Field]) -> Iterator[tuple[int, float, str]]:
    """Yield values of copied fields that do not occur in their prompts."""
    for field in (field for field in fields if field.kind == "copied"):
        present = [index for index, value in enumerate(field.values) if value is not None]
        share = sum(field.in_prompt) / len(present)
        for index in present:
            if not field.in_prompt[index]:
                value = field.describe(field.values[index])
                # A lead, as for labels: of the values in their prompts over the others.
                yield index, 2 * share - 1, f"{value}, which is not in its prompt"


def _outvoted(
    fields: Sequence[Field], prompts: Sequence[str], rows: Sequence[Example]
) -> Iterator[tuple[int, float, str]]:
    """Yield labels that both the cross-fitted model and the neighbours' votes contradict."""
    tasks = [task for task in map(_label_task, fields) if task]
    if tasks and len(rows) >= FOLDS * MIN_FOLD:
        folds = _Folds(rows, prompts)
        for task in tasks:
            yield from _suspects(task, folds)


class _Folds:
    """The prompts in folds; the linear system is factored once and solved for any labels."""

    def __init__(self, rows: Sequence[Example], prompts: Sequence[str]) -> None:
        import numpy as np
        from scipy.linalg import cho_factor

        self.features = x = features(prompts)
        # Rows with the same prompt share the key and with it the fold.
        fold_of = np.array([int(row.key[:8], 16) % FOLDS for row in rows])
        self.held_out = [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)]
        self.fitted = [np.flatnonzero(fold_of != fold) for fold in range(FOLDS)]
        grams = [(x[rows].T @ x[rows]).toarray() for rows in self.held_out]
        total = sum(grams) + RIDGE * np.eye(x.shape[1])
        self._factors = [
            cho_factor(total - gram, overwrite_a=True, check_finite=False) for gram in grams
        ]

    def models(self, one_hot: Floats) -> list[Floats]:
        """Return each fold's weights, (features, labels), fitted to the labels of the others."""
        from scipy.linalg import cho_solve

        products = [self.features[rows].T @ one_hot[rows] for rows in self.held_out]
        total = sum(products)
        return [
            cho_solve(factor, total - product, check_finite=False)
            for factor, product in zip(self._factors, products, strict=True)
        ]


def _suspects(task: _LabelTask, folds: _Folds) -> Iterator[tuple[int, float, str]]:
    """Yield rows whose label loses to another one in the model's scores and the votes."""
    import numpy as np

    own, suggestible = task.own, task.suggestible
    models = folds.models(np.eye(len(task.labels))[own])
    scores = np.empty((len(own), len(task.labels)))
    for held_out, model in zip(folds.held_out, models, strict=True):
        scores[held_out] = folds.features[held_out] @ model
    skill = 1 - np.mean(scores.argmax(1) != own) / (1 - np.bincount(own).max() / len(own))
    if skill < MIN_SKILL:
        return
    is_own = np.arange(suggestible) == own[:, None]
    rivals = np.where(is_own, -np.inf, scores[:, :suggestible])
    lead = rivals.max(1) - scores[np.arange(len(own)), own]
    suspect = task.judged & (lead > MARGIN)
    for held_out, fitted, model in zip(folds.held_out, folds.fitted, models, strict=True):
        rows = held_out[suspect[held_out]]
        for index, votes in _votes(rows, fitted, folds.features, model, own):
            rival = int(votes[:suggestible].argmax())
            if votes[rival] > votes[own[index]]:
                value = task.field.describe(task.field.values[index])
                share = f"{votes[rival]} of {votes.sum()} near neighbours {task.labels[rival]}"
                yield index, float(skill * min(lead[index], 1)), f"{value}; {share}"


def _votes(
    rows: Integers, others: Integers, x: Any, model: Floats, own: Integers
) -> Iterator[tuple[int, Integers]]:
    """Yield the label counts of each row's nearest neighbours by the model's scores."""
    import numpy as np
    from scipy.spatial import cKDTree

    if not len(rows):
        return
    ranks = range(1, min(NEIGHBOURS, len(others)) + 1)
    _, nearest = cKDTree(x[others] @ model).query(x[rows] @ model, list(ranks))
    for index, neighbours in zip(rows, others[nearest], strict=True):
        yield int(index), np.bincount(own[neighbours], minlength=model.shape[1])


def _label_task(field: Field) -> _LabelTask | None:
    """Return the field as a classification task; None if it has none or a single label."""
    import numpy as np

    if field.kind == "copied":
        present = np.array([value is not None for value in field.values])
        # Prompts show whether a number was left out, but not whether a name was.
        numeric = sum(any(map(str.isdigit, value)) for value in field.values if value)
        if present.all() or numeric < NUMERIC * present.sum():
            return None
        # Values that are not in their prompts are reported by `_not_copied`.
        judged = ~present | np.array(field.in_prompt)
        labels = ("say null", "copy a value from the prompt")
        return _LabelTask(field, labels, present.astype(np.int64), judged, suggestible=2)
    frequent = sorted(field.frequent, key=lambda value: (value is None, value))
    number = {value: at for at, value in enumerate(frequent)}
    own = np.array([number.get(value, len(frequent)) for value in field.values])
    words = [f"say {field.describe(value).removeprefix(f'{field.name}=')}" for value in frequent]
    rare = ["say something rare"] if own.max() == len(frequent) else []
    return _LabelTask(field, (*words, *rare), own, np.ones(len(own), bool), len(frequent))
