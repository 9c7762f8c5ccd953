"""What `pawl new` prints: how the rows are understood, and some of them as the model sees them."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from pawl.core.records.commands import NewTask, Preview
from pawl.report.console import Terminal

# Characters of a part that is shown; of a longer one its two ends are.
SHOWN = 300
# Around what is taught, for terminals without colours, and readers who do not see them.
TAUGHT = ("[[", "]]")


def show_new_task(new: NewTask, *, console: Terminal) -> None:
    """Print how the rows are read, three of them with what is taught in brackets, what is next."""
    for line in new.understood:
        console.print(Padding(line, (0, 0, 0, 2), expand=False), highlight=False)
    recipe = f"recipe: {new.recipe}"
    console.print(Padding(recipe, (0, 0, 0, 2), expand=False), highlight=False)
    if new.preview:
        console.print("as the model sees them; it is taught what is between [[ and ]]:")
    for row in new.preview:
        says = f"  {row.id}: {row.tokens:,} tokens, {row.taught:,} taught"
        console.print(Text(says, "bold"))
        console.print(Padding(_text(row), (0, 0, 0, 4), expand=False))
    console.print(f"task '{new.task}' added to params.yaml; next: pawl run {new.task}")


def _text(row: Preview) -> Text:
    text = Text()
    for part in row.parts:
        if part.taught:
            text.append(f"{TAUGHT[0]}{_cut(part.text)}{TAUGHT[1]}", "green")
        else:
            text.append(_cut(part.text), "dim")
    return text


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"
