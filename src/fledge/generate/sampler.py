"""Choosing the next token: the repetition penalty, the draw (`parts.sample`), and the log-probability that is reported.

Which log-probability is reported: `log_softmax(logits / temperature)` at the chosen token, *temperature only*.
Penalty and filters change what is chosen, never what is reported; greedy reports temperature 1. Reinforcement
learning, which samples with a temperature and no filters, gets exactly the log-probability of its own sampling
distribution, and a training forward pass over the same ids reproduces it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.generate.sampling import Sampling
from fledge.parts import REFERENCE, Parts


def next_token(
    logits_BV: Tensor,
    sampling: Sampling,
    uniform_B: Tensor | None = None,
    seen_BV: Tensor | None = None,
    parts: Parts = REFERENCE,
) -> tuple[Tensor, Tensor]:
    """Choose one token a row.

    logits_BV: fp32, unscaled. uniform_B: numbers in [0, 1), needed unless temperature is 0. seen_BV: bool, which
    tokens are already in the row's text, needed when a repetition penalty is set. Returns ids_B (int64) and
    logprobs_B (nats).
    """
    logprobs_BV = torch.log_softmax(logits_BV / (sampling.temperature or 1.0), dim=-1)
    if sampling.repetition_penalty != 1:
        assert seen_BV is not None, "a repetition penalty needs to know what was seen"
        logits_BV = torch.where(seen_BV, penalised(logits_BV, sampling.repetition_penalty), logits_BV)
    if sampling.temperature == 0:
        ids_B = logits_BV.argmax(dim=-1)  # the most probable token passes every filter
    else:
        assert uniform_B is not None, "sampling at a temperature needs random numbers"
        ids_B = parts.sample(
            logits_BV,
            uniform_B,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
        )
    return ids_B, logprobs_BV.gather(-1, ids_B[:, None])[:, 0]


def penalised(logits_BV: Tensor, penalty: float) -> Tensor:
    """CTRL (Keskar et al. 2019, section 4.1), signed as in transformers: always towards less likely."""
    return torch.where(logits_BV < 0, logits_BV * penalty, logits_BV / penalty)
