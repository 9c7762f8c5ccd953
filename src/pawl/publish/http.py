"""One request to a server that params.yaml names, answered within a time or not at all.

A key goes into one header and nowhere else: redirects are not followed, and errors do not show it.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pawl.errors import PublishError

MOST_BYTES, CHUNK = 1 << 22, 1 << 16
SHOWN = 300  # characters of what a server says


@dataclass(frozen=True)
class Answer:
    """A server's answer: its JSON, or its text where it is none."""

    status: int
    value: Any

    @property
    def said(self) -> str:
        """It as a short text."""
        found = self.value
        if isinstance(found, dict):
            found = found.get("error", found)
            found = found.get("message", found) if isinstance(found, dict) else found
        return f"HTTP {self.status}: {' '.join(str(found).split())[:SHOWN]}"


def ask(
    url: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] = {},
    key: str | None = None,
    timeout: float,
) -> Answer:
    """POST a body of JSON, or GET.

    Raises:
        PublishError: the server cannot be reached, or has not answered within `timeout` seconds.
    """
    more = {"Content-Type": "application/json"} if body is not None else {}
    request = urllib.request.Request(  # noqa: S310  # params.yaml allows http and https alone
        url, data=body, headers={"User-Agent": "pawl", **more, **headers}
    )
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(_NoRedirect)
    end = time.monotonic() + timeout
    try:
        try:
            with opener.open(request, timeout=timeout) as response:
                return Answer(response.status, _value(_read(response, end)))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _value(_read(error, end)))
    except (OSError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", error) or type(error).__name__).split())
        if key:
            reason = reason.replace(key, "***")
        raise PublishError(
            f"{url} does not answer: {reason[:SHOWN]}",
            rule=f"a server answers within {timeout:g} s",
            remedy="see that it runs and can be reached from here; `pawl publish` goes on then",
        ) from None


def _read(response: Any, end: float) -> bytes:
    """The body; a server that sends a byte now and then is late all the same."""
    data = b""
    while len(data) < MOST_BYTES and (chunk := response.read1(CHUNK)):
        data += chunk
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    return data


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer that is refused: the key is for the server that was named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
