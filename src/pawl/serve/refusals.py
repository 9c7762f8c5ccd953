"""Why a request is not answered, in the shape that OpenAI's clients read."""

from __future__ import annotations

from typing import Any

KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Refused(Exception):  # noqa: N818  # an answer, not a fault of the server
    """A request is refused; `retry` are the seconds after which it may be sent again."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry: int | None = None,
    ) -> None:
        # They quote what a caller sent, half surrogate pairs and all.
        self.message, self.param = _sendable(message), _sendable(param) if param else None
        super().__init__(self.message)
        self.status, self.code = status, code
        self.headers = {} if retry is None else {"retry-after": str(retry)}
        if status == 401:
            self.headers["www-authenticate"] = "Bearer"

    @property
    def body(self) -> dict[str, Any]:
        """The error as OpenAI's servers send it."""
        kind = (
            "server_error"
            if self.status >= 500
            else KINDS.get(self.status, "invalid_request_error")
        )
        told = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": told}


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
