"""Loads the base's tokenizer; without torch where its class is certain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import BaseError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# For some architectures (qwen2) transformers overrules the class that the base names. For these
# architectures and this class it does not.
PLAIN, PLAIN_IN = "TokenizersBackend", ("llama",)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer, with padding on the left, as decoding needs it.

    Raises:
        BaseError: it has no end-of-sequence token.
    """
    tokenizer = _load(folder)
    if tokenizer.eos_token_id is None:
        raise BaseError(
            f"the tokenizer of {folder.name} has no end-of-sequence token",
            rule="a model ends its answer with that token",
            remedy="set `eos_token` in its tokenizer_config.json",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def _load(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that `AutoTokenizer` would return, which imports torch and takes seconds."""
    tokenizer: PreTrainedTokenizerBase
    if _is_plain(folder):
        from transformers import TokenizersBackend

        tokenizer = TokenizersBackend.from_pretrained(folder, local_files_only=True)
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    return tokenizer


def _is_plain(folder: Path) -> bool:
    config, tokenizer = (_read(folder / name) for name in ("config.json", "tokenizer_config.json"))
    named = tokenizer.get("tokenizer_class") == PLAIN and "auto_map" not in tokenizer
    return named and config.get("model_type") in PLAIN_IN


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
