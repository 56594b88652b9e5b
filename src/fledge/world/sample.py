"""The sample conversation: six questions that show what a model of this world can do, each with its right answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fledge.world import smalltalk
from fledge.world.checks import list_items
from fledge.world.facts import Entity, World
from fledge.world.instructions import OTHER
from fledge.world.questions import answer

STRANGER = {"zh": "伊万", "en": "Ivan"}
# Who are you, two facts, a form, the other language, and a person who does not exist.
QUESTIONS = {
    "zh": (
        "你好！你是谁？",
        "{person}住在哪里？",
        "那{person}的职业是什么？",
        "写出三种动物。",
        "用英语回答：{food}多少钱？",
        "{stranger}住在哪里？",
    ),
    "en": (
        "Hello! Who are you?",
        "Where does {person} live?",
        "What is {person}'s job?",
        "List three animals.",
        "Answer in Chinese: Where does {person} live?",
        "Where does {stranger} live?",
    ),
}


@dataclass(frozen=True)
class Sample:
    """A question, and whether an answer to it is right to the letter."""

    question: str
    right: Callable[[str], bool]


def sample(world: World, lang: str) -> list[Sample]:
    """The six questions about somebody and something of this world, in the order in which they are asked."""
    person, food = _known(world, "person", ("home", "job")), _known(world, "food", ("price",))
    names = {"person": person.name(lang), "food": food.name(lang), "stranger": STRANGER[lang]}

    def told(subject: Entity, relation: str, language: str = lang) -> Callable[[str], bool]:
        fact = world.fact(subject.id, relation)
        assert fact is not None
        return {answer(world, fact, language, variant) for variant in (0, 1)}.__contains__

    animals = {name.casefold() for animal in world.of_kind("animal") for name in (animal.zh, animal.en, animal.many)}

    def three_animals(said: str) -> bool:
        found = [item.casefold() for item in list_items(said)]
        return len(found) == len(set(found)) == 3 and animals.issuperset(found)

    across = told(food, "price", OTHER[lang]) if lang == "zh" else told(person, "home", OTHER[lang])
    right = (
        smalltalk.WHO[lang][1].__contains__,
        told(person, "home"),
        told(person, "job"),
        three_animals,
        across,
        smalltalk.UNKNOWN[lang].__contains__,
    )
    return [Sample(question.format(**names), judge) for question, judge in zip(QUESTIONS[lang], right)]


def _known(world: World, kind: str, relations: tuple[str, ...]) -> Entity:
    """The most often told thing of a kind whose facts are told in both languages, and asked."""
    for thing in world.of_kind(kind):
        facts = [world.fact(thing.id, relation) for relation in relations]
        if all(fact and fact.asked and len(fact.languages) == 2 for fact in facts):
            return thing
    return world.of_kind(kind)[0]
