import torch


def clip_gradients(grads, max_norm):
    norm = torch.sqrt(sum(grad.square().sum() for grad in grads))
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    for grad in grads:
        grad *= factor
    return norm
