"""Everything that is true in a world, drawn from one seed: who lives where, what costs how much, what lies north of what.

`World.build("small")` is the truth that every text, question, reward and measure stands on. The same size and seed give the same
world on every machine. Three kinds of fact are set apart for measuring (a learner's model never meets them in the usual way):

* `languages` has one language only: the fact is told in that language and asked in the other;
* `asked` is False: the fact stands in the pretraining text and never in a question;
* `news` are facts dated after the pretraining text: only looking them up can answer them.

How often a fact is told follows a power law (Zipf-Mandelbrot) over the people, places, foods and animals, so that rare facts are
learnt later and worse.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from math import isqrt
from typing import Literal

from fledge.world import lexicon
from fledge.world.draw import Draw

Size = Literal["tiny", "small", "large"]
LANGUAGES = ("zh", "en")
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
STEP = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
MAX_PRICE = 10


@dataclass(frozen=True)
class Entity:
    """Something with a name. `many`: English plural; `measure`: Chinese measure word; `gender`: "f" or "m" for people."""

    id: str
    kind: str
    zh: str
    en: str
    many: str = ""
    measure: str = "个"
    gender: str = ""

    def name(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Relation:
    """What may be known of a `subject` kind: an entity of kind `object`, or a "number". `zh` and `en` are its noun; `weight` is
    how often it is told, beside the other relations of the same subject."""

    name: str
    subject: str
    object: str
    zh: str
    en: str
    weight: int = 4


@dataclass(frozen=True)
class Fact:
    """`object` is an entity id, or a number as text. `weight` is its share of all told facts; `rare` marks the least told third."""

    subject: str
    relation: str
    object: str
    weight: float = 0.0
    languages: tuple[str, ...] = LANGUAGES
    asked: bool = True
    rare: bool = False


_RELATIONS = (
    Relation("home", "person", "place", "住的地方", "home", 5),
    Relation("job", "person", "job", "工作", "job", 5),
    Relation("food", "person", "food", "最喜欢的食物", "favourite food", 5),
    Relation("colour", "person", "colour", "最喜欢的颜色", "favourite colour"),
    Relation("pet", "person", "animal", "宠物", "pet"),
    Relation("month", "person", "month", "出生的月份", "birth month"),
    Relation("spouse", "person", "person", "伴侣", "husband or wife", 3),
    Relation("father", "person", "person", "爸爸", "father", 3),
    Relation("mother", "person", "person", "妈妈", "mother", 3),
    Relation("older", "person", "person", "哥哥姐姐", "older brother or sister", 3),
    Relation("younger", "person", "person", "弟弟妹妹", "younger brother or sister", 3),
    Relation("sight", "place", "sight", "名胜", "sight", 5),
    Relation("north", "place", "place", "北边的地方", "the place to the north"),
    Relation("east", "place", "place", "东边的地方", "the place to the east"),
    Relation("south", "place", "place", "南边的地方", "the place to the south"),
    Relation("west", "place", "place", "西边的地方", "the place to the west"),
    Relation("price", "food", "number", "价格", "price", 5),
    Relation("looks", "food", "colour", "颜色", "colour", 3),
    Relation("shop", "food", "place", "卖的地方", "the place where it is sold"),
    Relation("habitat", "animal", "habitat", "生活的地方", "habitat"),
    Relation("diet", "animal", "diet", "吃的东西", "diet"),
    Relation("legs", "animal", "number", "腿的数量", "number of legs"),
    Relation("coat", "animal", "colour", "颜色", "colour"),
)
RELATIONS: dict[str, Relation] = {relation.name: relation for relation in _RELATIONS}
SUBJECTS = {"person": 30, "place": 7, "food": 7, "animal": 6}
"""The kinds that facts are told about, and how often. (The objects of the facts are of these and of smaller kinds.)"""
ONE_LANGUAGE = ("job", "food", "colour", "pet", "month")
"""Relations of which some facts are told in one language only; the others carry stories and sums in both."""

_COUNTS: dict[str, dict[str, int]] = {
    "tiny": {"families": 1, "singles": 3, "columns": 2, "rows": 2, "foods": 5, "animals": 4, "pets": 2},
    "small": {"families": 6, "singles": 8, "columns": 4, "rows": 3, "foods": 20, "animals": 16, "pets": 8},
    "large": {"families": 70, "singles": 60, "columns": 8, "rows": 6, "foods": 32, "animals": 25, "pets": 10},
}
_FLATTEN = {"person": 2, "place": 8, "food": 8, "animal": 8}  # the power law's offset: the larger, the more even


def _slug(word: str) -> str:
    return word.lower().replace(" ", "_")


@dataclass(frozen=True)
class World:
    """Entities, facts and the map. Build it; do not fill it by hand."""

    size: str
    seed: int
    entities: dict[str, Entity]
    facts: tuple[Fact, ...]
    news: tuple[Fact, ...]
    unknown: tuple[Entity, ...]
    _of_kind: dict[str, list[Entity]] = field(default_factory=dict, repr=False)
    _index: dict[tuple[str, str], Fact] = field(default_factory=dict, repr=False)

    @classmethod
    def build(cls, size: Size = "small", seed: int = 0) -> World:
        """The world of this size and seed. Takes milliseconds (tiny, small) to a second (large)."""
        if size not in _COUNTS:
            from fledge.errors import UserError
            from fledge.lang import _, commas

            raise UserError(
                _("There is no world of size '{size}': choose one of {counts}.").format(
                    size=size, counts=commas(_COUNTS)
                )
            )
        return _build(size, seed)

    def of_kind(self, kind: str) -> list[Entity]:
        """All entities of a kind, the most often told first."""
        return self._of_kind.get(kind, [])

    def name(self, id: str, lang: str) -> str:
        """The name of an entity; a number is its own name."""
        return self.entities[id].name(lang) if id in self.entities else id

    def fact(self, subject: str, relation: str) -> Fact | None:
        return self._index.get((subject, relation))

    def get(self, subject: str, relation: str) -> str | None:
        """The object's id (or number as text), or None when nothing is known."""
        fact = self._index.get((subject, relation))
        return fact.object if fact else None

    def told(self, subject: str, lang: str) -> list[Fact]:
        """The facts about a subject that are told in a language, in the order of RELATIONS."""
        return [f for r in RELATIONS if (f := self._index.get((subject, r))) and lang in f.languages]

    def neighbours(self, place: str) -> dict[str, str]:
        """Direction -> place one step away."""
        return {d: other for d in STEP if (other := self.get(place, d))}

    def path(self, place_a: str, place_b: str) -> list[str]:
        """A shortest way on the map, both ends included. On a tie, north before east before south before west at the first step."""
        before: dict[str, str] = {place_a: place_a}
        queue = deque([place_a])
        while place_b not in before:
            here = queue.popleft()
            for there in self.neighbours(here).values():
                if there not in before:
                    before[there] = here
                    queue.append(there)
        way = [place_b]
        while way[-1] != place_a:
            way.append(before[way[-1]])
        return way[::-1]

    def held_out_sum(self, a: int, b: int) -> bool:
        """Whether the text never says what a + b is (one pair in six, the same for b + a)."""
        return Draw("held out sum", self.seed, min(a, b), max(a, b)).below(6) == 0


