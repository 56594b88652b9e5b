"""One small place, drawn from a seed, that we know completely: `World.build()` is its truth, `text.document()` its text."""

from fledge.world.facts import RELATIONS, Entity, Fact, Relation, World

__all__ = ["RELATIONS", "Entity", "Fact", "Relation", "World"]
