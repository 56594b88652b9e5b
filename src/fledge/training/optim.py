"""Muon for the block matrices, AdamW for everything else, in one optimizer with a plain state.

Muon (Jordan et al., 2024): the momentum of a matrix is replaced by the nearest orthogonal matrix, so that every
direction moves by the same amount. About half the steps of AdamW for less memory.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE, Parts
from fledge.training.config import TrainConfig
from fledge.training.optimizers import OPTIMIZERS, RULES, WIDTH, OptimizerSpec, Role

# Coefficients (a, b, c) of X <- (a + b G + c G²) X with G = X Xᵀ, best for four steps from singular values of 0.001 and more
# (Polar Express; Amsel et al., 2025, arXiv:2505.16932), for matrices MARGIN times as large as those that they are given.
POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
)
MARGIN = 1.01  # so that rounding leaves no singular value above 1, from where the steps diverge


@dataclass
class Group:
    """Parameters of one role, with their rule, rate and decay."""

    role: Role
    rule: str
    lr: float
    weight_decay: float
    parameters: dict[str, Tensor]


def role_of(model: Transformer, module: nn.Module, parameter: Tensor) -> Role:
    """What a parameter is in the model; a head that is tied is the embedding. A module added to it (a critic) says it itself."""
    if role := getattr(module, "role", None):
        return role  # type: ignore[no-any-return]
    if isinstance(module, nn.Embedding):
        return "embedding"
    if module is model.lm_head and parameter.dim() == 2:
        return "head"
    return "matrices" if parameter.dim() == 2 else "vectors"


def parameter_groups(model: Transformer, config: TrainConfig) -> list[Group]:
    """Every parameter that is trained, by role."""
    members: dict[Role, dict[str, Tensor]] = defaultdict(dict)
    seen: set[Tensor] = set()
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                members[role_of(model, module, parameter)][f"{path}.{name}"] = parameter
    recipe = OPTIMIZERS[config.optimizer]
    return [
        Group(
            role,
            recipe.rules[role],
            _rate(recipe, role, model, config),
            config.weight_decay if role in config.decayed else 0.0,
            parameters,
        )
        for role, parameters in members.items()
    ]


def _rate(recipe: OptimizerSpec, role: Role, model: Transformer, config: TrainConfig) -> float:
    setting = recipe.settings[role]
    if role == "embedding" and model.config.tie_word_embeddings:
        setting = recipe.settings["head"]  # tied, it is the head
    rate: float = getattr(config, setting)
    wide = setting != "lr"  # tuned at WIDTH; wider models want smaller ones
    return rate * (WIDTH / model.config.hidden_size) ** 0.5 if wide else rate


def orthogonalise(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Nearest (semi-)orthogonal matrix of each of [N, rows, cols] by polynomial iteration, approximately."""
    x = matrices.to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * MARGIN + 1e-7)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b / MARGIN**3, alpha=c / MARGIN**5)
        x = torch.baddbmm(x, polynomial, x, beta=a / MARGIN)
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
                for slot in RULES[group.rule].slots:
                    self.state[f"{name}/{slot}"] = torch.zeros_like(parameter)

    def parameters(self) -> list[Tensor]:
        return [p for group in self.groups for p in group.parameters.values()]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Update every parameter that has a gradient, then drop the gradients."""
        self.num_steps += 1
        for group in self.groups:
            getattr(self, f"_{group.rule}")(group, group.lr * scale)
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
