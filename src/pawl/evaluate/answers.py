"""Kept answers: what was decoded once is not decoded again, if nothing that decides it changed.

Answers are kept a call: one contender's answers to all rows of a split. Decoding is not bit-stable
between batches of other shapes (bench/batching.py), so that a row's answer belongs to its company,
and only the very same call may take it over. Scores are never kept: they are computed from the
answers each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.config.schema import Evaluate
from pawl.core.files import digest_file, digest_json, read_lines, write_lines
from pawl.core.records import to_json
from pawl.evaluate import decode
from pawl.evaluate.decode import Answer
from pawl.model import adapter, base

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# The code that decides an answer, once its prompt tokens are given.
CODE = (decode, base, adapter)


def answer_key(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    policy: Evaluate,
    *,
    base_digest: str,
    adapter_digest: str | None,
) -> str:
    """Digest of all that decides the answers of one call of `greedy`.

    Base (with its tokenizer), adapter, prompts as token ids in their order, decoding parameters,
    the code, the versions of the libraries, and the kind of machine.
    """
    import bitsandbytes
    import peft
    import torch
    import transformers

    device = torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu"
    return digest_json(
        {
            "base": base_digest,
            "adapter": adapter_digest,
            "prompts": [list(prompt) for prompt in prompts],
            "max_new_tokens": policy.max_new_tokens,
            "batch_size": policy.batch_size,
            "code": [digest_file(Path(str(module.__file__))) for module in CODE],
            "versions": [m.__version__ for m in (torch, transformers, peft, bitsandbytes)],
            "machine": [device, str(model.dtype), torch.get_num_threads()],
        }
    )


def kept_or(
    folder: Path | None, key: str, rows: int, decode_now: Callable[[], tuple[Answer, ...]]
) -> tuple[tuple[Answer, ...], bool]:
    """The answers kept under `key`, else those that `decode_now` gives; and whether they were kept.

    Args:
        folder: where answers are kept, one JSON lines file a key; None keeps and takes none.
        rows: how many answers the call has.
    """
    if folder is None:
        return decode_now(), False
    path = folder / f"{key}.jsonl"
    known = _read(path)
    if known is not None and len(known) == rows:
        return known, True
    answers = decode_now()
    write_lines(path, map(to_json, answers))
    return answers, False


def _read(path: Path) -> tuple[Answer, ...] | None:
    """The file's answers, None where there is none that can be read: it is then written anew."""
    kind: TypeAdapter[Any] = TypeAdapter(Answer)
    try:
        return tuple(kind.validate_python(value) for value in read_lines(path))
    except (OSError, ValueError, ValidationError):
        return None
