import torch
from torch import Tensor


def gradient_norms(layers: list[Tensor], x: Tensor, target: Tensor) -> Tensor:
    """Norm of the loss gradient of every weight [D, D] in the stack h = relu(h W^T) + h, mean squared error -> fp32 [L]."""
    weights = [layer.detach().requires_grad_() for layer in layers]  # share the numbers, not the gradient
    h = x.detach()
    for weight in weights:
        h = torch.relu(h @ weight.T) + h
    loss = (h - target.detach()).square().mean()
    gradients = torch.autograd.grad(loss, weights)  # unlike backward(), writes no .grad
    return torch.stack([gradient.norm() for gradient in gradients])
