"""NF4 with double quantisation: a weight in about 4.13 bits (QLoRA; Dettmers et al., 2023, arXiv:2305.14314).

Trained weights are about normally distributed. So the 16 values that four bits can name are quantiles of a normal distribution:
each is then used about equally often. Every block of 64 weights is divided by its largest absolute value (`absmax`) and each
weight replaced by the nearest of the 16. The scales would cost 32 / 64 = 0.5 bits a weight; they are quantised again, to eight bits
in blocks of 256, and cost 8 / 64 + 32 / (64 · 256) = 0.127. The layout of the bytes is that of bitsandbytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 64  # weights that share a scale
SCALE_BLOCK = 256  # scales that share theirs
BITS = 4 + 8 / BLOCK + 32 / (BLOCK * SCALE_BLOCK)  # of a weight

# Φ⁻¹ at 8 even steps from p = 0.9677083 down to 1/2 and at 7 on the negative side, 0 itself, all over the largest (QLoRA,
# appendix E). Zero is exact, and both ends are ±1, so that a block's largest weight loses nothing.
CODEBOOK = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


@dataclass
class NF4:
    """A weight in four bits.

    Attributes:
        packed: uint8 [numbers / 2], the first of two in the high half.
        scales: uint8 [blocks], numbers of `dynamic_codebook`.
        scale_of_scales: fp32 [blocks / 256].
        offset: fp32, the mean of the scales, which was taken off before they were quantised.
        shape: of the weight.
    """

    packed: Tensor
    scales: Tensor
    scale_of_scales: Tensor
    offset: Tensor
    shape: tuple[int, ...]

    def nbytes(self) -> int:
        """Bytes of everything that is kept."""
        return sum(x.nbytes for x in (self.packed, self.scales, self.scale_of_scales, self.offset))


def quantise(weight: Tensor) -> NF4:
    """A weight of any shape and dtype in four bits."""
    flat = weight.detach().float().flatten()
    codes, absmax = quantise_blocks(flat, BLOCK, codebook(flat.device))
    offset = absmax.mean()
    scales, scale_of_scales = quantise_blocks(absmax - offset, SCALE_BLOCK, dynamic_codebook(flat.device))
    pairs = torch.nn.functional.pad(codes, (0, codes.numel() % 2)).view(-1, 2)
    return NF4(pairs[:, 0] << 4 | pairs[:, 1], scales, scale_of_scales, offset, tuple(weight.shape))


def dequantise(q: NF4, dtype: torch.dtype = torch.float32) -> Tensor:
    """The weight that `q` stands for."""
    size = torch.Size(q.shape).numel()
    absmax = dequantise_blocks(q.scales, q.scale_of_scales, SCALE_BLOCK, dynamic_codebook(q.packed.device)) + q.offset
    codes = torch.stack((q.packed >> 4, q.packed & 15), dim=1).flatten()[:size]
    return dequantise_blocks(codes, absmax, BLOCK, codebook(q.packed.device)).to(dtype).view(q.shape)


def quantise_blocks(flat: Tensor, block: int, values: Tensor) -> tuple[Tensor, Tensor]:
    """(the nearest of the sorted `values` for every number over its block's largest, uint8 [n]; that largest, fp32 [blocks])."""
    padded = torch.nn.functional.pad(flat, (0, -flat.numel() % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    unit = padded / absmax.clamp(min=torch.finfo(torch.float32).tiny)[:, None]  # a block of zeros stays one
    middles = (values[1:] + values[:-1]) / 2
    return torch.bucketize(unit, middles).to(torch.uint8).flatten()[: flat.numel()], absmax


def dequantise_blocks(codes: Tensor, absmax: Tensor, block: int, values: Tensor) -> Tensor:
    """What `quantise_blocks` took apart: fp32 [n]."""
    padded = torch.nn.functional.pad(codes, (0, -codes.numel() % block)).view(-1, block)
    return (values[padded.int()] * absmax[:, None]).flatten()[: codes.numel()]


def codebook(device: torch.device | str = "cpu") -> Tensor:
    """The 16 values of NF4, sorted, fp32."""
    return torch.tensor(CODEBOOK, device=device)


def dynamic_codebook(device: torch.device | str = "cpu") -> Tensor:
    """The 256 values of a signed dynamic eight-bit number, sorted, fp32 (Dettmers, 2016, arXiv:1511.04561).

    Behind the sign stand zeros that count the power of ten, a one, and what bits are left cut (0.1, 1) into even parts, of which
    the middles are taken: small numbers are exact in their size, large ones in their digits. 0 and 1 are there too.
    """
    values = [0.0, 1.0]
    for bits in range(7):
        edges = torch.linspace(0.1, 1, 2**bits + 1)
        middles = (edges[1:] + edges[:-1]) / 2 * 10.0 ** (bits - 6)
        values += [*middles.tolist(), *(-middles).tolist()]
    return torch.tensor(sorted(values), device=device)
