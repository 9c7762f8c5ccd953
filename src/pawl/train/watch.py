"""What training reports while it runs: curve, progress, a stop at the first number that is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pawl.errors import TrainError

if TYPE_CHECKING:
    from transformers import TrainerCallback


@dataclass
class Curve:
    """Loss, learning rate and gradient norm by step; filled while training runs.

    `tokens` are real tokens (no padding) over all epochs, `seconds` wall time.
    """

    points: list[dict[str, float]] = field(default_factory=list)
    dev_loss: float | None = None
    seconds: float = 0.0
    tokens: float = 0.0
    tokens_per_second: float = 0.0

    def finish(self, *, seconds: float, tokens: float, dev_loss: float) -> None:
        """Set the totals once training is over."""
        self.seconds, self.tokens, self.dev_loss = round(seconds, 2), tokens, dev_loss
        self.tokens_per_second = round(tokens / seconds, 1)


def curve_callback(curve: Curve) -> TrainerCallback:
    """A Trainer callback: fills `curve`, shows a bar with the time left, stops on NaN or infinity.

    It takes the place of the Trainer's own printing.
    """
    from tqdm import tqdm
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            self.bar = tqdm(total=state.max_steps, desc="train", unit="step")

        def on_log(self, _args: Any, state: Any, _control: Any, **more: Any) -> None:
            logs: dict[str, Any] = more.get("logs") or {}
            point = {name: float(logs[name]) for name in NAMES if name in logs}
            if "loss" not in point:
                return
            point["step"] = float(state.global_step)
            odd = [name for name, value in point.items() if not math.isfinite(value)]
            if odd:
                raise TrainError(
                    f"{' and '.join(odd)} at step {state.global_step} is not a finite number",
                    rule="training stops at the first NaN or infinity and leaves no adapter",
                    remedy="lower `train.learning_rate`, or look for broken rows in that batch",
                )
            curve.points.append(point)
            self.bar.set_postfix(loss=f"{point['loss']:.3f}")

        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            self.bar.update(state.global_step - self.bar.n)

        def on_train_end(self, *_args: Any, **_: Any) -> None:
            self.bar.close()

    return Watch()


NAMES = ("loss", "learning_rate", "grad_norm")
