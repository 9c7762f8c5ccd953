"""Loads the base's tokenizer; without torch where its class is certain."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.core.records import BaseInfo, BaseRef
from pawl.errors import BaseError
from pawl.model.chat_template import ChatTemplate
from pawl.model.prompt import bind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# For some architectures (qwen2) transformers overrules the class that the base names. For these
# architectures and this class it does not.
PLAIN, PLAIN_IN = "TokenizersBackend", ("llama",)


def load_tokenizer(folder: Path, base: BaseRef | BaseInfo | None = None) -> PreTrainedTokenizerBase:
    """The base's tokenizer, with padding on the left, as decoding needs it.

    Args:
        folder: the base's files.
        base: has what its chat template is given; None: nothing.

    Raises:
        BaseError: it has no end-of-sequence token, or one that the base's embedding lacks, or it
            is not of the library `tokenizers`.
        ParamsError: the chat template does not read an argument of `base.template`.
    """
    tokenizer = _load(folder)
    words = _words(folder)
    _refuse_unusable(tokenizer, folder.name, words)
    # Padding is masked, so that any token will do that the embedding has.
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= words:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    bind(tokenizer, ChatTemplate(tokenizer, base.template if base else None, _clock(base)))
    return tokenizer


def prompting_as(tokenizer: PreTrainedTokenizerBase, base: BaseInfo) -> PreTrainedTokenizerBase:
    """The tokenizer with the template arguments and the clock that an adapter was trained with."""
    other = copy.copy(tokenizer)
    bind(other, ChatTemplate(other, base.template, base.clock))
    return other


def _clock(base: BaseRef | BaseInfo | None) -> str | None:
    return base.clock if isinstance(base, BaseInfo) else None


def _words(folder: Path) -> float:
    """Rows of the base's embedding; infinite if its config.json does not say."""
    config = _read(folder / "config.json")
    words = config.get("text_config", config).get("vocab_size")
    return words if isinstance(words, int) else math.inf


def _refuse_unusable(tokenizer: PreTrainedTokenizerBase, name: str, words: float) -> None:
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise BaseError(
            f"the tokenizer of {name} has no tokenizer.json",
            rule="texts are read by the library `tokenizers`",
            remedy="convert it: `AutoTokenizer.from_pretrained(..., use_fast=True)` and "
            "`save_pretrained`, or name another base",
        )
    if tokenizer.eos_token_id is None:
        raise BaseError(
            f"the tokenizer of {name} has no end-of-sequence token",
            rule="a model ends its answer with that token",
            remedy="set `eos_token` in its tokenizer_config.json",
        )
    if tokenizer.eos_token_id >= words:
        raise BaseError(
            f"the end-of-sequence token of {name}, {tokenizer.eos_token}, has the number "
            f"{tokenizer.eos_token_id}, and its embedding {words} rows",
            rule="a model ends its answer with that token, which its embedding must have",
            remedy="set `eos_token` in its tokenizer_config.json to one that it has",
        )


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


def end_tokens(model: Any, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end an answer: the tokenizer's, and those of the base's own settings."""
    config: Any = model.generation_config
    named = getattr(config, "eos_token_id", None)
    ends = {int(tokenizer.eos_token_id)}
    if named is not None:
        ends |= set(named) if isinstance(named, list) else {int(named)}
    return ends
