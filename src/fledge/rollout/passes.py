"""A pass over packed rows of episodes: log-probabilities of the chosen tokens, and the loss of a chunk of their logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fledge.rollout.batch import RolloutBatch
from fledge.rollout.policy import k3
from fledge.training.losses import chunked_loss, learnt_positions
from fledge.training.objective import Metrics


def places_of(batch: RolloutBatch, device: torch.device) -> tuple[Tensor | slice, Tensor]:
    """(where in the flattened rows tokens were chosen, those tokens [N])."""
    return learnt_positions(batch.targets_BT, device)


def chosen_logprobs(logits_NV: Tensor, targets_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(log-probability of the chosen tokens [N], of all [N, V]) in fp32, at the temperature of the sampling."""
    all_NV = torch.log_softmax(logits_NV.float() / temperature, -1)
    return all_NV.gather(-1, targets_N[:, None])[:, 0], all_NV


@torch.no_grad()
def logprobs(model: Any, hidden_ND: Tensor, targets_N: Tensor, temperature: float) -> Tensor:
    """Log-probabilities [N] of the chosen tokens, from the hidden states before them: by the same products as in training."""
    found = torch.empty(len(targets_N), device=hidden_ND.device)

    def keep(logits_NV: Tensor, part: slice) -> Tensor:
        found[part] = chosen_logprobs(logits_NV, targets_N[part], temperature)[0]
        return found.new_zeros(())

    chunked_loss(hidden_ND, model.lm_head.weight, keep)
    return found


class Look:
    """The summed loss of a chunk of logits; on the way, what the policy looks like."""

    def __init__(self, learner: Any, targets_N: Tensor, column: dict[str, Tensor]) -> None:
        self.learner, self.targets_N, self.column = learner, targets_N, column
        self.sums: dict[str, Tensor] = {}

    def __call__(self, logits_NV: Tensor, part: slice) -> Tensor:
        config = self.learner.config
        column = {name: values[part] for name, values in self.column.items()}
        logp_N, all_NV = chosen_logprobs(logits_NV, self.targets_N[part], config.temperature)
        column.setdefault("old", logp_N.detach())
        loss_N, clipped_N = self.learner.token_loss(logp_N, column)
        with torch.no_grad():
            self._add("entropy", -(all_NV.exp() * all_NV).sum())
            self._add("clipped", clipped_N.sum())
        if "reference" in column:
            kl_N = k3(logp_N, column["reference"])
            self._add("kl", kl_N.detach().sum())
            loss_N = loss_N + config.beta * kl_N
        return (loss_N * column["weight"]).sum()

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums.get(name, torch.zeros((), device=value.device)) + value

    def metrics(self) -> Metrics:
        """Means over the tokens: entropy and KL in nats, the share that was clipped."""
        return {name: (value, len(self.targets_N)) for name, value in self.sums.items()}
