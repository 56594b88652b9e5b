import torch
import torch.nn.functional as F


def feed_forward(x: torch.Tensor, w_gate: torch.Tensor, w_up: torch.Tensor, w_down: torch.Tensor) -> torch.Tensor:
    """SwiGLU feed-forward of x [..., C] with w_gate, w_up [F, C] and w_down [C, F] -> [..., C]."""
    hidden = F.silu(x @ w_gate.T) * (x @ w_up.T)
    return hidden @ w_down.T
