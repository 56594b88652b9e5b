"""Losses over hidden states that never build the whole [N, V] logits.

At vocabulary 151,936 the fp32 logits of 1,000 tokens are 594 MiB, and their gradient is as much again. Here a chunk of
positions goes through head and loss at a time, and its gradients are taken at once, so that no logits outlive their chunk.
The idea is Liger-Kernel's (Hsu et al., 2024), in plain torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.parts import REFERENCE, Parts

MAX_LOGITS = 2**24  # elements of one chunk: 64 MiB in fp32


def chunk_size(vocab_size: int) -> int:
    """Positions per chunk."""
    return max(64, MAX_LOGITS // vocab_size)


LossOfChunk = Callable[[Tensor, slice], Tensor]
"""(logits of some positions [n, V], which of the N positions they are) -> their summed loss."""


class _Chunked(torch.autograd.Function):
    """Forward computes the loss and, chunk by chunk, both gradients; backward only scales them. A frozen head has none."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, loss_of: LossOfChunk) -> Tensor:
        total = torch.zeros((), device=hidden_ND.device)
        grad_hidden = torch.empty_like(hidden_ND)
        trained = ctx.needs_input_grad[1]
        grad_weight = torch.zeros_like(weight_VD, dtype=torch.float32) if trained else None
        head = weight_VD.detach().to(hidden_ND.dtype).requires_grad_(trained)
        for part in _chunks(hidden_ND, weight_VD):
            with torch.enable_grad():
                chunk = hidden_ND[part].detach().requires_grad_()
                loss = loss_of(F.linear(chunk, head), part)
                grad_chunk, *grad_head = torch.autograd.grad(loss, (chunk, head) if trained else (chunk,))
            total += loss.detach()
            grad_hidden[part] = grad_chunk
            if grad_weight is not None:
                grad_weight += grad_head[0]
        ctx.save_for_backward(grad_hidden, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grads[0], None if grad_weight is None else grad_weight * grads[0], None


def _chunks(hidden_ND: Tensor, weight_VD: Tensor) -> Iterator[slice]:
    size = chunk_size(weight_VD.shape[0])
    return (slice(i, i + size) for i in range(0, hidden_ND.shape[0], size))


def chunked_loss(hidden_ND: Tensor, weight_VD: Tensor, loss_of: LossOfChunk) -> Tensor:
    """The sum of `loss_of` over the logits `hidden @ weight.T`, a chunk of positions at a time; it must be a sum over them."""
    if torch.is_grad_enabled() and hidden_ND.requires_grad:
        return _Chunked.apply(hidden_ND, weight_VD, loss_of)  # type: ignore[no-any-return]
    total = torch.zeros((), device=hidden_ND.device)
    for part in _chunks(hidden_ND, weight_VD):
        total += loss_of(F.linear(hidden_ND[part], weight_VD.to(hidden_ND.dtype)), part)
    return total


def learnt_positions(targets_BT: Tensor, device: torch.device) -> tuple[Tensor | slice, Tensor]:
    """(where in the flattened batch something is learnt, the targets there [N]), on `device`; prompts and padding cost nothing.

    `targets_BT` may lie on the CPU: which of them count is then known without waiting for the GPU.
    """
    targets_N = targets_BT.flatten()
    keep = targets_N != -100
    if keep.all():
        return slice(None), targets_N.to(device, non_blocking=True)
    places = keep.nonzero().squeeze(1)
    return places.to(device, non_blocking=True), targets_N[places].to(device, non_blocking=True)


def linear_cross_entropy(hidden_BTD: Tensor, weight_VD: Tensor, targets_BT: Tensor, parts: Parts = REFERENCE) -> Tensor:
    """Sum of -log p(target) in nats, equal to `cross_entropy(hidden @ weight.T, targets)`; -100 counts nothing."""
    places, targets_N = learnt_positions(targets_BT, hidden_BTD.device)
    return chunked_loss(
        hidden_BTD.flatten(0, 1)[places],
        weight_VD,
        lambda logits, part: parts.cross_entropy(logits, targets_N[part]),
    )


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
