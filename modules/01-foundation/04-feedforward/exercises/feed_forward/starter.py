import torch


def feed_forward(x: torch.Tensor, w_gate: torch.Tensor, w_up: torch.Tensor, w_down: torch.Tensor) -> torch.Tensor:
    """SwiGLU feed-forward of x [..., C] with w_gate, w_up [F, C] and w_down [C, F] -> [..., C]."""
    raise NotImplementedError
