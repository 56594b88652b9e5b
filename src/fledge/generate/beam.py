"""Beam search: keep the `num_beams` best unfinished texts, and return the best finished one.

The bookkeeping (candidates a step, which of them may finish, when to stop) is that of transformers with
`early_stopping=False`, so the answers are the same.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fledge.generate.cache import StaticCache


class Beam(NamedTuple):
    ids: list[int]
    logprobs: list[float]
    score: float  # sum of logprobs; for a finished beam divided by length ** length_penalty


@torch.inference_mode()
def beam_search(
    model: Any, prompt: list[int], stop_ids: Set[int], room: int, num_beams: int, length_penalty: float = 1.0
) -> tuple[list[int], list[float]]:
    """Return the ids (at most `room`, the stop token included) of the best answer, and their log-probabilities."""
    device = next(model.parameters()).device
    cache = StaticCache(model.config, num_beams, len(prompt) + room - 1)
    # of every K x V continuations look at so many that K unfinished ones are left even if every beam could end in
    # every way
    num_candidates = max(2, 1 + len(stop_ids)) * num_beams
    beams, finished = [Beam([], [], 0.0)], list[Beam]()
    logits_KV = _run(model, [prompt], cache, device)
    for length in range(1, room + 1):
        logprobs_KV = torch.log_softmax(logits_KV, dim=-1)
        totals_KV = logprobs_KV + torch.tensor([beam.score for beam in beams], device=device)[:, None]
        scores, places = totals_KV.flatten().topk(min(num_candidates, totals_KV.numel()))
        running: list[tuple[int, Beam]] = []
        for rank, (score, place) in enumerate(zip(scores.tolist(), places.tolist())):
            parent, token = divmod(place, totals_KV.shape[1])
            beam = beams[parent]
            grown = Beam([*beam.ids, token], [*beam.logprobs, float(logprobs_KV[parent, token])], score)
            if token in stop_ids or length == room:
                if rank < num_beams:  # the rest are spares for the running beams, not good enough to end
                    finished.append(grown._replace(score=score / length**length_penalty))
            elif len(running) < num_beams:
                running.append((parent, grown))
        finished = sorted(finished, key=lambda beam: -beam.score)[:num_beams]
        beams = [beam for _, beam in running]
        if not beams:
            break
        # transformers' heuristic: the best running beam, were it to end now, would not beat the worst finished one
        if len(finished) == num_beams and beams[0].score / length**length_penalty <= finished[-1].score:
            break
        cache.select([parent for parent, _ in running])
        logits_KV = _run(model, [beam.ids[-1:] for beam in beams], cache, device)
    return finished[0].ids, finished[0].logprobs


def _run(model: Any, ids: list[list[int]], cache: StaticCache, device: torch.device) -> Tensor:
    """Feed the same number of tokens to every row; return the logits [K, V] after the last."""
    ids_KT = torch.tensor(ids, device=device)
    positions_KT = (cache.length + torch.arange(ids_KT.shape[1], device=device)).expand(len(ids), -1)
    x_KTD = model.hidden(ids_KT, positions_BT=positions_KT, cache=cache)
    return model.head(x_KTD[:, -1:])[:, 0].float()
