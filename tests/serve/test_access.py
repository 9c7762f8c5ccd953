"""Who may call: tokens of a file and of the environment, and nobody unasked from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.errors import UsageError
from pawl.serve.access import VARIABLE, Access, is_loopback, read_tokens, refuse_open
from pawl.serve.refusals import Refused

FIRST, SECOND = "first-token-0123456789", "second-token-0123456789"


def token_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_each_line_of_the_file_and_each_word_of_the_environment_is_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = token_file(tmp_path, f"# of the shop\n{FIRST}\n\n")
    monkeypatch.setenv(VARIABLE, f"{SECOND} {FIRST}")
    assert set(read_tokens(file)) == {FIRST, SECOND}
    access = Access(read_tokens(file))
    for token in (FIRST, SECOND):
        access.check(scope(f"Bearer {token}"))
        access.check(scope(f"bearer  {token} "))
    for header in (f"Bearer {FIRST}{SECOND}", f"Bearer {FIRST[:-1]}", "Bearer # of the shop"):
        with pytest.raises(Refused):
            access.check(scope(header))


@pytest.mark.parametrize(
    ("text", "mode", "found"),
    [
        (FIRST, 0o640, "may be used by others"), (FIRST, 0o604, "may be used by others"),
        ("", 0o600, "has no token"), ("# none\n", 0o600, "has no token"),
        ("short", 0o600, "is no token"), (f"{FIRST} x", 0o600, "is no token"),
        (f"{FIRST}\n\u00e9{SECOND}", 0o600, "token 2 "),
    ],
)  # fmt: skip
def test_a_token_file_that_is_no_secret_or_holds_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, found: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError) as error:
        read_tokens(token_file(tmp_path, text, mode))
    assert found in error.value.found
    assert error.value.remedy
    assert FIRST not in str(error.value)


def test_a_token_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_tokens(tmp_path / "none")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "10.0.0.1", ""])
def test_without_a_token_only_this_machine_is_answered(host: str) -> None:
    with pytest.raises(UsageError, match="ask nobody for a token"):
        refuse_open(host, ())
    refuse_open(host, (FIRST,))


def test_loopback_has_several_names() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.8.8.8")))


def scope(header: str) -> dict[str, object]:
    return {"path": "/v1/models", "headers": [(b"authorization", header.encode("latin-1"))]}
