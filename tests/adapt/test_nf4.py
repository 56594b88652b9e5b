"""Four bits a number: the codebook is what it is said to be, blocks know only themselves, and errors have a bound."""

from __future__ import annotations

import pytest
import torch

from fledge.adapt.nf4 import BITS, CODEBOOK, NF4, codebook, dequantise, dynamic_codebook, quantise


def test_the_codebook_is_quantiles_of_a_normal_distribution():
    def half(count: int) -> torch.Tensor:
        return torch.special.ndtri(torch.linspace(0.9677083, 0.5, count, dtype=torch.float64)[:-1])

    values = torch.cat((-half(8), torch.zeros(1), half(9))).sort().values
    assert (values / values.max() - codebook()).abs().max() < 1e-6
    assert len(set(CODEBOOK)) == 16 and CODEBOOK[0] == -1 and CODEBOOK[-1] == 1 and 0 in CODEBOOK


def test_the_scales_codebook_has_256_sorted_values_symmetric_but_for_one():
    values = dynamic_codebook()
    assert len(values) == 256 and (values.diff() > 0).all() and values[-1] == 1
    assert torch.equal(values[:127], -values[128:255].flip(0))


@pytest.mark.parametrize("shape", [(64, 64), (100, 70), (3, 5), (1, 1)])
def test_every_number_comes_back_to_within_its_gap(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.02
    q = quantise(weight)
    back = dequantise(q)
    assert back.shape == weight.shape
    # half the widest gap of the codebook, times the block's largest, which eight bits know to a few percent
    assert (back - weight).abs().max() <= weight.abs().max() * (0.5 * (1 - 0.6961928) + 0.05)
    assert 8 * q.nbytes() / weight.numel() < BITS + 0.2 or weight.numel() < 1000


def test_values_of_the_codebook_lose_only_what_their_scale_loses():
    weight = (codebook().repeat(4) * 0.3).view(1, 64)
    assert (dequantise(quantise(weight)) - weight).abs().max() < 1e-7  # one block: its scale is the mean, and exact
    assert torch.equal(dequantise(quantise(torch.zeros(8, 64))), torch.zeros(8, 64))


def test_an_outlier_spoils_its_own_block_alone():
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)) * 0.02
    clean = (dequantise(quantise(weight)) - weight).abs()
    weight[3, 7] = 2.0
    spoilt = (dequantise(quantise(weight)) - weight).abs()
    assert spoilt[3].mean() > 5 * clean[3].mean()
    others = [row for row in range(8) if row != 3]
    assert spoilt[others].mean() < 2 * clean[others].mean()  # they share the scales' quantisation with it


def test_the_first_of_two_stands_in_the_high_half():
    q = quantise(torch.tensor([[-1.0, 1.0] * 32]))
    assert isinstance(q, NF4) and set(q.packed.tolist()) == {0x0F}
