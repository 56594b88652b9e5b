import torch


def cross_entropy(logits_NV, targets_N):
    logits = logits_NV.float()
    learnt = targets_N != -100
    chosen = logits[learnt].gather(1, targets_N[learnt][:, None])[:, 0]
    return (torch.logsumexp(logits[learnt], dim=1) - chosen).sum()
