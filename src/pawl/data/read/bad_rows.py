"""The errors for a file whose rows cannot be read: each kind of fault once, with its remedy."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.data.read.forms import FormError, guessed_columns
from pawl.errors import DataError

# Rows that are shown of one and the same fault.
SAME = 3
# Keys of a row that a message names.
MOST_KEYS = 12
FORMS = (
    "each row is an object: prompt and completion, a chat (messages, conversations), or one of "
    "the pairs instruction/output, question/answer, text/label and their like"
)
NOT_UTF8 = ("not UTF-8 at byte", "is not UTF-8")


def too_many_bad(name: str, bad: int, rows: int, messages: Sequence[str], drop: float) -> DataError:
    """The error for a file with a larger share of bad rows than `drop`."""
    reasons = {message.split(": ", 1)[1].rpartition(" (")[0] for message in messages}
    if len(reasons) == 1:
        messages = messages[:SAME]
    more = f"\n… and {bad - len(messages)} more" if bad > len(messages) else ""
    allowed = f"; up to {drop:.1%} may be (`check.drop_bad`), {bad / rows:.1%} are" if drop else ""
    return DataError(
        "\n".join(messages) + more,
        rule=FORMS + allowed,
        remedy=f"correct or remove these {bad} row(s) of {name}; no row was used. To leave some "
        "out and count them: `check.drop_bad` in params.yaml, `pawl new --drop-bad`",
    )


def form_error(name: str, error: FormError) -> DataError:
    """The error for a file in which no row has keys of a known form."""
    keys = error.keys
    shown = ", ".join(keys[:MOST_KEYS]) + (", …" if len(keys) > MOST_KEYS else "")
    if len(keys) == 1:
        return DataError(
            f"{name}: its rows have one text alone, `{shown}`",
            rule="a row has a question and an answer: what is asked is shown, the answer learned",
            remedy="split it into `prompt` and `completion`; a text without a question is for "
            "training from scratch, not for an adapter",
        )
    return DataError(
        f"{name}: found the columns {shown or 'none'}; question and answer are not among them",
        rule=FORMS,
        remedy=f"name them: `pawl new TASK … {guessed_columns(keys)}` (`check.columns` in "
        "params.yaml)",
    )


def encoding_error(name: str, count: int, rows: int, line: int, raw: bytes) -> DataError:
    """The error for a file of which `count` lines are no UTF-8, `raw` the first of them."""
    try:
        raw.decode("cp1252")
        likely, option = "; they can be read as Windows-1252, as spreadsheets write", "CP1252"
    except UnicodeDecodeError:
        likely, option = "", "ENCODING"
    return DataError(
        f"{name}: {count:,} of {rows:,} rows are not UTF-8, the first in line {line}{likely}",
        rule="a data file is UTF-8",
        remedy=f"save it as UTF-8, or `iconv -f {option} -t UTF-8 OLD > NEW`",
    )


def is_encoding(reason: str) -> bool:
    """Whether a row was refused for its encoding."""
    return any(part in reason for part in NOT_UTF8)
