"""The base's tokenizer: what transformers finds, without torch where that is known beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import BaseError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Transformers looks at a base's architecture as well, and for some (qwen2) overrules the class that
# the base names. In one of these, and named plain, it is the plain one.
PLAIN, PLAIN_IN = "TokenizersBackend", ("llama",)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer, padded on the left as decoding needs it."""
    tokenizer = _found(folder)
    if tokenizer.eos_token_id is None:
        raise BaseError(
            f"the tokenizer of {folder.name} has no end-of-sequence token",
            rule="an answer must be able to end",
            remedy="set `eos_token` in its tokenizer_config.json",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def _found(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that transformers' `AutoTokenizer` finds; looking takes torch, and seconds."""
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