def _people(draw: Draw, size: str, count: dict[str, int]) -> tuple[list[Entity], list[Entity]]:
    """People in families (father, mother, two children, again and again), then singles; and strangers."""
    if size == "large":
        families, women, men = (
            lexicon.pairs(t) for t in (lexicon.FAMILY_NAMES, lexicon.GIVEN_WOMEN, lexicon.GIVEN_MEN)
        )
        full = [[(f[0] + g[0], f"{f[1]} {g[1]}") for f in families for g in given] for given in (women, men)]
    else:
        full = [lexicon.pairs(lexicon.WOMEN), lexicon.pairs(lexicon.MEN)]
    pools = {
        gender: [Entity(_slug(en), "person", zh, en, measure="位", gender=gender) for zh, en in draw.shuffle(names)]
        for gender, names in zip("fm", full)
    }
    genders = "".join("mf" + draw.choose(["fm", "mf", "ff", "mm"]) for _ in range(count["families"]))
    genders += "".join(draw.choose("fm") for _ in range(count["singles"]))
    people = [pools[gender].pop() for gender in genders]
    return people, draw.shuffle(pools["f"] + pools["m"])


def _places(size: str) -> list[tuple[str, str]]:
    names = lexicon.pairs(lexicon.PLACES)
    if size == "large":
        halves = [(a, b) for a in lexicon.pairs(lexicon.PLACE_FIRST) for b in lexicon.pairs(lexicon.PLACE_SECOND)]
        names += [(a[0] + b[0], a[1] + b[1]) for a, b in halves]
    return names


def _build(size: str, seed: int) -> World:
    draw = Draw("world", size, seed)
    count = _COUNTS[size]
    people, unknown = _people(draw, size, count)
    cells = [(x, y) for y in range(count["rows"]) for x in range(count["columns"])]
    places = [Entity(_slug(en), "place", zh, en) for zh, en in draw.sample(_places(size), len(cells))]
    food_rows = draw.sample(lexicon.rows(lexicon.FOODS), count["foods"])
    animals_all = lexicon.rows(lexicon.ANIMALS)
    animal_rows = draw.sample([r for r in animals_all if r[-1] == "pet"], count["pets"])
    animal_rows += draw.sample([r for r in animals_all if r[-1] != "pet"], count["animals"] - count["pets"])
    foods = [Entity(en, "food", zh, en, many, measure) for zh, en, many, measure, _ in food_rows]
    animals = [Entity(en, "animal", zh, en, many, measure) for zh, en, many, measure, *_ in animal_rows]
    small = {"job": lexicon.JOBS, "colour": lexicon.COLOURS, "month": lexicon.MONTHS, "sight": lexicon.SIGHTS,
             "habitat": lexicon.HABITATS, "diet": lexicon.DIETS}  # fmt: skip
    measures = {"job": "名", "sight": "座"}
    listed = {
        kind: [Entity(_slug(en), kind, zh, en, measure=measures.get(kind, "个")) for zh, en in lexicon.pairs(table)]
        for kind, table in small.items()
    }
    drawn = {"person": people, "place": places, "food": foods, "animal": animals}

    truth: dict[tuple[str, str], str] = {}
    _people_facts(draw, truth, drawn, listed, count)
    _map_facts(draw, truth, dict(zip(cells, (p.id for p in places))), listed["sight"])
    for food, row in zip(foods, food_rows):
        truth[food.id, "price"] = str(2 + draw.below(MAX_PRICE - 1))
        truth[food.id, "looks"] = draw.choose(row[4].split("/"))
        truth[food.id, "shop"] = draw.choose(places).id
    for animal, (_, _, _, _, habitat, diet, legs, colours, _) in zip(animals, animal_rows):
        truth |= {(animal.id, "habitat"): habitat, (animal.id, "diet"): diet, (animal.id, "legs"): legs}
        truth[animal.id, "coat"] = draw.choose(colours.split("/"))

    order = {kind: draw.shuffle(things) for kind, things in drawn.items()} | listed
    entities = {thing.id: thing for things in order.values() for thing in things}
    assert len(entities) == sum(map(len, order.values())), "two entities share an id"
    facts = _weigh_and_hold_out(draw, truth, order)
    news = _news(draw, truth, order)
    index = {(f.subject, f.relation): f for f in facts}
    return World(size, seed, entities, facts, news, tuple(unknown), order, index)


