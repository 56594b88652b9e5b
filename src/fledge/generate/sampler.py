"""Choosing the next token: one pure function of the logits, the wishes, and one uniform number a row.

The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p; each gives the same kept set.
The draw inverts the cumulative distribution at the row's uniform number, so a row's tokens depend on its own seed and
logits only, never on its neighbours in the batch.

Which log-probability is reported: `log_softmax(logits / temperature)` at the chosen token, *temperature only*.
Penalty and filters change what is chosen, never what is reported; greedy reports temperature 1. Reinforcement
learning, which samples with a temperature and no filters, gets exactly the log-probability of its own sampling
distribution, and a training forward pass over the same ids reproduces it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.generate.sampling import Sampling


def sample(
    logits_BV: Tensor, sampling: Sampling, uniform_B: Tensor | None = None, seen_BV: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Choose one token a row.

    logits_BV: fp32, unscaled. uniform_B: numbers in [0, 1), needed unless temperature is 0. seen_BV: bool, which
    tokens are already in the row's text, needed when a repetition penalty is set. Returns ids_B (int64) and
    logprobs_B (nats).
    """
    logprobs_BV = torch.log_softmax(logits_BV / (sampling.temperature or 1.0), dim=-1)
    if sampling.repetition_penalty == 1 and not sampling.filters:
        choice_BV = logprobs_BV
    else:
        choice_BV = processed(logits_BV, sampling, seen_BV)
    if sampling.temperature == 0:
        ids_B = choice_BV.argmax(dim=-1)
    else:
        assert uniform_B is not None, "sampling at a temperature needs random numbers"
        ids_B = draw(choice_BV, uniform_B)
    return ids_B, logprobs_BV.gather(-1, ids_B[:, None])[:, 0]


def processed(logits_BV: Tensor, sampling: Sampling, seen_BV: Tensor | None = None) -> Tensor:
    """The logits that the draw sees: penalised, divided by the temperature, -inf where a filter rules a token out."""
    if sampling.repetition_penalty != 1:
        assert seen_BV is not None, "a repetition penalty needs to know what was seen"
        logits_BV = torch.where(seen_BV, penalised(logits_BV, sampling.repetition_penalty), logits_BV)
    if sampling.temperature == 0:
        return logits_BV  # the most probable token passes every filter
    logits_BV = logits_BV / sampling.temperature
    if sampling.top_k > 0:
        logits_BV = keep_top_k(logits_BV, sampling.top_k)
    if sampling.top_p < 1:
        logits_BV = keep_top_p(logits_BV, sampling.top_p)
    if sampling.min_p > 0:
        logits_BV = keep_min_p(logits_BV, sampling.min_p)
    return logits_BV


def penalised(logits_BV: Tensor, penalty: float) -> Tensor:
    """CTRL (Keskar et al. 2019, section 4.1), signed as in transformers: always towards less likely."""
    return torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty)


def keep_top_k(logits_BV: Tensor, k: int) -> Tensor:
    """Rule out what is less likely than the k-th token; ties with it stay."""
    kth_B1 = logits_BV.topk(min(k, logits_BV.shape[-1])).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < kth_B1, -torch.inf)


def keep_top_p(logits_BV: Tensor, p: float) -> Tensor:
    """Nucleus (Holtzman et al. 2019): rule out the least likely tokens whose mass together is at most 1 - p."""
    sorted_BV, order_BV = logits_BV.sort(dim=-1)
    drop_BV = sorted_BV.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    drop_BV[:, -1] = False  # the most likely token stays whatever the rounding
    return logits_BV.masked_fill(torch.empty_like(drop_BV).scatter_(-1, order_BV, drop_BV), -torch.inf)


def keep_min_p(logits_BV: Tensor, min_p: float) -> Tensor:
    """Min-p (Nguyen et al. 2024): rule out tokens less probable than min_p times the most probable one."""
    probs_BV = logits_BV.softmax(dim=-1)
    return logits_BV.masked_fill(probs_BV < min_p * probs_BV.amax(dim=-1, keepdim=True), -torch.inf)


def draw(logits_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """One token a row from softmax(logits): the first whose cumulative probability exceeds the row's uniform number."""
    mass_BV = logits_BV.softmax(dim=-1).cumsum(dim=-1)
    total_B1 = mass_BV[:, -1:].contiguous()
    ids_B1 = torch.searchsorted(mass_BV, uniform_B[:, None] * total_B1, right=True)
    # rounding can lift u * total to total, past the end: the last token that has any probability is the answer then
    return torch.minimum(ids_B1, torch.searchsorted(mass_BV, total_B1))[:, 0]
