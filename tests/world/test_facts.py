"""The world's truth: the same from the same seed, consistent with itself, and with its held-out parts really apart."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest

from fledge.errors import UserError
from fledge.world import RELATIONS, World
from fledge.world.draw import Draw
from fledge.world.facts import LANGUAGES, MAX_PRICE, OPPOSITE


@pytest.fixture(scope="module", params=["tiny", "small", "large"])
def world(request) -> World:
    return World.build(request.param)


def fingerprint(world: World) -> str:
    rows = [f"{f.subject} {f.relation} {f.object} {f.languages} {f.asked} {f.rare}" for f in world.facts + world.news]
    return hashlib.sha256("\n".join(rows).encode("utf-8")).hexdigest()[:16]


GOLDEN = {"tiny": "801cc32b1542c036", "small": "ae90121076043727", "large": "5df4efd58461e647"}


def test_the_same_seed_gives_the_same_world_everywhere(world):
    assert fingerprint(world) == GOLDEN[world.size]
    assert fingerprint(World.build("small", seed=1)) != GOLDEN["small"]


def test_sizes():
    numbers = {size: len(World.build(size).facts) for size in ("tiny", "small", "large")}
    assert numbers["tiny"] < 100 and 400 <= numbers["small"] <= 600 and numbers["large"] >= 2000
    with pytest.raises(UserError, match=r"tiny, small, large"):
        World.build("huge")


def test_facts_fit_their_relations(world):
    for fact in world.facts:
        relation = RELATIONS[fact.relation]
        assert world.entities[fact.subject].kind == relation.subject
        if relation.object == "number":
            assert fact.object.isdigit()
        else:
            assert world.entities[fact.object].kind == relation.object
    assert len({(f.subject, f.relation) for f in world.facts}) == len(world.facts)
    assert sum(fact.weight for fact in world.facts) == pytest.approx(1)


def test_the_map_is_flat(world):
    """Whoever goes north and then south is back; going north then east leads where east then north does."""
    for place in world.of_kind("place"):
        around = world.neighbours(place.id)
        for direction, there in around.items():
            assert world.get(there, OPPOSITE[direction]) == place.id
        if {"north", "east"} <= around.keys():
            assert world.get(around["north"], "east") == world.get(around["east"], "north")


def test_paths_are_shortest(world):
    places = [place.id for place in world.of_kind("place")][:12]
    for a in places:
        for b in places:
            way = world.path(a, b)
            assert way[0] == a and way[-1] == b
            assert all(there in world.neighbours(here).values() for here, there in pairwise(way))
            assert len(way) == len(world.path(b, a))
            for next_door in world.neighbours(b).values():  # no neighbour of the goal is two steps nearer
                assert len(way) <= len(world.path(a, next_door)) + 1


def test_kinship_agrees(world):
    for fact in world.facts:
        subject, object = world.entities[fact.subject], world.entities.get(fact.object)
        if fact.relation == "spouse":
            assert world.get(fact.object, "spouse") == fact.subject and subject.gender != object.gender
            assert world.get(fact.object, "home") == world.get(fact.subject, "home")
        elif fact.relation == "older":
            assert world.get(fact.object, "younger") == fact.subject
            assert world.get(fact.object, "father") == world.get(fact.subject, "father")
        elif fact.relation in ("father", "mother"):
            assert object.gender == {"father": "m", "mother": "f"}[fact.relation]
            assert world.get(world.get(fact.subject, "father"), "spouse") == world.get(fact.subject, "mother")


def test_names_are_unambiguous(world):
    for lang in LANGUAGES:
        names = [(thing.kind, thing.name(lang)) for thing in world.entities.values()]
        assert len(set(names)) == len(names)
        people = {thing.name(lang) for thing in world.of_kind("person")}
        unknown = {thing.name(lang) for thing in world.unknown}
        assert unknown and not people & unknown


def test_frequencies_follow_a_mild_power_law():
    weights = sorted((fact.weight for fact in World.build("small").facts), reverse=True)
    assert 5 < weights[0] / weights[-1] < 20
    assert weights[-1] > 0.001  # at least 25 mentions among 25,000


def test_held_out_parts(world):
    facts = world.facts
    assert 0.1 < sum(not fact.asked for fact in facts) / len(facts) < 0.15
    single = [fact for fact in facts if len(fact.languages) == 1]
    assert {fact.languages[0] for fact in single} == set(LANGUAGES)
    assert all(fact.asked for fact in single)
    for fact in world.news:
        assert world.get(fact.subject, fact.relation) not in (None, fact.object)
    pairs = [(a, b) for a in range(MAX_PRICE) for b in range(MAX_PRICE)]
    assert all(world.held_out_sum(a, b) == world.held_out_sum(b, a) for a, b in pairs)
    assert 0 < sum(world.held_out_sum(a, b) for a, b in pairs) < len(pairs) / 3


def test_draws_are_even_and_their_bits_exact():
    draw = Draw("test", 1)
    counts = [0] * 3
    for _ in range(6000):
        counts[draw.choose([0, 1, 2], [3, 2, 1])] += 1
    assert counts == pytest.approx([3000, 2000, 1000], rel=0.1)
    one = Draw("bits")
    assert one.choose(["only"]) == "only" and one.bits == 0
    one.choose("abcd")
    assert one.bits == 2
    one.choose("ab", [1, 7])
    assert one.bits in (5, pytest.approx(2.1926, abs=1e-4))
    assert sorted(Draw("s").shuffle(range(20))) == list(range(20)) != Draw("s").shuffle(range(20))
