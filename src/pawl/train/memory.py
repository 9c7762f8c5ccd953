"""Predict a training's peak memory, by part, without running it.

The training's own code takes a step on fake tensors (`pawl.train.fake_model`), whose memory is
counted (`pawl.model.live_memory`).
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pawl.config.schema import Train
from pawl.core.records import Choices
from pawl.errors import BaseError
from pawl.model.live_memory import ACTIVATIONS, ADAPTER, CUBLAS, PROCESS, LiveMemory, Peak, peak_of
from pawl.train.attention import PackLayout
from pawl.train.device import compute_dtype
from pawl.train.fake_model import fake_model
from pawl.train.pack import Pack
from pawl.train.passes import ORDER, packed_mode, summed_loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Load:
    """What memory depends on besides base and parameters: the heaviest train pack and the heaviest
    dev pack (`read`); `several`: a step has more than one pack.
    """

    learned: Pack
    read: Pack
    several: bool

    @property
    def shape(self) -> tuple[object, ...]:
        """All of it that memory depends on: lengths of rows, and numbers of targets."""
        sizes = ((pack.lengths, len(pack.at)) for pack in (self.learned, self.read))
        return (*sizes, self.several)


def peak(folder: Path, params: Train, load: Load, choices: Choices, *, cuda: bool) -> Peak:
    """The peak memory of training the base in `folder`; needs its config.json alone.

    `cuda`: with the attention of CUDA (`varlen_attn`), else with that of a CPU.
    """
    return peak_of(
        folder,
        compute_dtype(params, cuda=cuda),
        lambda base: _moments(base, params, load, choices, cuda=cuda),
        of=("training", params, load.shape, choices, cuda),
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
    count = LiveMemory(model)
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


def _layout(pack: Pack, cuda: bool) -> PackLayout | None:
    """The pack's layout on CUDA; None: that of the CPU, on which the prediction runs."""
    if not cuda:
        return None
    cu_seqlens = torch.tensor([0, *pack.lengths]).cumsum(0).to(torch.int32)
    return PackLayout(max(pack.lengths), cu_seqlens, pack.read)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
