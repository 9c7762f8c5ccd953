"""Whether a new task's baselines can be held to its JSON Schema while they answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.core.records import Example
from pawl.core.records.io import read_value
from pawl.errors import BaseError, ParamsError
from pawl.evaluate.grammar import refuse_unwritable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def schema_decoding(
    schema: Path | None, rows: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the key for the section, if they can be, and what is to be said of it.

    Without it a prompt is beaten where it fails by form alone. `schema` was read before.
    """
    if schema is None:
        return {}, ()
    try:
        refuse_unwritable(read_value(schema), tokenizer, rows)
    except (ParamsError, BaseError) as error:
        return {}, (f"prompts are not held to the schema: {error.found}",)
    return {"schema_decoding": "baselines"}, ("prompts are held to the schema while they answer",)
