"""Text of others on a terminal: what a terminal would obey is shown instead.

Data, answers, tags, names and messages of servers may hold escape sequences, which move the cursor,
recolour, rename the window or fill the clipboard, and overrides of the writing direction, which
show other words than are there.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, TextIO

# Controls but tab and line end (C0, DEL, C1), overrides of the direction, hidden annotations and
# tags, half surrogate pairs, which no terminal can encode.
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""Return the text with each such character written out: `\x1b`, `\u202e`."""
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def is_text(text: str) -> bool:
    """Whether UTF-8 can hold it: what a shell passes that is none comes as half surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def visible_json(text: str) -> str:
    r"""Return the same JSON with each such character as JSON escapes it: `\u001b`."""
    return OBEYED.sub(_escaped, text)


def guard_output() -> None:
    """Let nothing that this process prints from now on command the terminal.

    Tables are drawn on the streams beneath (`raw`), by what makes their texts visible itself
    (`pawl.report.console`).
    """
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def raw(stream: TextIO) -> TextIO:
    """The stream beneath a guarded one, or the stream itself."""
    return stream.beneath if isinstance(stream, _Guarded) else stream


class _Guarded:
    """A text stream whose writers' control characters become visible; it is no terminal to them."""

    def __init__(self, stream: TextIO) -> None:
        self.beneath = stream

    def write(self, text: str) -> int:
        # A progress bar begins its line anew.
        lead = "\r" if text.startswith("\r") else ""
        self.beneath.write(lead + visible(text[len(lead) :]))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        # Libraries would colour their logs, and the colours become visible.
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


def _guarded(stream: TextIO | None) -> TextIO:
    if stream is None:
        # Closed by who started the process, as daemons are: Python has no stream then.
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, _Guarded):
        return stream
    # A terminal of another encoding shows what it cannot as escapes, too.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    guarded: Any = _Guarded(stream)
    return guarded  # type: ignore[no-any-return]  # it does all that a TextIO does


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
