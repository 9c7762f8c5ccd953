"""Answer cache: what was decoded once is not decoded again while nothing that decides it changes.

The unit is a call: one contender's answers to all rows of a split. Decoding is not bit-stable
between batches of different shapes (bench/batching.py), so that a row's answer depends on the other
rows of its call, and only the very same call may reuse it. Scores are never cached: they are
computed from the answers each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pawl.config.code_digest import scoring_code
from pawl.config.schema import Evaluate
from pawl.core.files import digest_json, read_lines, write_lines
from pawl.core.records import Weights, to_json
from pawl.evaluate.decode import Answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def answer_key(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    policy: Evaluate,
    *,
    base_digest: str,
    adapter_digest: str | None,
    weights: Weights = "dense",
) -> str:
    """Digest of all that decides the answers of one call of `greedy`.

    Base (with its tokenizer), how its weights are held, adapter, prompts as token ids in their
    order, decoding parameters, Pawl's code, the versions of the libraries, and the kind of machine.
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
            "weights": weights,
            "prompts": [list(prompt) for prompt in prompts],
            "max_new_tokens": policy.max_new_tokens,
            "batch_size": policy.batch_size,
            "code": scoring_code(),
            "versions": [m.__version__ for m in (torch, transformers, peft, bitsandbytes)],
            "machine": [device, str(model.dtype), torch.get_num_threads()],
        }
    )


def cached_or_decoded(
    folder: Path | None, key: str, rows: int, decode: Callable[[], tuple[Answer, ...]]
) -> tuple[tuple[Answer, ...], bool]:
    """The answers cached under `key`, else those of `decode`; and whether they were cached.

    Args:
        folder: the cache, one JSON lines file a key; None: neither read nor write one.
        rows: how many answers the call has.
    """
    if folder is None:
        return decode(), False
    path = folder / f"{key}.jsonl"
    cached = _read(path)
    if cached is not None and len(cached) == rows:
        return cached, True
    answers = decode()
    write_lines(path, map(to_json, answers))
    return answers, False


def _read(path: Path) -> tuple[Answer, ...] | None:
    """The file's answers; None if it is absent or damaged, so that it is written anew."""
    kind: TypeAdapter[Any] = TypeAdapter(Answer)
    try:
        return tuple(kind.validate_python(value) for value in read_lines(path))
    except (OSError, ValueError, ValidationError):
        return None
