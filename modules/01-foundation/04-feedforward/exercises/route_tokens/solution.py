import torch


def route_tokens(logits_NE: torch.Tensor, k: int, normalise: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best experts of every word: logits [N, E] -> weights fp32 [N, k], experts int64 [N, k], best first."""
    weights, experts = logits_NE.float().softmax(-1).topk(k, dim=-1)
    if normalise:
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, experts
