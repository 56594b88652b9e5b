import torch


def swiglu(gate, up):
    return gate * torch.sigmoid(gate) * up
