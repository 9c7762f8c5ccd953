"""The list `serve` of params.yaml: each mistake is named by its line, with what is valid."""

from __future__ import annotations

import pytest

from pawl.config.load import parse_params
from pawl.config.targets import FolderTarget, VllmTarget
from pawl.errors import ParamsError

TASKS = (
    "tasks: {t: {data: a, base: {model: b}, check: {}, split: {salt: s}, train: {}, evaluate: {}, "
    "gate: {}}}\n"
)


def targets(text: str) -> tuple[object, ...]:
    return parse_params(TASKS + text, "params.yaml").serve


def test_targets_are_read_by_their_kind_and_none_is_needed() -> None:
    assert targets("") == ()
    assert targets(
        "serve:\n  - {kind: folder, path: out}\n  - {kind: vllm, urls: ['http://a:1']}"
    ) == (
        FolderTarget("folder", "out"),
        VllmTarget("vllm", ("http://a:1",)),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("serve:\n  - {kind: folder, path: a}\n  - {kind: folder, paht: b}", "yaml:4: .*'path'"),
        ("serve:\n  - {path: a}", "yaml:3: .*folder, s3, vllm, kubernetes-yaml, webhook"),
        ("serve:\n  - {kind: ftp, path: a}", "kind"),
        ("serve:\n  - {kind: vllm, urls: ['http://u:p4ss@a']}", "secrets are not"),
        ("serve:\n  - {kind: vllm, urls: ['http://a?token=p4ss']}", "secrets are not"),
        ("serve:\n  - {kind: vllm, urls: ['ftp://a']}", "http"),
        ("serve:\n  - {kind: vllm, urls: []}", "urls"),
        ("serve:\n  - {kind: s3, url: 's3://key:p4ss@bucket'}", "url"),
        ("serve:\n  - {kind: s3, url: 's3://bucket/../other/..'}", "url"),
        ("serve:\n  - {kind: webhook, url: 'http://a'}", "no secret"),
        ("serve:\n  - {kind: webhook, url: http://a, secret_env: A, secret_file: b}", "two secr"),
        ("serve:\n  - {kind: folder, path: a}\n  - {kind: folder, path: a}", "yaml:4: .*second"),
        ("serve:\n  - {kind: folder, path: a, tasks: [u]}", "no task.*\n.*\n.*t"),
        (
            "serve:\n  - {kind: folder, path: a}\n  - {kind: vllm, urls: [http://a], path: a/}",
            "yaml:4: .*the 't' of another target in a",
        ),
        (
            "serve:\n  - {kind: vllm, urls: [http://a]}\n  - {kind: vllm, urls: [http://b]}",
            "yaml:4: .*another target in the folder in .pawl/",
        ),
        ("serve:\n  - {kind: folder, kind: folder}", "twice"),
        ("serve:\n  - {kind: folder, path: yes}", "boolean"),
        ("serve: folder", "serve"),
        ("serve:\n  - 3", "kind"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_target_is_named(text: str, told: str) -> None:
    with pytest.raises(ParamsError, match=f"(?s){told}") as caught:
        targets(text)
    assert "p4ss" not in str(caught.value)
