"""Pawl's HTML pages: one layout and style, self-contained, without scripts, every text escaped.

A page is looked at as a file, in MLflow's artifact viewer (a frame that may do next to nothing) and
on paper. Its own policy forbids to run or load anything, whatever a text of the data brings in.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pawl.core.visible import visible

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HERE = Path(__file__).parent


def render(folder: Path, template: str, **values: Any) -> str:
    """Return a page made from a template in `folder`, which extends `page.html`; deterministic."""
    found = _environment(folder).get_template(template)
    return found.render(css=_css(), policy=POLICY, **values)


def text_of(text: str) -> str:
    """Escape any text as HTML that can be encoded as UTF-8; controls are shown, not obeyed."""
    return escape(visible(text))


def with_code(text: str) -> Markup:
    """Escape a text of this program; its backquoted parts become code."""
    parts = text_of(text).split("`")
    inner = "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
    return Markup(inner)  # noqa: S704 - escaped above


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = with_code
    return environment


@cache
def _css() -> Markup:
    return Markup((HERE / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own


def _seen(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
