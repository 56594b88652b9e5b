import torch


def rms_norm(x, weight, eps):
    wide = x.to(torch.float32)
    size = torch.sqrt((wide * wide).mean(dim=-1, keepdim=True) + eps)
    return (wide / size).to(x.dtype) * weight.to(x.dtype)
