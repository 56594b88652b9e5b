"""The judge of the sample conversation: what is right passes in every world, what is nearly right does not."""

from __future__ import annotations

import pytest

from fledge.world import World, smalltalk
from fledge.world.instructions import OTHER
from fledge.world.questions import answer
from fledge.world.sample import QUESTIONS, sample


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_only_right_answers_are_right(size, lang):
    for seed in range(20):
        world = World.build(size, seed)
        asked = sample(world, lang)
        assert len(asked) == len(QUESTIONS[lang])
        told = {answer(world, fact, language, n) for fact in world.facts for language in ("zh", "en") for n in (0, 1)}
        who, home, job, animals, across, stranger = (one.right for one in asked)
        for right in (home, job, across):
            assert 1 <= sum(map(right, told)) <= 2  # one fact in one language, in its two ways
        assert all(map(who, smalltalk.WHO[lang][1])) and not any(map(who, smalltalk.WHO[OTHER[lang]][1]))
        assert all(map(stranger, smalltalk.UNKNOWN[lang])) and not any(map(stranger, told))
        one, two, three = ((thing.zh if lang == "zh" else thing.many) for thing in world.of_kind("animal")[:3])
        person = world.of_kind("person")[0].name(lang)
        form = "{}、{}和{}。" if lang == "zh" else "{}, {} and {}."
        assert animals(form.format(one, two, three))
        assert not animals(form.format(one, two, two)) and not animals(form.format(one, two, person))
