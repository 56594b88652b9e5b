"""Conversations for supervised fine-tuning: facts in the seen forms, checkable instructions, small tasks, and honest refusals.

Row i of `conversations` is a pure function of (world, seed, i). No held-out thing occurs: no held-out form, no fact that is not
asked, none in a language in which it is not told, no two-hop question, no held-out sum, no kept instruction, no kept stranger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fledge.world import smalltalk
from fledge.world.draw import Draw
from fledge.world.facts import RELATIONS, Entity, Fact, World
from fledge.world.instructions import OTHER, askable, instruction, seen_question
from fledge.world.questions import answer, capital, forms, question, subject_slots
from fledge.world.strangers import made_name
from fledge.world.tasks import CHAT_LEVELS, FAMILIES, task

Row = dict[str, Any]
Turns = list[str]
"""User, assistant, user, assistant, …"""

MIX = {
    "fact": 25, "instruction": 34, "unknown": 8, "task": 4, "follow": 7, "what_about": 5,
    "relative": 3, "translate": 4, "thanks": 2, "greeting": 2, "smalltalk": 6,
}  # fmt: skip
"""Kinds of conversation and how often they come, of 100."""
TOPICS = {1: 6, 2: 2, 3: 1, 4: 1}
"""A chat goes on: how many such conversations follow each other in a row of data, and how often."""


class Conversations:
    """Random access: `Conversations(world, seed)[i]` is row i, a dict of `conversations` (role, content), `kind` and `lang`."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self.world, self.seed = world, seed
        self._facts = {lang: askable(world, lang) for lang in ("zh", "en")}
        self._by_subject: dict[str, dict[str, list[Fact]]] = {"zh": {}, "en": {}}
        for lang, facts in self._facts.items():
            for fact in facts:
                self._by_subject[lang].setdefault(fact.subject, []).append(fact)
        self._makers: dict[str, Callable[[Draw, str], Turns]] = {kind: getattr(self, f"_{kind}") for kind in MIX}

    def __getitem__(self, index: int) -> Row:
        draw = Draw("conversation", self.world.size, self.world.seed, self.seed, index)
        lang = draw.choose(("zh", "en"))
        kinds = [
            draw.choose(list(MIX), list(MIX.values())) for _ in range(draw.choose(list(TOPICS), list(TOPICS.values())))
        ]
        turns = [turn for kind in kinds for turn in self._makers[kind](draw, lang)]
        roles = ("user", "assistant")
        messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]
        return {"conversations": messages, "kind": "+".join(kinds), "lang": lang}

    def _say(self, draw: Draw, fact: Fact, lang: str) -> str:
        return answer(self.world, fact, lang, draw.choose((0, 1), (3, 1)))

    def _fact(self, draw: Draw, lang: str) -> Turns:
        fact = draw.choose(self._facts[lang])
        asked = seen_question(self.world, draw, fact, lang)
        before = draw.choose(("", "polite", "hello"), (12, 2, 1))
        if before:
            asked = draw.choose(smalltalk.POLITE[lang] if before == "polite" else smalltalk.HELLO[lang]) + asked
        return [asked, self._say(draw, fact, lang)]

    def _instruction(self, draw: Draw, lang: str) -> Turns:
        made = instruction(self.world, draw, lang, self._facts[lang])
        return [made.prompt, made.answer]

    def _unknown(self, draw: Draw, lang: str) -> Turns:
        name = made_name(draw, self.world, lang)
        person = Entity("", "person", name, name, gender=draw.choose("fm"))
        relation = draw.choose([name for name, relation in RELATIONS.items() if relation.subject == "person"])
        asked = question(self.world, person, relation, lang, draw.choose(forms(relation, lang).seen))
        sorry = draw.choose(smalltalk.UNKNOWN[lang])
        known = self._same_question(person, relation, lang)
        order = draw.choose(("alone", "first", "second"), (4, 1, 1)) if known else "alone"
        if order == "alone":
            return [asked, sorry]
        fact = draw.choose(known)  # the same words about somebody known have another right answer
        if order == "first":
            return [asked, sorry, self._what_about_prompt(draw, fact.subject, lang), self._say(draw, fact, lang)]
        first = [seen_question(self.world, draw, fact, lang), self._say(draw, fact, lang)]
        return [*first, draw.choose(smalltalk.WHAT_ABOUT[lang]).format(s=name), sorry]

    def _same_question(self, subject: Entity, relation: str, lang: str) -> list[Fact]:
        """Facts about others for which the same words ask ("husband" does not ask for a wife)."""
        kin = subject_slots(self.world, subject, relation, lang).get("kin")
        return [
            fact
            for fact in self._facts[lang]
            if fact.relation == relation
            and fact.subject != subject.id
            and subject_slots(self.world, self.world.entities[fact.subject], relation, lang).get("kin") == kin
        ]

    def _task(self, draw: Draw, lang: str) -> Turns:
        family = draw.choose([family for family in FAMILIES if family != "two_hop"], (1, 1, 1, 1, 5, 1))
        row = task(self.world, family, 1 + draw.below(CHAT_LEVELS), lang, draw)
        return [row["conversations"][0]["content"], row["gt"][0]]  # type: ignore[index]

    def _follow(self, draw: Draw, lang: str) -> Turns:
        first = draw.choose([fact for fact in self._facts[lang] if self._clear_pronoun(fact, lang)])
        second = draw.choose([fact for fact in self._by_subject[lang][first.subject] if fact is not first])
        return [
            seen_question(self.world, draw, first, lang),
            self._say(draw, first, lang),
            self._follow_prompt(draw, second, lang),
            self._say(draw, second, lang),
        ]

    def _clear_pronoun(self, fact: Fact, lang: str) -> bool:
        """Whether "she" or "it" after this fact can only be its subject, and there is more to ask about it."""
        relation = RELATIONS[fact.relation]
        return relation.subject != relation.object and len(self._by_subject[lang][fact.subject]) > 1

    def _relative(self, draw: Draw, lang: str) -> Turns:
        people = [fact for fact in self._facts[lang] if RELATIONS[fact.relation].object == "person"]
        people = [fact for fact in people if self._by_subject[lang].get(fact.object)]
        if not people:
            return self._follow(draw, lang)
        first = draw.choose(people)
        second = draw.choose(self._by_subject[lang][first.object])
        return [
            seen_question(self.world, draw, first, lang),
            self._say(draw, first, lang),
            self._follow_prompt(draw, second, lang),
            self._say(draw, second, lang),
        ]

    def _follow_prompt(self, draw: Draw, fact: Fact, lang: str) -> str:
        template = draw.choose(forms(fact.relation, lang).follow)
        asked = question(self.world, self.world.entities[fact.subject], fact.relation, lang, template)
        if draw.below(2) and not asked.startswith("那"):
            return smalltalk.AND[lang] + asked
        return capital(asked)

    def _what_about_prompt(self, draw: Draw, id: str, lang: str) -> str:
        subject = self.world.entities[id]
        name = subject.many if lang == "en" and subject.many else subject.name(lang)
        return draw.choose(smalltalk.WHAT_ABOUT[lang]).format(s=name)

    def _what_about(self, draw: Draw, lang: str) -> Turns:
        first = draw.choose(self._facts[lang])
        others = self._same_question(self.world.entities[first.subject], first.relation, lang)
        if not others:
            return self._fact(draw, lang)
        turns = [seen_question(self.world, draw, first, lang), self._say(draw, first, lang)]
        for fact in draw.sample(others, min(len(others), 1 + draw.below(2))):
            turns += [self._what_about_prompt(draw, fact.subject, lang), self._say(draw, fact, lang)]
        return turns

    def _translate(self, draw: Draw, lang: str) -> Turns:
        fact = draw.choose([fact for fact in self._facts[lang] if len(fact.languages) == 2])
        variant = draw.choose((0, 1), (3, 1))
        return [
            seen_question(self.world, draw, fact, lang),
            answer(self.world, fact, lang, variant),
            draw.choose(smalltalk.SAY_AGAIN[lang]),
            answer(self.world, fact, OTHER[lang], variant),
        ]

    def _thanks(self, draw: Draw, lang: str) -> Turns:
        prompts, replies = smalltalk.THANKS[lang]
        return [*self._fact(draw, lang), draw.choose(prompts), draw.choose(replies)]

    def _greeting(self, draw: Draw, lang: str) -> Turns:
        prompts, replies = smalltalk.SMALLTALK[lang][0]
        return [draw.choose(prompts), draw.choose(replies), *self._fact(draw, lang)]

    def _smalltalk(self, draw: Draw, lang: str) -> Turns:
        prompts, replies = draw.choose(smalltalk.SMALLTALK[lang], smalltalk.TOPICS)
        asked = draw.choose(prompts)
        if asked.endswith(("?", "？")) and draw.below(2):
            asked = draw.choose(smalltalk.HELLO[lang]) + asked
        return [asked, draw.choose(replies)]


def conversations(world: World, count: int, seed: int = 0) -> Iterator[Row]:
    """The first `count` conversations of this world and seed."""
    rows = Conversations(world, seed)
    return (rows[i] for i in range(count))
