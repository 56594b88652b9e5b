import torch
from torch import Tensor


def alibi_bias(num_heads: int, length: int) -> Tensor:
    """What ALiBi adds to causal attention scores: minus slope times distance, -inf for the future -> fp32 [H, T, T]."""
    positions = torch.arange(length)
    distance = positions[:, None] - positions
    bias = -torch.tensor(_slopes(num_heads))[:, None, None] * distance
    return bias.masked_fill(distance < 0, float("-inf"))


def _slopes(num_heads: int) -> list[float]:
    def of_power_of_two(n: int) -> list[float]:
        return [2 ** (-8 * head / n) for head in range(1, n + 1)]

    power = 2 ** (num_heads.bit_length() - 1)  # the largest one that is not above num_heads
    return of_power_of_two(power) + of_power_of_two(2 * power)[0::2][: num_heads - power]
