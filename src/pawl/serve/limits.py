"""What a caller may ask of the server, and how much of it at once."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.core.jsonio import MAX_LINE

# Bytes of a request's body.
BODY = MAX_LINE


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    `batch` prompts are answered at once, as many as `queue` wait. A request ends after `seconds`.
    `prompt` and `answer` are the most tokens of each; an answer has by default as many as were
    judged.
    """

    batch: int = 32
    queue: int = 128
    seconds: float = 60.0
    prompt: int = 4096
    answer: int = 1024