def _people_facts(draw: Draw, truth: dict, drawn: dict, listed: dict, count: dict[str, int]) -> None:
    people, families = drawn["person"], count["families"]
    pets = drawn["animal"][: count["pets"]]
    home = ""
    for i, person in enumerate(people):
        if i >= 4 * families or i % 4 != 1:  # husband and wife share a home
            home = draw.choose(drawn["place"]).id
        truth[person.id, "home"] = home
        for relation, things in (("job", listed["job"]), ("food", drawn["food"]), ("colour", listed["colour"]),
                                 ("pet", pets), ("month", listed["month"])):  # fmt: skip
            truth[person.id, relation] = draw.choose(things).id
    for i in range(0, 4 * families, 4):
        father, mother, one, two = (p.id for p in people[i : i + 4])
        truth |= {(father, "spouse"): mother, (mother, "spouse"): father, (one, "younger"): two, (two, "older"): one}
        for child in (one, two):
            truth |= {(child, "father"): father, (child, "mother"): mother}


def _map_facts(draw: Draw, truth: dict, at: dict[tuple[int, int], str], sights: list[Entity]) -> None:
    for (x, y), place in at.items():
        for direction, (dx, dy) in STEP.items():
            if (x + dx, y + dy) in at:
                truth[place, direction] = at[x + dx, y + dy]
    free: list[Entity] = []
    for place in at.values():  # every sight once before any twice
        free = free or draw.shuffle(sights)
        truth[place, "sight"] = free.pop().id


def _weigh_and_hold_out(draw: Draw, truth: dict, order: dict[str, list[Entity]]) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for kind, kind_weight in SUBJECTS.items():
        weights = subject_weights(kind, len(order[kind]))
        for subject, weight in zip(order[kind], weights):
            mine = [r for r in RELATIONS.values() if (subject.id, r.name) in truth]
            total = sum(weights) * sum(r.weight for r in mine) * sum(SUBJECTS.values())
            facts += [
                Fact(subject.id, r.name, truth[subject.id, r.name], kind_weight * weight * r.weight / total)
                for r in mine
            ]
    held = draw.sample([i for i, f in enumerate(facts) if f.relation in ONE_LANGUAGE], max(2, len(facts) // 16))
    for at, i in enumerate(held):
        facts[i] = replace(facts[i], languages=(LANGUAGES[at % 2],))
    both = [i for i, f in enumerate(facts) if len(f.languages) == 2]
    for i in draw.sample(both, len(facts) // 8):
        facts[i] = replace(facts[i], asked=False)
    limit = sorted(f.weight for f in facts)[len(facts) // 3]
    return tuple(replace(f, rare=f.weight < limit) for f in facts)


def subject_weights(kind: str, count: int) -> list[int]:
    """How often each of `count` subjects is told, most first: (rank + offset) ** -0.5, in whole numbers so that it is exact."""
    return [isqrt(10**8 // (rank + _FLATTEN[kind])) for rank in range(1, count + 1)]


def _news(draw: Draw, truth: dict, order: dict[str, list[Entity]]) -> tuple[Fact, ...]:
    """A quarter of the people move or change their job, a quarter of the foods change their price."""
    news: list[Fact] = []
    for person in draw.sample(order["person"], len(order["person"]) // 4 + 1):
        relation, options = draw.choose([("home", order["place"]), ("job", order["job"])])
        new = draw.choose([o.id for o in options if o.id != truth[person.id, relation]])
        news.append(Fact(person.id, relation, new))
    for food in draw.sample(order["food"], len(order["food"]) // 4 + 1):
        price = draw.choose([p for p in range(2, MAX_PRICE + 1) if str(p) != truth[food.id, "price"]])
        news.append(Fact(food.id, "price", str(price)))
    return tuple(news)
