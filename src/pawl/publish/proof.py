"""The proof that a server answers with a version, and not with its base: a few dev prompts.

What the version answered when it was judged is on its run. Dev rows alone are sent, which may be
looked at freely; those of the gate never leave. Prompts tell where the server's own base answers
otherwise than the version did: on them a base, or another version, under the version's name shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawl.core.files import digest_file
from pawl.core.records import AdapterManifest, Score, Verdict, read_record, read_rows
from pawl.core.records.io import read_records
from pawl.errors import DataError, PublishError
from pawl.model.base import find_base
from pawl.model.prompt import prompt_tokens
from pawl.model.tokenizer import load_tokenizer
from pawl.publish.current import Current
from pawl.publish.replica import Replica
from pawl.release.signing import EVIDENCE, release_folder
from pawl.store.runs import fetch_file
from pawl.store.versions import get
from pawl.workspace.adapter_base import find_adapter_base

# How many prompts must tell; how many are asked at once, and at most, to find them.
TELLING, AT_ONCE, ASKED = 8, 8, 64
ROWS = "eval/rows.jsonl"


@dataclass(frozen=True)
class Question:
    """A dev prompt as token ids, and what the version answered when it was judged."""

    prompt: tuple[int, ...]
    answer: str


@dataclass(frozen=True)
class Questions:
    """The questions that prove a version; an answer had `most` tokens at most."""

    asked: tuple[Question, ...]
    most: int


def questions(current: Current, manifest: AdapterManifest) -> Questions:
    """The questions that prove the champion: its shortest dev prompts.

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
    found = [
        Question(tuple(prompt_tokens(tokenizer, turns)), answers[key])
        for key, turns in asked.items()
    ]
    if not found:
        raise PublishError(
            f"{current.name} has no dev answer on record to be proved by",
            rule="a server is asked for what the version answered when it was judged",
            remedy=f"judge it with dev rows: `split.dev`, then `pawl run {current.task} --force`",
        )
    found.sort(key=lambda one: (len(one.prompt), one.prompt))
    most = int(version.params["evaluate"]["max_new_tokens"])
    return Questions(tuple(found[:ASKED]), most)


def prove(replica: Replica, name: str, base: str, asked: Questions, *, agree: float) -> str:
    """Ask a replica until it has shown that `name` answers as judged and not as `base`; says how.

    Raises:
        PublishError: it does not.
    """
    telling: list[tuple[Question, str]] = []
    for start in range(0, len(asked.asked), AT_ONCE):
        some = asked.asked[start : start + AT_ONCE]
        said = replica.answers(base, [one.prompt for one in some], most=asked.most)
        pairs = zip(some, said, strict=True)
        telling += [(one, text) for one, text in pairs if not _same(text, one.answer)]
        if len(telling) >= TELLING:
            break
    telling = telling[:TELLING]
    if not telling:
        raise PublishError(
            f"{replica.url}: its base, {base}, answers all {len(asked.asked)} prompts as {name} "
            "was judged to answer",
            rule="a version is proved on prompts that its base answers otherwise",
            remedy="see that the replica was started on the bare base, and that the version is "
            "worth serving",
        )
    said = replica.answers(name, [one.prompt for one, _ in telling], most=asked.most)
    right = _count(said, [one.answer for one, _ in telling])
    if right < agree * len(telling):
        bare = _count(said, [text for _, text in telling])
        who = f"; {bare} as its base does" if bare else ""
        raise PublishError(
            f"{replica.url} answers {right} of {len(telling)} dev prompts as {name} was judged to"
            f"{who}",
            rule=f"{agree:.0%} of them are answered as recorded (`agree`)",
            remedy="see that it is on the base that the version was trained on, in a type near to "
            "that, and applies the adapter; it was loaded anew before this was said",
        )
    return f"{right} of {len(telling)} dev prompts answered as judged, and not as its base does"


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


def _count(said: Sequence[str], wanted: Sequence[str]) -> int:
    return sum(_same(one, other) for one, other in zip(said, wanted, strict=True))


def _same(one: str, other: str) -> bool:
    # vLLM keeps the blank with which some tokenizers begin an answer.
    return one.strip() == other.strip()
