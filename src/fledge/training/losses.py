"""Losses over hidden states that never build the whole [N, V] logits.

At vocabulary 151,936 the fp32 logits of 1,000 tokens are 594 MiB, and their gradient is as much again. Here a chunk of
positions goes through head and loss at a time, and its gradients are taken at once, so that no logits outlive their chunk.
The idea is Liger-Kernel's (Hsu et al., 2024), in plain torch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.parts import REFERENCE, Parts

MAX_LOGITS = 2**24  # elements of one chunk: 64 MiB in fp32


def chunk_size(vocab_size: int) -> int:
    """Positions per chunk."""
    return max(64, MAX_LOGITS // vocab_size)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Forward computes the loss and, chunk by chunk, both gradients; backward only scales them. A frozen head has none."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, parts: Parts) -> Tensor:
        total = torch.zeros((), device=hidden_ND.device)
        grad_hidden = torch.empty_like(hidden_ND)
        trained = ctx.needs_input_grad[1]
        grad_weight = torch.zeros_like(weight_VD, dtype=torch.float32) if trained else None
        head = weight_VD.detach().to(hidden_ND.dtype).requires_grad_(trained)
        size = chunk_size(weight_VD.shape[0])
        for i in range(0, hidden_ND.shape[0], size):
            with torch.enable_grad():
                chunk = hidden_ND[i : i + size].detach().requires_grad_()
                loss = parts.cross_entropy(F.linear(chunk, head), targets_N[i : i + size])
                grad_chunk, *grad_head = torch.autograd.grad(loss, (chunk, head) if trained else (chunk,))
            total += loss.detach()
            grad_hidden[i : i + size] = grad_chunk
            if grad_weight is not None:
                grad_weight += grad_head[0]
        ctx.save_for_backward(grad_hidden, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grads[0], None if grad_weight is None else grad_weight * grads[0], None, None


def linear_cross_entropy(hidden_BTD: Tensor, weight_VD: Tensor, targets_BT: Tensor, parts: Parts = REFERENCE) -> Tensor:
    """Sum of -log p(target) in nats, equal to `cross_entropy(hidden @ weight.T, targets)`; -100 counts nothing.

    `targets_BT` may lie on the CPU: which of them count is then known without waiting for the GPU.
    """
    hidden_ND, targets_N = hidden_BTD.flatten(0, 1), targets_BT.flatten()
    keep = targets_N != -100
    if not keep.all():  # prompts and padding cost nothing
        places = keep.nonzero().squeeze(1)
        hidden_ND, targets_N = hidden_ND[places.to(hidden_ND.device, non_blocking=True)], targets_N[places]
    targets_N = targets_N.to(hidden_ND.device, non_blocking=True)
    if torch.is_grad_enabled() and hidden_ND.requires_grad:
        return _ChunkedCrossEntropy.apply(hidden_ND, weight_VD, targets_N, parts)  # type: ignore[no-any-return]
    total = torch.zeros((), device=hidden_ND.device)
    size = chunk_size(weight_VD.shape[0])
    for i in range(0, hidden_ND.shape[0], size):
        logits = F.linear(hidden_ND[i : i + size], weight_VD.to(hidden_ND.dtype))
        total += parts.cross_entropy(logits, targets_N[i : i + size])
    return total


@torch.no_grad()
def token_nll(hidden_BTD: Tensor, weight_VD: Tensor, targets_BT: Tensor) -> Tensor:
    """-log p(target) of every position in nats, fp32 [B, T]; 0 where the target is -100. For measuring, not training."""
    hidden_ND, targets_N = hidden_BTD.flatten(0, 1), targets_BT.flatten()
    size = chunk_size(weight_VD.shape[0])
    weight = weight_VD.to(hidden_ND.dtype)
    parts = [
        F.cross_entropy(
            F.linear(hidden_ND[i : i + size], weight).float(),
            targets_N[i : i + size],
            ignore_index=-100,
            reduction="none",
        )
        for i in range(0, hidden_ND.shape[0], size)
    ]
    return torch.cat(parts).view_as(targets_BT)
