"""The proof that a server answers with a version, and not with its base: a few dev prompts.

What the version answered when it was judged is on its run. Dev rows alone are sent, which may be
looked at freely; those of the gate never leave. Asked is the token that follows a prompt and a part
of its judged answer, where the server's own base writes another: there a bare base under the
version's name shows. Not whole answers: a server that holds the base in another type than NF4
departs from them sooner or later, by one near tie, and goes on otherwise from there.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_file
from pawl.core.records import AdapterManifest, Score, Verdict, read_record, read_rows
from pawl.core.records.io import read_records
from pawl.errors import DataError, PublishError
from pawl.model.base import find_base
from pawl.model.prompt import completion_tokens, prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.publish.current import Current
from pawl.publish.replica import Replica
from pawl.release.signing import EVIDENCE, release_folder
from pawl.store.runs import fetch_file
from pawl.store.versions import get
from pawl.workspace.adapter_base import find_adapter_base

# How many tokens must tell; how many are asked at once, and at most, to find them; and how many of
# one answer, evenly.
TELLING, AT_ONCE, ASKED, OF_AN_ANSWER = 48, 32, 512, 8
ROWS = "eval/rows.jsonl"


@dataclass(frozen=True)
class Question:
    """A dev prompt and its judged answer up to a token, as token ids, and that token."""

    context: tuple[int, ...]
    token: int


def questions(current: Current, manifest: AdapterManifest) -> tuple[Question, ...]:
    """The questions that prove the champion, of its shortest dev prompts.

    Raises:
        PublishError: its evaluation has no dev answer to prove it by.
        DataError: the stored answers are not those that its verdict was signed over.
        BaseError: the base, whose tokenizer is needed, is not here.
        RegistryError: the evidence cannot be fetched.
    """
    version = get(current.store, current.task, current.champion.version or 0)
    with tempfile.TemporaryDirectory(prefix="pawl-proof-") as scratch:
        rows = fetch_file(current.store, version.run_id, ROWS, into=Path(scratch))
        _refuse_altered(current, rows)
        answers = {
            score.key: score.output
            for score in read_records(rows, Score)
            if score.split == "dev" and score.contender == "candidate" and score.whole
        }
        checked = fetch_file(current.store, version.run_id, "check/rows.jsonl", into=Path(scratch))
        asked = {row.key: row.messages for row in read_rows(checked) if row.key in answers}
    place = find_adapter_base(current.workspace, current.task, manifest.base)
    tokenizer = load_tokenizer(find_base(place, current.workspace.root), manifest.base)
    prompts = {key: prompt_tokens(tokenizer, turns) for key, turns in asked.items()}
    found = []
    for key in sorted(prompts, key=lambda key: (len(prompts[key]), key)):
        # Without its end: an answer may have been cut at the most tokens that it may have.
        answer = completion_tokens(tokenizer, answers[key])[:-1]
        step = max(1, math.ceil(len(answer) / OF_AN_ANSWER))
        found += [
            Question((*prompts[key], *answer[:at]), answer[at])
            for at in range(0, len(answer), step)
        ]
    if not found:
        raise PublishError(
            f"{current.name} has no dev answer on record to be proved by",
            rule="a server is asked for what the version answered when it was judged",
            remedy=f"judge it with dev rows: `split.dev`, then `pawl run {current.task} --force`",
        )
    return tuple(found[:ASKED])


def prove(
    replica: Replica, name: str, base: str, asked: Sequence[Question], *, agree: float
) -> str:
    """Ask a replica until it has shown that `name` answers as judged and not as `base`; says how.

    Raises:
        PublishError: it does not.
    """
    telling: list[Question] = []
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        written = replica.next_tokens(base, [one.context for one in some])
        telling += [one for one, token in zip(some, written, strict=True) if token != one.token]
        if len(telling) >= TELLING:
            break
    if not telling:
        raise PublishError(
            f"{replica.url}: its base, {base}, writes all {len(asked)} tokens as {name} did when "
            "judged",
            rule="a version is proved where its base answers otherwise",
            remedy="see that the replica was started on the bare base, and that the version is "
            "worth serving",
        )
    written = replica.next_tokens(name, [one.context for one in telling])
    right = sum(token == one.token for one, token in zip(telling, written, strict=True))
    of = f"{right} of {len(telling)} tokens as judged where its base writes others"
    if right < agree * len(telling):
        raise PublishError(
            f"{replica.url} does not answer as {name} was judged to: {of}",
            rule=f"that is at least {agree:.0%} (`agree`); a bare base under the version's name "
            "writes none",
            remedy="see that it is on the base that the version was trained on, in a type near to "
            "that, and applies the adapter; it was loaded anew before this was said",
        )
    return of


def _refuse_altered(current: Current, rows: Path) -> None:
    """Where the verdict that the release is signed over names the rows, they must be those."""
    verdict = release_folder(current.workspace, current.task, current.champion) / EVIDENCE
    if not verdict.is_file():
        return
    named = read_record(verdict, Verdict).parents.get(ROWS)
    if named is not None and named != digest_file(rows):
        raise DataError(
            f"the stored answers of {current.name} are not those that its verdict names",
            rule="a version is proved by what it answered when it was judged",
            remedy="restore the store's artifact folder from its backup",
        )
