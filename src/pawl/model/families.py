"""The families of models that can be a base at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pawl.errors import BaseError


@contextmanager
def refusing_other_models(folder: Path) -> Iterator[None]:
    """Within this, a family of which transformers has no causal language model is refused.

    Raises:
        BaseError: names the family.
    """
    try:
        yield
    except ValueError as error:
        if "model type" not in str(error).lower():
            raise
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        raise BaseError(
            f"a base of the family '{config.get('model_type')}' is no causal language model that "
            "transformers loads",
            rule="a base is one that `AutoModelForCausalLM` knows",
            remedy="name another base (docs/bases.md lists the families that were tried); of one "
            "that takes images, the language model alone",
        ) from error
