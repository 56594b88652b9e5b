import torch
import torch.nn.functional as F


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up, element by element; shape and dtype of the inputs."""
    return F.silu(gate) * up  # silu is one kernel: it keeps no sigmoid for the backward pass
