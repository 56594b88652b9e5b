"""Dynamic loss scaling: fp16 gradients underflow below 6e-8, so the loss is multiplied before the backward pass."""

from __future__ import annotations

import torch
from torch import Tensor


class Scaler:
    """Doubles the scale after `growth_interval` good steps, halves it after an overflow (Micikevicius et al., 2018)."""

    def __init__(self, enabled: bool, growth_interval: int = 2000):
        self.enabled = enabled
        self.scale = 2.0**16 if enabled else 1.0
        self.growth_interval = growth_interval
        self.good_steps = 0

    @torch.no_grad()
    def unscale(self, parameters: list[Tensor]) -> bool:
        """Divide the gradients by the scale; return False when one is not finite: this step must be skipped."""
        if not self.enabled:
            return True
        grads = [p.grad for p in parameters if p.grad is not None]
        torch._foreach_mul_(grads, 1 / self.scale)
        finite = all(bool(torch.isfinite(grad).all()) for grad in grads)
        if not finite:
            self.scale, self.good_steps = self.scale / 2, 0
        elif (good := self.good_steps + 1) == self.growth_interval:
            self.scale, self.good_steps = self.scale * 2, 0
        else:
            self.good_steps = good
        return finite

    def state_dict(self) -> dict[str, float]:
        return {"scale": self.scale, "good_steps": self.good_steps}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.scale, self.good_steps = state["scale"], int(state["good_steps"])
