"""Addresses of tracking stores: telling SQLite files, and showing one without its password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


# What SQLAlchemy reads as a file of this name, without asking it: it takes a third of a second.
PLAIN_SQLITE = re.compile(r"sqlite:///([^?%:@]+)")

# Where `pawl ui` serves MLflow's pages, unless it is told another port.
PAGES = "http://127.0.0.1:5000"


def parsed(uri: str) -> URL | None:
    """The address as SQLAlchemy reads it; None for a plain path and for what is no address."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(uri)
    except (ArgumentError, ValueError):  # a plain path, or a port that is not a number
        return None


def is_sqlite(uri: str) -> bool:
    """Whether the store is a SQLite database on this machine."""
    if PLAIN_SQLITE.fullmatch(uri):
        return True
    url = parsed(uri)
    return url is not None and url.get_backend_name() == "sqlite"


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for other stores and for one in memory."""
    if plain := PLAIN_SQLITE.fullmatch(uri):
        return Path(plain[1])
    url = parsed(uri)
    return Path(url.database) if url and url.database and is_sqlite(uri) else None


def displayed(uri: str) -> str:
    """The address as messages show it: without password and options."""
    if PLAIN_SQLITE.fullmatch(uri):
        return uri
    url = parsed(uri)
    if url is None:
        return uri.rpartition("@")[2]
    return url.set(query={}).render_as_string(hide_password=True)


def web_address(uri: str) -> str:
    """Where a browser finds a store's pages: its server, else that of `pawl ui`; no password."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return PAGES
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def redacted(text: str, uri: str) -> str:
    """The text of an error, without the password of the address if it quotes it."""
    if PLAIN_SQLITE.fullmatch(uri):
        return text
    text = text.replace(uri, displayed(uri))
    url = parsed(uri)
    for secret in (url.password, url.query.get("password")) if url else ():
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return text
