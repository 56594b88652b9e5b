"""From a fact to a clause: who is spoken of (by name, by pronoun, as "I" or "you"), verb endings, articles, kinship words."""

from __future__ import annotations

from functools import cache

from fledge.world import scenes_en, scenes_zh
from fledge.world.facts import Entity, Fact, World
from fledge.world.forms_en import EN
from fledge.world.forms_zh import ZH
from fledge.world.grammar import Word, Writer
from fledge.world.lexicon import DIRECTIONS

Slots = dict[str, "Word | str"]
KINDS = {"name": "vnN", "pronoun": "vnP", "I": "vn", "you": "q", "ask": "q"}
"""Which forms of the tables may be used for each way of speaking of the subject."""
PLAIN = "plain"
"""Instead of kinds: only the first form of a relation, which says the same in both languages."""
_KIN = {
    ("spouse", "f"): ("妻子", "wife"), ("spouse", "m"): ("丈夫", "husband"),
    ("older", "f"): ("姐姐", "sister"), ("older", "m"): ("哥哥", "brother"),
    ("younger", "f"): ("妹妹", "sister"), ("younger", "m"): ("弟弟", "brother"),
}  # fmt: skip


def fill(text: str, lang: str) -> str:
    """Put the shared word lists of a language in the place of their names (`@go`)."""
    for line in (scenes_zh if lang == "zh" else scenes_en).WORDS.strip().splitlines():
        word, options = line.split(" ", 1)
        text = text.replace("@" + word, options)
    return text


@cache
def table(lang: str) -> dict[str, list[tuple[str, int, str]]]:
    """Relation -> (kind, weight, form) of every line of a language's table."""
    found: dict[str, list[tuple[str, int, str]]] = {}
    for block in fill(ZH if lang == "zh" else EN, lang).strip().split("\n\n"):
        name, *lines = block.splitlines()
        entries = [(kind, int(weight), form) for kind, weight, form in (line.split(" ", 2) for line in lines)]
        if name != "@direction":
            found[name] = entries
            continue
        for direction, words in DIRECTIONS.items():
            word = words[0 if lang == "zh" else 1]
            found[direction] = [
                (kind, weight, form.capitalize().replace("@", word.capitalize()) if form[0] == "@" and lang == "en"
                 else form.replace("@", word))
                for kind, weight, form in entries
            ]  # fmt: skip
    return found


def a(noun: str) -> str:
    """`noun` with its English article."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def person_words(person: Entity, lang: str) -> Slots:
    """Pronouns of a person: {she} {She} {her} (possessive) {Her} {obj}."""
    female = person.gender == "f"
    if lang == "zh":
        she = "她" if female else "他"
        return {"she": she, "She": she, "her": she + "的", "Her": she + "的", "obj": she}
    she, her, obj = ("she", "her", "her") if female else ("he", "his", "him")
    return {"she": she, "She": she.capitalize(), "her": her, "Her": her.capitalize(), "obj": obj}


def refer(subject: Entity, lang: str, how: str, bits: float | None = None) -> Slots:
    """The slots that speak of a subject. `how`: "name", "ask" (by name, in a question), "pronoun", "I" or "you".

    `bits` is what choosing the subject cost; None when the text already said of whom it speaks.
    """
    word = Word(subject.name(lang), "state" if bits is None else "name", bits or 0.0)
    if lang == "zh":
        pronoun = {"place": "这里", "person": str(person_words(subject, "zh")["she"])}.get(subject.kind, "它")
        said: Word | str = {"I": "我", "you": "你", "pronoun": pronoun}.get(how, word)
        poss: Word | str = said.like(word.text + "的") if isinstance(said, Word) else said + "的"
        if how == "pronoun" and said == "这里":
            poss = "这里的"
        return {"s": said, "poss": poss, "m": subject.measure}
    many = subject.kind in ("food", "animal")
    plain = how in ("I", "you") or many
    slots: Slots = {"~s": "" if plain else "s", "~es": "" if plain else "es", "has": "have" if plain else "has"}
    slots |= {"do": "do" if plain else "does", "is": "am" if how == "I" else "are" if plain else "is"}
    slots["was"] = "were" if many or how == "you" else "was"
    if how in ("name", "ask"):
        noun = subject.many if many else subject.en
        name = word.like(noun)
        slots |= {"s": name, "S": word.like(noun[0].upper() + noun[1:]), "obj": name, "there": name}
        slots |= {"poss": "their" if many else word.like(noun + "'s"), "Poss": word.like(noun + "'s")}
        if many:
            slots |= {"one": word.like(a(subject.en)), "One": word.like(a(subject.en).capitalize())}
        return slots
    if how == "pronoun":
        if subject.kind == "person":
            p = person_words(subject, "en")
            return slots | {"s": p["she"], "S": p["She"], "poss": p["her"], "Poss": p["Her"], "obj": p["obj"]}
        it, its, obj = ("they", "their", "them") if many else ("it", "its", "it")
        slots["there"] = "there"
    else:
        it, its, obj = ("I", "my", "me") if how == "I" else ("you", "your", "you")
    return slots | {"s": it, "S": it.capitalize(), "poss": its, "Poss": its.capitalize(), "obj": obj}


def object_word(world: World, fact: Fact, lang: str) -> Word:
    """The object as the forms expect it, tagged by how often the fact is told."""
    thing = world.entities.get(fact.object)
    text = thing.name(lang) if thing else fact.object
    if thing and lang == "en":
        text = thing.many if fact.relation == "food" else a(text) if fact.relation in ("job", "pet") else text
    return Word(text, "rare" if fact.rare else "common")


def clause(w: Writer, world: World, fact: Fact, slots: Slots, kinds: str, joined: bool = False) -> str:
    """Write one clause or question about a fact, without full stop, in a form of one of `kinds` (see KINDS).

    `joined`: the clause goes on in a sentence that has its subject. Returns the kind of the form drawn.
    """
    subject = world.entities[fact.subject]
    at = 0 if w.lang == "zh" else 1
    said = object_word(world, fact, w.lang)
    more: Slots = {"o": said, "bare": said.like(world.name(fact.object, w.lang))}
    if fact.relation in ("spouse", "older", "younger"):
        more["kin"] = _KIN[fact.relation, world.entities[fact.object].gender][at]
    if fact.relation in ("father", "mother"):
        more["child"] = (("女儿", "daughter") if subject.gender == "f" else ("儿子", "son"))[at]
    entries = table(w.lang)[fact.relation]
    entries = entries[:1] if kinds == PLAIN else [entry for entry in entries if entry[0] in kinds]
    kind, _, form = w.draw.choose(entries, [weight for _, weight, _ in entries])
    if kind == "v" and not joined:
        form = "{s}" + form if w.lang == "zh" else "{S} " + form
    w.say(form, slots | more)
    return kind
