"""Stories, letters and ways. A story carries state: who has the gift, how much money is left. Later sentences depend on it."""

from __future__ import annotations

from functools import lru_cache

from fledge.world import scenes_en, scenes_zh
from fledge.world.facts import Entity, World, subject_weights
from fledge.world.grammar import Forms, Word, Writer, forms
from fledge.world.lexicon import DIRECTIONS
from fledge.world.sentences import a, object_word, person_words

_THINGS = (
    ("一只", "风筝", "kite"), ("一个", "球", "ball"), ("一本", "书", "book"), ("一顶", "帽子", "hat"),
    ("一盏", "灯", "lamp"), ("一个", "盒子", "box"), ("一把", "伞", "umbrella"), ("一个", "杯子", "cup"),
    ("一个", "碗", "bowl"), ("一把", "椅子", "chair"), ("一件", "外套", "coat"), ("一个", "包", "bag"),
)  # fmt: skip
_STYLES = (
    ("新", "new"), ("旧", "old"), ("大", "big"), ("小", "small"), ("红", "red"), ("蓝", "blue"),
    ("绿", "green"), ("黄", "yellow"), ("白", "white"), ("黑", "black"),
)  # fmt: skip
_WALLETS = (30, 40)
SCENES = {"shop": 4, "gift": 3, "look": 3, "mood": 3, "pet": 2, "home": 2}
_GO_ON, _STOP = 3, 2  # weights of another scene and of the end


@lru_cache(maxsize=None)
def scene(lang: str, name: str) -> Forms:
    """The forms of a scene with the shared word lists filled in."""
    module = scenes_zh if lang == "zh" else scenes_en
    blocks = dict(block.split("\n", 1) for block in module.SCENES.strip().split("\n\n"))
    text = blocks[name]
    for line in module.WORDS.strip().splitlines():
        word, options = line.split(" ", 1)
        text = text.replace("@" + word, options)
    return forms(text)


def choose_subject(w: Writer, world: World, kind: str, without: tuple[str, ...] = ()) -> tuple[Entity, float]:
    """A person, place, food or animal by its share of mentions, and the bits that it cost."""
    things = world.of_kind(kind)
    kept = [pair for pair in zip(things, subject_weights(kind, len(things))) if pair[0].id not in without]
    return w.pick([thing for thing, _ in kept], [weight for _, weight in kept])


def named(w: Writer, world: World, kind: str, without: tuple[str, ...] = ()) -> tuple[Entity, Word]:
    """A chosen entity and the word that shows it."""
    thing, bits = choose_subject(w, world, kind, without)
    return thing, Word(thing.name(w.lang), "name", bits)


def fact_word(w: Writer, world: World, subject: str, relation: str) -> Word:
    """The object of a known fact, as it stands in a sentence."""
    fact = world.fact(subject, relation)
    assert fact is not None, f"nothing is known of {subject} {relation}"
    return Word(world.name(fact.object, w.lang), object_word(world, fact, w.lang).tag)


def counted(thing: Entity, n: int, lang: str) -> str:
    """"an apple", "3 apples"; "一个苹果", "3个苹果"."""
    if lang == "zh":
        return f"{'一' if n == 1 else n}{thing.measure}{thing.zh}"
    return a(thing.en) if n == 1 else f"{n} {thing.many}"


def story(w: Writer, world: World) -> None:
    """Somebody goes somewhere; one to five scenes follow, each at most once."""
    hero, s = named(w, world, "person")
    home = world.get(hero.id, "home") or ""
    place, p = named(w, world, "place", (home,))
    w.say(scene(w.lang, "open"), s=s, p=p, h=fact_word(w, world, hero.id, "home"))
    left = dict(SCENES)
    pet = world.fact(hero.id, "pet")
    if pet is None or w.lang not in pet.languages:
        del left["pet"]
    first, at_home = True, False
    while left and not at_home:
        if not first and w.draw.choose([True, False], [_STOP, _GO_ON]):
            break
        what = w.draw.choose(list(left), list(left.values()))
        del left[what]
        first = False
        if w.lang == "en":
            w.add(" ")
        slots = {**person_words(hero, w.lang), "s": Word(hero.name(w.lang), "state")}
        if what == "shop":
            _shop(w, world, slots)
        elif what == "gift":
            _gift(w, world, hero, slots)
        else:
            if what == "look":
                slots["sight"] = fact_word(w, world, place.id, "sight")
            elif what == "pet":
                slots["pet"] = fact_word(w, world, hero.id, "pet")
            elif what == "home":
                slots["h"] = fact_word(w, world, hero.id, "home")
                at_home = True
            w.say(scene(w.lang, what), slots)


