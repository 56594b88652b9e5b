"""The sampling part: which token comes next, given one uniform number a row. B rows, V vocabulary.

The order is that of transformers: temperature, top-k, top-p, min-p; each gives the same kept set.
"""

from __future__ import annotations

import torch
from torch import Tensor

NUCLEUS = 512  # tokens among which top-p is looked for first


def sample(
    logits_BV: Tensor,
    uniform_B: Tensor,
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    """Draw one token id a row, int64 [B], from the filtered softmax(logits / temperature); `uniform_B` lies in [0, 1).

    A pure function: a row's token depends on its own number and logits only, never on its neighbours in the batch.
    """
    return draw(filtered(logits_BV, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p), uniform_B)


def filtered(logits_BV: Tensor, *, temperature: float, top_k: int, top_p: float, min_p: float) -> Tensor:
    """The logits that the draw sees: divided by the temperature, -inf where a filter rules a token out."""
    logits_BV = logits_BV / temperature
    if top_k > 0:
        logits_BV = keep_top_k(logits_BV, top_k)
    if top_p < 1:
        logits_BV = keep_top_p(logits_BV, top_p)
    if min_p > 0:
        logits_BV = keep_min_p(logits_BV, min_p)
    return logits_BV


def keep_top_k(logits_BV: Tensor, k: int) -> Tensor:
    """Rule out what is less likely than the k-th token; ties with it stay."""
    kth_B1 = logits_BV.topk(min(k, logits_BV.shape[-1])).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < kth_B1, -torch.inf)


def keep_top_p(logits_BV: Tensor, p: float) -> Tensor:
    """Nucleus (Holtzman et al. 2019): keep the most likely tokens until their mass reaches p; the one that reaches it stays.

    To sort a large vocabulary takes longer than a step of a small model, and what a model that has learned draws from is
    small: only rows whose nucleus is not within the first `NUCLEUS` tokens are sorted whole.
    """
    if logits_BV.shape[-1] <= NUCLEUS:
        return _sorted_nucleus(logits_BV, p)
    kept_BV, whole_B = _nucleus(logits_BV, p, NUCLEUS)
    if not whole_B.all():
        kept_BV[~whole_B] = _sorted_nucleus(logits_BV[~whole_B], p)
    return kept_BV


def _sorted_nucleus(logits_BV: Tensor, p: float) -> Tensor:
    """Rule out the least likely tokens whose mass together is at most 1 - p."""
    sorted_BV, order_BV = logits_BV.sort(dim=-1)
    drop_BV = sorted_BV.softmax(dim=-1).cumsum(dim=-1) <= 1 - p
    drop_BV[:, -1] = False  # the most likely token stays whatever the rounding
    return logits_BV.masked_fill(torch.empty_like(drop_BV).scatter_(-1, order_BV, drop_BV), -torch.inf)


def _nucleus(logits_BV: Tensor, p: float, size: int) -> tuple[Tensor, Tensor]:
    """The nucleus among the `size` most likely tokens, and for each row whether that is all of it."""
    best_BK, order_BK = logits_BV.topk(size)
    mass_BK = (best_BK - logits_BV.logsumexp(dim=-1, keepdim=True)).exp()
    until_BK = mass_BK.cumsum(dim=-1)
    best_BK = best_BK.where(until_BK - mass_BK < p, -torch.inf)
    return torch.full_like(logits_BV, -torch.inf).scatter(-1, order_BK, best_BK), until_BK[:, -1] >= p


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
