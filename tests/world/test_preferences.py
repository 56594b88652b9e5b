"""Pairs of answers of known worth, and what any other answer is worth."""

from __future__ import annotations

import pytest

from fledge.world import World
from fledge.world.preferences import preferences, worth


def test_what_any_answer_to_a_pair_is_worth():
    """The pair's own answers, the right one with something around it, and anything else."""
    for row in preferences(World.build("tiny"), 200):
        chosen, rejected = (row[side][-1]["content"] for side in ("chosen", "rejected"))
        if row["utility"][0] != 1.0:
            continue
        assert worth(row, chosen) == 1.0 and worth(row, rejected + "\n") == pytest.approx(row["utility"][1])
        assert worth(row, f"How annoying. {chosen}") == pytest.approx(0.4)
        assert worth(row, f"{chosen} And more.") == pytest.approx(0.7) and worth(row, "") == worth(row, "42!") == 0.0