def _shop(w: Writer, world: World, slots: dict) -> None:
    food, bits = choose_subject(w, world, "food")
    n, n_bits = w.pick([1, 2], [3, 1])
    price = fact_word(w, world, food.id, "price")
    cost = int(price.text) * n
    wallet, wallet_bits = w.pick(_WALLETS)
    w.say(
        scene(w.lang, "shop"),
        slots,
        thing=Word(counted(food, n, w.lang), "choice", bits + n_bits),
        cost=price if n == 1 else Word(str(cost), "arithmetic"),
        w=Word(str(wallet), "choice", wallet_bits),
        left=Word(str(wallet - cost), "arithmetic"),
    )


def _gift(w: Writer, world: World, hero: Entity, slots: dict) -> None:
    friend, t = named(w, world, "person", (hero.id,))
    w.say(scene(w.lang, "meet"), slots, t=t)
    if w.lang == "en":
        w.add(" ")
    (measure, zh, en), bits = w.pick(_THINGS)
    (style_zh, style_en), style_bits = w.pick(_STYLES)
    full, short = (f"{measure}{style_zh}{zh}", style_zh + zh) if w.lang == "zh" else (a(f"{style_en} {en}"), f"{style_en} {en}")
    given = w.draw.choose([True, False])
    giver, taker = (hero, friend) if given else (friend, hero)
    w.say(
        scene(w.lang, "gift"),
        slots,
        giver=Word(giver.name(w.lang), "state"),
        taker=Word(taker.name(w.lang), "state"),
        thing=Word(full, "choice", bits + style_bits),
        gift=Word(short, "state"),
    )


def letter(w: Writer, world: World) -> None:
    """A letter from a place: one to three things to tell."""
    space = " " if w.lang == "en" else ""
    friend, t = named(w, world, "person")
    sender, s = named(w, world, "person", (friend.id,))
    place, p = named(w, world, "place", (world.get(sender.id, "home") or "",))
    w.say("Dear {t},\n" if w.lang == "en" else "亲爱的{t}：\n", t=t)
    w.say(scene(w.lang, "letter"), p=p)
    left = {"visit": 3, "meal": 2, "return": 2}
    while left:
        if len(left) < 3 and w.draw.choose([True, False], [_STOP, _GO_ON]):
            break
        what = w.draw.choose(list(left), list(left.values()))
        del left[what]
        slots: dict[str, Word | str] = {"sight": fact_word(w, world, place.id, "sight")}
        if what == "meal":
            food, bits = choose_subject(w, world, "food")
            n, n_bits = w.pick([1, 2, 3], [3, 2, 1])
            slots["food"] = Word(counted(food, n, w.lang), "choice", bits + n_bits)
        w.add(space)
        w.say(scene(w.lang, what), slots)
    w.say("\n[Love*3|Yours*2|Best wishes],\n{s}" if w.lang == "en" else "\n[爱你的|你的朋友|想你的|好朋友]{s}", s=s)


def way(w: Writer, world: World) -> None:
    """Two to four steps on the map, never straight back."""
    here, start = named(w, world, "place")
    w.say(scene(w.lang, "way"), a=start)
    at, before = here.id, ""
    for step in range(4):
        if step > 1 and w.draw.choose([True, False], [2, 1]):
            break
        if step:
            w.add("，再" if w.lang == "zh" else ", then ")
        (direction, there), bits = w.pick([way for way in world.neighbours(at).items() if way[1] != before])
        d = Word(DIRECTIONS[direction][0 if w.lang == "zh" else 1], "choice", bits)
        w.say(scene(w.lang, "step"), d=d, p=fact_word(w, world, at, direction))
        at, before = there, at
    w.add("。" if w.lang == "zh" else ".")
