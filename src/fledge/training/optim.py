"""Muon for the block matrices, AdamW for everything else, in one optimizer with a plain state.

Muon (Jordan et al., 2024): the momentum of a matrix is replaced by the nearest orthogonal matrix, so that every
direction moves by the same amount. About half the steps of AdamW for less memory.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE, Parts
from fledge.training.config import TrainConfig

# Coefficients of the quintic iteration (Jordan et al.): steep at 0, so that five steps bring every singular value near 1.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@dataclass
class Group:
    """Parameters that share a rate and a rule ("muon" or "adamw")."""

    name: str
    rule: str
    lr: float
    weight_decay: float
    parameters: dict[str, Tensor]


def parameter_groups(model: Transformer, config: TrainConfig) -> list[Group]:
    """Split the trainable parameters into matrices, embedding, head, and vectors (norms and biases)."""
    members: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if "embed_tokens" in name:
            members["embedding"][name] = parameter
        elif name == "lm_head.weight":
            members["head"][name] = parameter
        elif parameter.dim() == 2:
            members["matrices"][name] = parameter
        else:
            members["vectors"][name] = parameter
    muon = config.optimizer == "muon"
    width = (256 / model.config.hidden_size) ** 0.5  # AdamW's rates were tuned at 256; wider models want smaller ones
    embedding = config.head_lr if model.config.tie_word_embeddings else config.embed_lr  # tied, it is the head
    rates = {
        "matrices": config.lr,
        "embedding": embedding * width,
        "head": config.head_lr * width,
        "vectors": config.norm_lr * width,
    }
    return [
        Group(
            name,
            "muon" if muon and name == "matrices" else "adamw",
            rates[name] if muon else config.lr,
            config.weight_decay if name == "matrices" or config.parity else 0.0,
            parameters,
        )
        for name, parameters in members.items()
    ]


def orthogonalise(matrices: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Nearest (semi-)orthogonal matrix of each of [N, rows, cols] by Newton-Schulz iteration, approximately."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(gram, gram, gram, beta=b, alpha=c) @ x
    return x.mT if tall else x


class Optimizer:
    """Steps every group; `scale` is the schedule's multiplier. `state` maps names to tensors, so it saves as safetensors."""

    def __init__(self, model: Transformer, config: TrainConfig, parts: Parts = REFERENCE):
        self.groups = parameter_groups(model, config)
        self.config = config
        self.parts = parts
        self.dtype = model.compute_dtype
        self.num_steps = 0
        self.state: dict[str, Tensor] = {}
        for group in self.groups:
            for name, parameter in group.parameters.items():
                slots = ("momentum",) if group.rule == "muon" else ("exp_avg", "exp_avg_sq")
                for slot in slots:
                    self.state[f"{name}/{slot}"] = torch.zeros_like(parameter)

    def parameters(self) -> list[Tensor]:
        return [p for group in self.groups for p in group.parameters.values()]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Update every parameter that has a gradient, then drop the gradients."""
        self.num_steps += 1
        for group in self.groups:
            if group.rule == "muon":
                self._muon(group, group.lr * scale)
            else:
                self._adamw(group, group.lr * scale)
        for parameter in self.parameters():
            parameter.grad = None

    def _adamw(self, group: Group, lr: float) -> None:
        for name, parameter in group.parameters.items():
            if parameter.grad is None:
                continue
            self.parts.adamw_step(
                parameter,
                parameter.grad,
                self.state[f"{name}/exp_avg"],
                self.state[f"{name}/exp_avg_sq"],
                self.num_steps,
                lr=lr,
                beta1=self.config.beta1,
                beta2=self.config.beta2,
                eps=1e-8,
                weight_decay=group.weight_decay,
            )

    def _muon(self, group: Group, lr: float) -> None:
        by_shape: dict[tuple, list[str]] = defaultdict(list)
        for name, parameter in group.parameters.items():
            if parameter.grad is not None:
                by_shape[tuple(parameter.shape)].append(name)
        mu = self.config.momentum
        for (rows, cols), names in by_shape.items():  # same shapes go through one batched product
            directions = []
            for name in names:
                grad = group.parameters[name].grad
                assert grad is not None
                momentum = self.state[f"{name}/momentum"].lerp_(grad, 1 - mu)
                directions.append(grad.lerp(momentum, mu))
            updates = orthogonalise(torch.stack(directions), self.dtype).float()
            for name, update in zip(names, updates):
                parameter = group.parameters[name]
                parameter.mul_(1 - lr * group.weight_decay)
                parameter.add_(update, alpha=-lr * max(1.0, rows / cols) ** 0.5)

    def state_dict(self) -> dict[str, Any]:
        return {"num_steps": self.num_steps, "state": self.state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.num_steps = saved["num_steps"]
        for name, tensor in self.state.items():
            tensor.copy_(saved["state"][name])

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None
