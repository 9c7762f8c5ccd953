"""Predict a training's peak memory, by part, without running it.

The training's own code takes a step on fake tensors (`pawl.train.fake_model`), and each storage is
counted while it lives: what `torch.cuda.max_memory_allocated` would report.
"""

from __future__ import annotations

import copy
import dataclasses
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.errors import BaseError
from pawl.train.attention import PackLayout
from pawl.train.device import compute_dtype
from pawl.train.fake_model import fake_model, meta_base
from pawl.train.pack import Pack
from pawl.train.passes import ORDER, packed_mode, summed_loss

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# cuBLAS' own workspace, from torch's allocator (Hopper; less on older GPUs).
CUBLAS = 32 << 20
# On CPU the process itself grows: Python's objects, compiled products, their buffers (12 to 34 MiB
# measured, for any base: bench/README.md).
PROCESS = 24 << 20
# Numbers of layers that a deeper base is extrapolated from. The last layer differs from the others
# (`pawl.train.fused`), so that the peak of both must be in another.
SHORT, LONG = 4, 6
LINEARS, TABLES, ADAPTER = "base, linear layers", "embeddings and head", "LoRA and optimiser"
UNPACKED, LOGITS, ACTIVATIONS = "weight being used", "logits", "activations"
PARTS = (LINEARS, TABLES, ADAPTER, UNPACKED, LOGITS, ACTIVATIONS)


@dataclass(frozen=True)
class Load:
    """What memory depends on besides base and parameters: the heaviest train pack and the heaviest
    dev pack (`read`); `several`: a step has more than one pack.
    """

    learned: Pack
    read: Pack
    several: bool


@dataclass(frozen=True)
class Peak:
    """Peak memory in bytes, in total and by part."""

    total: int
    parts: dict[str, int]


def peak(folder: Path, params: Train, load: Load, choices: Choices, *, cuda: bool) -> Peak:
    """The peak memory of training the base in `folder`; needs its config.json alone.

    `cuda`: with the attention of CUDA (`varlen_attn`), else with that of a CPU.

    A deep base is extrapolated from two shorter ones: each layer adds the same at each moment that
    can be the peak.
    """
    base = meta_base(folder, compute_dtype(params, cuda=cuda))
    layers: Any = getattr(base.base_model, "layers", ())
    depth = len(layers)
    if depth <= LONG:
        return _worst(_moments(base, params, load, choices, cuda=cuda))
    base.base_model.layers = layers[:LONG]
    long = _moments(base, params, load, choices, cuda=cuda)
    base = meta_base(folder, base.dtype)
    base.base_model.layers = base.base_model.layers[:SHORT]
    short = _moments(base, params, load, choices, cuda=cuda)
    more = (depth - LONG) / (LONG - SHORT)
    return _worst(
        {
            moment: {
                part: round(parts[part] + more * (parts[part] - short[moment][part]))
                for part in PARTS
            }
            for moment, parts in long.items()
        }
    )


def _moments(
    base: PreTrainedModel, params: Train, load: Load, choices: Choices, *, cuda: bool
) -> dict[str, dict[str, int]]:
    """Peak bytes by part in each phase of a step; `base` is modified."""
    error: Exception | None = None
    # Which passes agree is known once there are weights; some families fail in the fast ones.
    for passes in ORDER[ORDER.index(choices.passes) :]:
        tried = dataclasses.replace(choices, passes=passes)
        try:
            return _counted(copy.deepcopy(base), params, load, tried, cuda=cuda)
        except Exception as failure:  # noqa: BLE001  # slower passes may do without what failed
            error = error or failure
    raise BaseError(
        f"the memory of a base of the family '{base.config.model_type}' cannot be predicted: "
        f"{type(error).__name__}: {error}"[:600],
        rule="a training's step can be taken on tensors without values",
        remedy="name another base (docs/bases.md lists the families that were tried)",
    ) from error


def _counted(
    base: PreTrainedModel, params: Train, load: Load, choices: Choices, *, cuda: bool
) -> dict[str, dict[str, int]]:
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    model = fake_model(base, params, mode, nf4=choices.weights == "nf4")
    weights = [p for p in model.parameters() if p.requires_grad]
    count = _Count(model)
    with mode, count, packed_mode(model, choices):
        model.train()
        halfway = weights[len(weights) // 2].register_post_accumulate_grad_hook(
            lambda _: count.enter("backward")
        )
        for _ in range(2 if load.several else 1):
            loss = summed_loss(model, load.learned, layout=_layout(load.learned, cuda))
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stub has no types here
            halfway.remove()
            count.enter("again")
        model.eval()
        count.enter("read")
        with torch.no_grad():
            summed_loss(model, load.read, layout=_layout(load.read, cuda))
    # The two moments of AdamW, in float32 as the weights are; they appear after the first step.
    trained = sum(map(_bytes, weights))
    # The best weights so far stay in main memory.
    more = 2 * trained + (trained if params.keep == "best" and not cuda else 0)
    for parts in count.worst.values():
        parts[ADAPTER] += more
        parts[ACTIVATIONS] += CUBLAS if cuda else PROCESS
    return count.worst


def _worst(moments: dict[str, dict[str, int]]) -> Peak:
    parts = max(moments.values(), key=lambda parts: sum(parts.values()))
    return Peak(sum(parts.values()), parts)


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Live bytes by part (`now`), and those at the peak of each phase entered (`worst`)."""

    def __init__(self, model: PeftModel) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.now = dict.fromkeys(PARTS, 0)
        self.worst: dict[str, dict[str, int]] = {}
        self.enter("forward")
        self._known: dict[int, weakref.ref[Any]] = {}
        self._words = model.config.get_text_config().vocab_size
        self._slopes = {tuple(p.shape) for p in model.parameters() if p.requires_grad}
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            owner = model.get_submodule(name.rpartition(".")[0])
            part = LINEARS if isinstance(owner, torch.nn.Linear) else TABLES
            part = ADAPTER if value.requires_grad else part
            part = TABLES if owner is model.get_output_embeddings() else part
            for tensor in (value, *_scales(value)):
                self._note(tensor, part)

    def enter(self, phase: str) -> None:
        self.worst[phase] = dict(self.now)
        self._phase, self._most = phase, sum(self.now.values())

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor, self._part(func, args, tensor))
        return out

    def _part(self, func: Any, args: Any, made: torch.Tensor) -> str:
        # W + s B A is the only addmm with a matrix; a layer's bias is a vector.
        if "dequantize" in str(func) or (
            func is torch.ops.aten.addmm.default and args[0].dim() == 2
        ):
            return UNPACKED
        if made.shape[-1:] == (self._words,):
            return LOGITS
        return ADAPTER if tuple(made.shape) in self._slopes else ACTIVATIONS

    def _note(self, tensor: torch.Tensor, part: str) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def gone(_: Any) -> None:
            del self._known[key]
            self.now[part] -= size

        self._known[key] = weakref.ref(storage, gone)
        self.now[part] += size
        # A new peak of this phase.
        total = sum(self.now.values())
        if total > self._most:
            self._most, self.worst[self._phase] = total, dict(self.now)


def _scales(weight: Any) -> list[torch.Tensor]:
    """The quantisation state's tensors of an NF4 weight."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return []
    return [state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code]


def _layout(pack: Pack, cuda: bool) -> PackLayout | None:
    """The pack's layout on CUDA; None: that of the CPU, on which the prediction runs."""
    if not cuda:
        return None
    cu_seqlens = torch.tensor([0, *pack.lengths]).cumsum(0).to(torch.int32)
    return PackLayout(max(pack.lengths), cu_seqlens, pack.read)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
