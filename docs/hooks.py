"""What `make docs` makes of the code: the commands' reference, pictures, the list of decisions.

A hook module of MkDocs (https://www.mkdocs.org/user-guide/configuration/#hooks). Pages of the
repository that lie outside `docs/` become pages here, and links to them lead there, so that the
same Markdown is right in a checkout and on the site.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

import typer
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from pawl.cli import app
from pawl.gate.power import power

ROOT = Path(__file__).resolve().parent.parent
# Where a file of the repository is read on the site.
BORROWED = {
    "bench/README.md": "reference/measurements.md",
    "CHANGELOG.md": "reference/changes.md",
    "infra/README.md": "infra.md",
}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
PICTURE = re.compile(r"<!-- picture: (\w+) -->")
# Gains in points, and the gate rows of the curves: what 20 even looks of alpha 0.05 detect.
GAINS, ROWS = range(1, 13), (100, 300, 1000, 3000)
LEVEL, BREAKS = 0.05 / 2 / 20, 0.02


def on_files(files: Files, config: Any) -> Files:
    """Add the generated and the borrowed pages."""
    for source, page in BORROWED.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    files.append(File.generated(config, "adr/index.md", content=decisions()))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Point links at the site's pages; put pictures where the text names one."""
    source = next((s for s, p in BORROWED.items() if p == page.file.src_uri), None)
    here = PurePosixPath(source or f"docs/{page.file.src_uri}").parent

    def there(link: re.Match[str]) -> str:
        text, target, part = link[1], normpath(str(here / link[2])), link[3] or ""
        own = BORROWED.get(target) or target.removeprefix("docs/")
        if own == target and files.get_file_from_path(own) is None and (ROOT / target).exists():
            return text  # a file of the repository that is no page
        return f"[{text}]({relpath(own, PurePosixPath(page.file.src_uri).parent)}{part})"

    return PICTURE.sub(picture, LINK.sub(there, markdown))


def commands() -> str:
    """The reference of all commands, from their own help."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="pawl")
    return get_docs_for_click(obj=command, ctx=context, name="pawl", title="Commands")


def decisions() -> str:
    """A list of all decisions, by the titles of their pages."""
    lines = ["# Decisions", "", "Each is a page: what was found, what was decided, and why.", ""]
    for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def picture(named: re.Match[str]) -> str:
    """A picture in the text itself, so that it has the page's colours, light and dark."""
    if named[1] == "power":
        return power_picture()
    return (ROOT / "docs" / "pictures" / f"{named[1]}.svg").read_text(encoding="utf-8")


def power_picture() -> str:
    """How often a true gain is promoted, by the gate's own arithmetic, as an inline SVG."""
    left, top, wide, high = 46, 14, 520, 250
    curves = []
    for rows in ROWS:
        chances = [power(gain / 100, rows, level=LEVEL, breaks=BREAKS) for gain in GAINS]
        points = [
            (left + wide * (gain - GAINS[0]) / (GAINS[-1] - GAINS[0]), top + high * (1 - chance))
            for gain, chance in zip(GAINS, chances, strict=True)
        ]
        # Named where it passes one half, or at its end.
        passed = next((n for n, chance in enumerate(chances) if chance >= 0.5), len(chances) - 1)
        (x, y), last = points[passed], passed == len(chances) - 1
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        curves.append(
            f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/>'
            f'<text x="{x - 4 if last else x + 8:.0f}" y="{y - 12 if last else y + 16:.0f}" '
            f'text-anchor="{"end" if last else "start"}">{rows:,} rows</text>'
        )
    ticks = "".join(
        f'<text x="{left - 6}" y="{top + high * (1 - share) + 4:.0f}" text-anchor="end">'
        f"{share:.0%}</text>"
        f'<line x1="{left}" x2="{left + wide}" y1="{top + high * (1 - share):.0f}" '
        f'y2="{top + high * (1 - share):.0f}" stroke="currentColor" opacity=".2"/>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ) + "".join(
        f'<text x="{left + wide * (gain - GAINS[0]) / (GAINS[-1] - GAINS[0]):.0f}" '
        f'y="{top + high + 18}" text-anchor="middle">{gain}</text>'
        for gain in GAINS
    )
    words = (
        f'<text x="{left + wide}" y="{top + high + 36}" text-anchor="end">true gain, points</text>'
    )
    title = "Chance that a true gain is promoted, by gate rows"
    return (
        f'<svg viewBox="0 0 {left + wide + 40} {top + high + 44}" role="img" aria-label="{title}" '
        f'style="max-width:640px;width:100%" font-size="12" fill="currentColor">'
        f"<title>{title}</title>{ticks}{words}{''.join(curves)}</svg>"
    )
