"""Stories, letters and ways. A story carries state: who has the gift, how much money is left. Later sentences depend on it."""

from __future__ import annotations

from functools import cache

from fledge.world import scenes_en, scenes_zh
from fledge.world.facts import Entity, World, subject_weights
from fledge.world.grammar import Forms, Word, Writer, forms
from fledge.world.lexicon import DIRECTIONS
from fledge.world.sentences import a, fill, object_word, person_words

_THINGS = (
    ("一只", "风筝", "kite"), ("一个", "球", "ball"), ("一本", "书", "book"), ("一顶", "帽子", "hat"),
    ("一盏", "灯", "lamp"), ("一个", "盒子", "box"), ("一把", "伞", "umbrella"), ("一个", "杯子", "cup"),
    ("一个", "碗", "bowl"), ("一把", "椅子", "chair"), ("一件", "外套", "coat"), ("一个", "包", "bag"),
)  # fmt: skip
_STYLES = (
    ("新", "new"), ("旧", "old"), ("大", "big"), ("小", "small"), ("红", "red"), ("蓝", "blue"),
    ("绿", "green"), ("黄", "yellow"), ("白", "white"), ("黑", "black"),
)  # fmt: skip
_WALLETS = (20, 30)
SCENES = {"shop": 4, "gift": 3, "look": 3, "mood": 3, "pet": 2, "home": 2}
_GO_ON, _STOP = 3, 2  # weights of another scene and of the end


@cache
def scene(lang: str, name: str) -> Forms:
    """The forms of a scene with the shared word lists filled in."""
    module = scenes_zh if lang == "zh" else scenes_en
    blocks = dict(block.split("\n", 1) for block in module.SCENES.strip().split("\n\n"))
    return forms(fill(blocks[name], lang))


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
    """So many of a food: "an apple", "3 apples"; "一个苹果", "3个苹果"."""
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
    price = fact_word(w, world, food.id, "price")
    wallet, wallet_bits = w.pick(_WALLETS)
    w.say(
        scene(w.lang, "shop"),
        slots,
        thing=Word(counted(food, 1, w.lang), "choice", bits),
        cost=price,
        w=Word(str(wallet), "choice", wallet_bits),
        left=Word(str(wallet - int(price.text)), "arithmetic"),
    )


def _gift(w: Writer, world: World, hero: Entity, slots: dict) -> None:
    friend, t = named(w, world, "person", (hero.id,))
    (measure, zh, en), bits = w.pick(_THINGS)
    (style_zh, style_en), style_bits = w.pick(_STYLES)
    thing = f"{measure}{style_zh}{zh}" if w.lang == "zh" else a(f"{style_en} {en}")
    form, to_friend = w.draw.choose([("give", True), ("get", False)])
    him = str(person_words(friend, w.lang)["obj"])
    w.say(scene(w.lang, form), slots, t=t, him=him, thing=Word(thing, "choice", bits + style_bits))
    if w.draw.choose([True, False], [1, 2]):
        w.add(" " if w.lang == "en" else "")
        owner = str(person_words(friend if to_friend else hero, w.lang)["she"])
        w.say(scene(w.lang, "owner"), owner=Word(owner, "state"), gift=Word(zh if w.lang == "zh" else en, "state"))


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
