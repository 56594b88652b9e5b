import torch


def sft_targets(ids_T, answer_T):
    nothing = torch.tensor([-100])
    return torch.cat([torch.where(answer_T[1:], ids_T[1:], -100), nothing])
