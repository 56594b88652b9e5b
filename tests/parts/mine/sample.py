import torch


def sample(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    rows = []
    for logits, uniform in zip(logits_BV / temperature, uniform_B):
        if top_k > 0:
            smallest = torch.sort(logits, descending=True).values[min(top_k, len(logits)) - 1]
            logits = torch.where(logits < smallest, -torch.inf, logits)
        if top_p < 1:
            order = torch.argsort(logits)
            beneath = torch.softmax(logits, 0)[order].cumsum(0)
            out = order[:-1][beneath[:-1] <= 1 - top_p]
            logits = logits.index_fill(0, out, -torch.inf)
        if min_p > 0:
            chances = torch.softmax(logits, 0)
            logits = torch.where(chances < min_p * chances.max(), -torch.inf, logits)
        chances = torch.softmax(logits, 0)
        mass = chances.cumsum(0)
        allowed = torch.nonzero(chances > 0)[:, 0]
        reached = torch.nonzero(mass > uniform * mass[-1])[:, 0]
        rows.append(torch.minimum(reached[0], allowed[-1]) if len(reached) else allowed[-1])
    return torch.stack(rows)
