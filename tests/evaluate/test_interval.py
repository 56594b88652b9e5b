from __future__ import annotations

import math

import pytest

from fledge.evaluate.interval import Rate, wilson


@pytest.mark.parametrize(
    "correct, n, low, high",
    [  # Newcombe (1998), Statistics in Medicine 17: 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_published_intervals(correct, n, low, high):
    assert wilson(correct, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_symmetric_and_inside_0_and_1():
    low, high = wilson(3, 20)
    assert wilson(17, 20) == (pytest.approx(1 - high), pytest.approx(1 - low))
    assert wilson(20, 20)[1] == 1.0 and wilson(0, 0) == (0.0, 1.0)


def test_nothing_asked_is_not_a_zero():
    assert math.isnan(Rate(0, 0, 0.1).value) and Rate(0, 0, 0.1).to_dict()["value"] is None
