"""Answer cache: what was decoded once is not decoded again while nothing that decides it changes.

The unit is a row, so that a second gate against the same champion, on rows of which most are known,
decodes what is new. The company in a batch changes the last bits of logits (bench/batching.py): a
near tie may fall the other way in another batch, and the answer that is stored is the one that
counts. Scores are never cached: they are computed from the answers each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from pawl.config.code_digest import scoring_code
from pawl.config.judging import Evaluate
from pawl.core.files import digest_json, read_lines, write_lines
from pawl.core.records import Weights
from pawl.evaluate.drafted import Drafted
from pawl.evaluate.grammar import Grammar

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def contender_key(
    model: PreTrainedModel,
    policy: Evaluate,
    *,
    base_digest: str,
    adapter_digest: str | None,
    judged_by: str | None = None,
    weights: Weights = "dense",
    grammar: Grammar | None = None,
) -> str:
    """Digest of all that decides a contender's answers beside the row.

    Base (with its tokenizer), how its weights are held, adapter, decoding parameters, the metric by
    which an answer is given up early, the grammar that holds it, Pawl's code, the versions of the
    libraries, and the kind of machine.
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
            "max_new_tokens": policy.max_new_tokens,
            "judged_by": judged_by,
            "grammar": grammar.digest if grammar else None,
            "code": scoring_code(),
            "versions": [m.__version__ for m in (torch, transformers, peft, bitsandbytes)],
            "machine": [device, str(model.dtype), torch.get_num_threads()],
        }
    )


def row_key(prompt: Sequence[int], draft: Sequence[int]) -> str:
    """Digest of a row's token ids: of its prompt as shown, and of its reference."""
    return digest_json([list(prompt), list(draft)])


def cached_or_decoded(
    folder: Path | None,
    contender: str,
    rows: Sequence[str],
    decode: Callable[[list[int]], Sequence[Drafted]],
) -> tuple[list[Drafted], bool]:
    """The answer to each row, those that are not cached by `decode`; and whether all were cached.

    Args:
        folder: the cache, one JSON lines file a contender; None: neither read nor write one.
        contender: its key.
        rows: the keys of the rows.
        decode: decodes the rows at these places, in their order.
    """
    path = None if folder is None else folder / f"{contender}.jsonl"
    known = {} if path is None else _read(path)
    missing = [place for place, row in enumerate(rows) if row not in known]
    if missing:
        found = zip(missing, decode(missing), strict=True)
        known |= {rows[place]: answer for place, answer in found}
        if path is not None:
            write_lines(path, ({"row": row, **asdict(answer)} for row, answer in known.items()))
    elif path is not None:
        # The last use: `pawl gc` frees what was not used for longest.
        path.touch()
    return [known[row] for row in rows], not missing


def _read(path: Path) -> dict[str, Drafted]:
    """The file's answers by row; none if it is absent or damaged, so that it is written anew."""
    kind = TypeAdapter(Drafted)
    try:
        return {value.pop("row"): kind.validate_python(value) for value in read_lines(path)}
    except (OSError, ValueError, KeyError, AttributeError, ValidationError):
        return {}
