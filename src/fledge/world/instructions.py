"""Instructions whose form a program can check: one sentence, a list, JSON, the other language, few characters, a first word.

What an instruction is about comes from known facts, so that form is the only new thing. One content in five is kept for measuring:
`instruction(..., held_out=True)` asks for combinations that no conversation has.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from fledge.world.checks import Spec
from fledge.world.draw import Draw
from fledge.world.facts import Fact, World
from fledge.world.questions import answer, capital, forms, object_slots, question, short_answer, subject_slots

OTHER = {"zh": "en", "en": "zh"}


@dataclass(frozen=True)
class Instruction:
    """`answer` is right, `careless` is as true but forgets the instruction; `spec` is what `checks.passes` demands."""

    kind: str
    lang: str
    prompt: str
    answer: str
    careless: str
    spec: Spec


_ANSWER_SO = {
    "one_sentence": {
        "zh": ("用一句话回答：{q}", "请用一句话回答：{q}", "{q}请用一句话回答。"),
        "en": ("Answer in one sentence: {q}", "{q} Answer in one sentence.", "In one sentence: {q}"),
    },
    "language": {
        "zh": ("用英语回答：{q}", "请用英语回答：{q}", "{q}请用英语回答。"),
        "en": ("Answer in Chinese: {q}", "{q} Answer in Chinese.", "Please answer in Chinese: {q}"),
    },
    "max_chars": {
        "zh": ("用不超过{n}个字回答：{q}", "{q}请用不超过{n}个字回答。", "最多用{n}个字回答：{q}"),
        "en": (
            "Answer in at most {n} characters: {q}",
            "{q} Use at most {n} characters.",
            "Use at most {n} characters: {q}",
        ),
    },
    "begins": {
        "zh": ("用“{w}”开头回答：{q}", "{q}请用“{w}”开头。", "回答以“{w}”开头：{q}"),
        "en": ('Begin with "{w}": {q}', '{q} Begin with "{w}".', 'Start your answer with "{w}": {q}'),
    },
}
_PROFILE = {
    "zh": ("用一句话介绍{x}。", "请用一句话介绍一下{x}。", "用一句话说说{x}。"),
    "en": ("Describe {x} in one sentence.", "Tell me about {x} in one sentence.", "In one sentence, describe {x}."),
}
_PROFILES = {
    ("job", "home"): {"zh": "{s}是一名{o1}，住在{o2}。", "en": "{s} is {oa1} and lives in {o2}."},
    ("food", "pet"): {"zh": "{s}最喜欢吃{o1}，养了一只{o2}。", "en": "{s} likes to eat {o1} and has {oa2}."},
    ("month", "colour"): {
        "zh": "{s}的生日在{o1}，最喜欢{o2}。",
        "en": "{s} was born in {o1} and likes the colour {o2}.",
    },
    ("looks", "price"): {"zh": "{s}是{o1}的，每{m}卖{o2}枚金币。", "en": "{Many} are {o1} and cost {o2} coins each."},
    ("habitat", "diet"): {"zh": "{s}住在{o1}里，吃{o2}。", "en": "{Many} live in the {o1} and eat {o2}."},
}
_LIST = {
    "zh": ("列出{n}{k}。", "请说出{n}{k}。", "写出{n}{k}。", "给我举{n}{k}。"),
    "en": ("List {n} {k}.", "Name {n} {k}.", "Give me {n} {k}.", "Write down {n} {k}."),
}
_LISTED = {
    "food": ("种食物", "foods"), "animal": ("种动物", "animals"), "colour": ("种颜色", "colours"),
    "month": ("个月份", "months"), "job": ("种职业", "jobs"), "place": ("个地方", "places"),
}  # fmt: skip
_NUMBERS = {2: ("两", "two"), 3: ("三", "three"), 4: ("四", "four")}
_JSON = {
    "zh": ("用JSON写出{x}的{b}，键是“{ka}”和“{kb}”。", "把{x}的{b}写成JSON，键用“{ka}”和“{kb}”。"),
    "en": (
        'Write the {b} of {x} as JSON with the keys "{ka}" and "{kb}".',
        'Give the {b} of {x} as JSON. Use the keys "{ka}" and "{kb}".',
    ),
}
_KEYS = {
    "home": ("家", "home"), "job": ("工作", "job"), "food": ("食物", "food"), "colour": ("颜色", "colour"),
    "pet": ("宠物", "pet"), "price": ("价格", "price"), "legs": ("腿", "legs"),
}  # fmt: skip
_FIRST_WORDS = {"zh": ("好的", "当然", "没问题", "是这样"), "en": ("Sure", "Well", "Okay", "Certainly")}
_LIMITS = {"zh": (6, 8, 10), "en": (15, 20, 25)}


def askable(world: World, lang: str) -> list[Fact]:
    """The facts that conversations in a language may ask about."""
    return [fact for fact in world.facts if fact.asked and lang in fact.languages]


def kept_for_measuring(world: World, *content: object) -> bool:
    """Whether an instruction with this content is only ever a probe."""
    return Draw("kept for measuring", world.seed, *content).below(5) == 0


def seen_question(world: World, draw: Draw, fact: Fact, lang: str) -> str:
    return question(
        world, world.entities[fact.subject], fact.relation, lang, draw.choose(forms(fact.relation, lang).seen)
    )


def _after(word: str, sentence: str, fact: Fact, lang: str) -> str:
    """`Sure, ` and the sentence; a small first letter unless a name begins it."""
    if lang == "zh":
        return f"{word}，{sentence}"
    named = forms(fact.relation, lang).answers[0].startswith("{s}")
    return f"{word}, {sentence if named else sentence[0].lower() + sentence[1:]}"


def _about_fact(kind: str, world: World, draw: Draw, lang: str, facts: list[Fact]) -> tuple[tuple, Instruction]:
    if kind == "language":
        facts = [fact for fact in facts if len(fact.languages) == 2]
    fact = draw.choose(facts)
    q = seen_question(world, draw, fact, lang)
    slots: dict[str, object] = {"q": q}
    text, spec = answer(world, fact, lang), Spec(check=kind)
    careless = text
    if kind == "one_sentence":
        careless = _twice(world, fact, lang)
    elif kind == "language":
        text, spec["lang"] = answer(world, fact, OTHER[lang]), OTHER[lang]
    elif kind == "max_chars":
        text = short_answer(world, fact, lang)
        spec["limit"] = slots["n"] = limit = draw.choose([n for n in _LIMITS[lang] if n >= len(text)])
        careless = careless if len(careless) > limit else _twice(world, fact, lang)
    elif kind == "begins":
        spec["word"] = slots["w"] = word = draw.choose(_FIRST_WORDS[lang])
        text = _after(word, text, fact, lang)
    prompt = draw.choose(_ANSWER_SO[kind][lang]).format(**slots)
    return (fact.subject, fact.relation), Instruction(kind, lang, prompt, text, careless, spec)


def _twice(world: World, fact: Fact, lang: str) -> str:
    """The same said in two sentences."""
    return ("" if lang == "zh" else " ").join(answer(world, fact, lang, variant) for variant in (0, 1))


def _profile(world: World, draw: Draw, lang: str, facts: list[Fact]) -> tuple[tuple, Instruction]:
    known = {(fact.subject, fact.relation): fact for fact in facts}
    able = [(s, pair) for s, r in known for pair in _PROFILES if pair[0] == r and (s, pair[1]) in known]
    subject, pair = draw.choose(able)
    entity = world.entities[subject]
    one, two = (object_slots(world, known[subject, relation].object, lang) for relation in pair)
    slots = subject_slots(world, entity, pair[0], lang)
    slots |= {f"{k}1": v for k, v in one.items()} | {f"{k}2": v for k, v in two.items()}
    prompt = draw.choose(_PROFILE[lang]).format(x=slots["s"] if lang == "zh" or not entity.many else slots["many"])
    careless = ("" if lang == "zh" else " ").join(answer(world, known[subject, relation], lang) for relation in pair)
    text, spec = _PROFILES[pair][lang].format(**slots), Spec(check="one_sentence")
    return (subject,), Instruction("one_sentence", lang, prompt, text, careless, spec)


def _one_sentence(world: World, draw: Draw, lang: str, facts: list[Fact]) -> tuple[tuple, Instruction]:
    if draw.below(2):
        return _profile(world, draw, lang, facts)
    return _about_fact("one_sentence", world, draw, lang, facts)


def _items(world: World, draw: Draw, lang: str, facts: list[Fact]) -> tuple[tuple, Instruction]:
    at = 0 if lang == "zh" else 1
    kind, count, form = draw.choose(sorted(_LISTED)), draw.choose((2, 3, 4), (1, 2, 1)), draw.choose(_LIST[lang])
    things = world.of_kind(kind)
    first = 3 * draw.below(
        len(things) // 3
    )  # a few fixed runs in the world's order: easy to learn, and nothing comes twice
    chosen = [things[(first + i) % len(things)] for i in range(count)]
    names = [e.zh if lang == "zh" else (e.many or e.en) for e in chosen]
    options = sorted({name for e in things for name in ((e.zh,) if lang == "zh" else (e.en, e.many)) if name})
    spec = Spec(check="items", count=count, options=options)
    prompt = form.format(n=_NUMBERS[count][at], k=_LISTED[kind][at])
    return (kind, count, form), Instruction(
        "items", lang, prompt, _listing(names, lang), _listing(names[1:], lang), spec
    )


def _listing(names: list[str], lang: str) -> str:
    """ "Apples, pears and plums." """
    comma, last, stop = ("、", "和", "。") if lang == "zh" else (", ", " and ", ".")
    return capital(last.join(part for part in (comma.join(names[:-1]), names[-1]) if part)) + stop


def _json(world: World, draw: Draw, lang: str, facts: list[Fact]) -> tuple[tuple, Instruction]:
    at = 0 if lang == "zh" else 1
    fact = draw.choose([fact for fact in facts if fact.relation in _KEYS])
    name, key = ("名字", "name")[at], _KEYS[fact.relation][at]
    slots = subject_slots(world, world.entities[fact.subject], fact.relation, lang)
    value: str | int = int(fact.object) if fact.object.isdigit() else world.name(fact.object, lang)
    x = slots["s"] if lang == "zh" or world.entities[fact.subject].kind == "person" else slots["a"]
    b = f"{name}和{key}" if lang == "zh" else f"{name} and {key}"
    prompt = draw.choose(_JSON[lang]).format(x=x, b=b, ka=name, kb=key)
    text, spec = (
        json.dumps({name: slots["s"], key: value}, ensure_ascii=False),
        Spec(check="json_keys", keys=[name, key]),
    )
    return (fact.subject, fact.relation), Instruction("json_keys", lang, prompt, text, answer(world, fact, lang), spec)


_Maker = Callable[[World, Draw, str, list[Fact]], "tuple[tuple, Instruction]"]
_MAKERS: dict[str, _Maker] = {"one_sentence": _one_sentence, "items": _items, "json_keys": _json}
KINDS = {"one_sentence": 3, "items": 8, "json_keys": 5, "language": 10, "max_chars": 5, "begins": 5}
"""Kinds of instruction and how often they come: the harder a form is to learn, the more often."""


def instruction(
    world: World, draw: Draw, lang: str, facts: list[Fact], *, kind: str | None = None, held_out: bool = False
) -> Instruction:
    """Draw an instruction over `facts` (see `askable`), again and again until its content is kept for measuring (`held_out`)
    or is not."""
    kind = kind or draw.choose(list(KINDS), list(KINDS.values()))
    while True:
        make = _MAKERS.get(kind)
        content, made = make(world, draw, lang, facts) if make else _about_fact(kind, world, draw, lang, facts)
        if kept_for_measuring(world, kind, lang, *content) == held_out:
            return made
