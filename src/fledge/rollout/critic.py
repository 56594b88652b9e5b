"""The critic: one number a token, what reward is still to come, read from the policy's own hidden states."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fledge.model.transformer import Transformer


class ValueHead(nn.Module):
    """hidden · weight + bias, 0 at first. It is trained and kept in checkpoints, and left out of the model that is saved."""

    role = "value"  # for the optimizer: a rate of its own

    def __init__(self, hidden_size: int, device: torch.device):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(hidden_size, device=device))
        self.bias = nn.Parameter(torch.zeros(1, device=device))

    def forward(self, hidden_ND: Tensor) -> Tensor:
        """Values [N] in fp32."""
        return hidden_ND.float() @ self.weight + self.bias

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        pass


def add_critic(model: Transformer) -> ValueHead:
    """Give the model a value head, as a part of it: what is a parameter of the model is trained and resumed with it."""
    model.value_head = ValueHead(model.config.hidden_size, model.device)
    return model.value_head
