import torch


def dpo_loss(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    win = beta * (chosen_B - ref_chosen_B)
    lose = beta * (rejected_B - ref_rejected_B)
    return torch.logaddexp(win, lose) - win
