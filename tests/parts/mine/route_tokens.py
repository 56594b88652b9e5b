import torch


def route_tokens(logits_NE, k, normalise):
    probabilities = torch.softmax(logits_NE.float(), dim=-1)
    experts = probabilities.argsort(dim=-1, descending=True)[:, :k]
    weights = probabilities.gather(1, experts)
    if normalise:
        weights = weights / weights.sum(dim=1, keepdim=True)
    return weights, experts
