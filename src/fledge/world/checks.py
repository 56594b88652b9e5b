"""Does an answer keep to the instruction? Every check is a small pure function, so that "instruction following" is a number.

A spec is a JSON-able dict: `{"check": "begins", "word": "Sure"}`. `passes(answer, spec)` looks the check up by name and gives it
the other entries as arguments. A check judges form only; whether the content is true is `probes.grade`'s business. An answer in
words must also be finished, with an end mark: or else the first word of anything, in the right language, would be a short answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

Spec = dict[str, object]

_CLOSERS = "\"'”’」』）)"
# A full stop ends a sentence only before white space, a closing quote or the end, so that 3.5 stays one number.
_SENTENCE_END = re.compile(rf"[。！？!?…]+|\.+(?=[\s{re.escape(_CLOSERS)}]|$)")
_CHINESE = re.compile(r"[㐀-鿿]")
_LATIN = re.compile(r"[A-Za-z]")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.、)）])\s*")
_BETWEEN_ITEMS = re.compile(r"\s*(?:、|，|,\s*and\b|,|;|；|\band\b|和|以及)\s*")
_NOT_KNOWN = {
    "zh": re.compile(r"我(?:不知道|不认识|没听说过|没有听说过|不清楚)"),
    "en": re.compile(
        r"\bI (?:do not|don't|don’t|did not|didn't) know\b|\bI(?: have|'ve|’ve) never heard of\b", re.IGNORECASE
    ),
}


def num_sentences(answer: str) -> int:
    """Sentences of a finished answer, one that ends with an end mark and closing quotes at most; 0 for any other."""
    text = answer.strip()
    ends = list(_SENTENCE_END.finditer(text))
    return len(ends) if ends and ends[0].start() > 0 and not text[ends[-1].end() :].strip(_CLOSERS) else 0


def one_sentence(answer: str) -> bool:
    """Exactly one sentence, and it is finished."""
    return num_sentences(answer) == 1


def list_items(answer: str) -> list[str]:
    """The items of a list, written on lines of their own (with or without bullets) or in one line with commas."""
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    parts = [_BULLET.sub("", line) for line in lines] if len(lines) > 1 else _BETWEEN_ITEMS.split("".join(lines))
    return [part.strip().rstrip("。.!！").strip() for part in parts if part.strip()]


def items(answer: str, count: int, options: Iterable[str] | None = None) -> bool:
    """Exactly `count` different items; with `options`, each is one of them (letter case does not matter)."""
    found = [item.casefold() for item in list_items(answer)]
    allowed = None if options is None else {option.casefold() for option in options}
    return len(found) == count == len(set(found)) and (allowed is None or allowed.issuperset(found))


def json_keys(answer: str, keys: Iterable[str]) -> bool:
    """One JSON object and nothing around it, with exactly these keys; every value is a number or a string that is not empty."""
    try:
        value = json.loads(answer)
    except ValueError:
        return False
    if not isinstance(value, dict) or set(value) != set(keys):
        return False
    return all((isinstance(v, str) and v.strip() != "") or type(v) in (int, float) for v in value.values())


def language(answer: str, lang: str) -> bool:
    """Written in `lang` ("zh" or "en") and in nothing else, and finished."""
    chinese, latin = bool(_CHINESE.search(answer)), bool(_LATIN.search(answer))
    return num_sentences(answer) > 0 and (chinese and not latin if lang == "zh" else latin and not chinese)


def max_chars(answer: str, limit: int) -> bool:
    """Something is said and finished, in at most `limit` characters (punctuation counts)."""
    return num_sentences(answer) > 0 and len(answer.strip()) <= limit


def begins(answer: str, word: str) -> bool:
    """The first word is `word`, whole: "Surely" does not begin with "Sure". More must follow, and end."""
    text = answer.strip()
    rest = text[len(word) :]
    more = bool(rest.strip("，,。.:： !！")) and not (_LATIN.match(rest) and _LATIN.search(word))
    return text.startswith(word) and more and num_sentences(answer) > 0


def not_known(answer: str) -> bool:
    """The speaker says that they do not know, in either language."""
    return any(pattern.search(answer) for pattern in _NOT_KNOWN.values())


@lru_cache(maxsize=64)
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    ordered = sorted(names, key=lambda name: (-len(name), name))
    whole = r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"  # not \b: a Chinese character beside a word is no part of it
    return re.compile(
        "|".join(whole.format(re.escape(n)) if n.isascii() else re.escape(n) for n in ordered), re.IGNORECASE
    )


def names_in(text: str, names: tuple[str, ...]) -> set[str]:
    """Which names a text holds, in small letters. The longest wins (熊猫 is not also 熊); English names are whole words."""
    return {match.casefold() for match in _any_of(names).findall(text)} if names else set()


CHECKS: dict[str, Callable[..., bool]] = {
    "one_sentence": one_sentence,
    "items": items,
    "json_keys": json_keys,
    "language": language,
    "max_chars": max_chars,
    "begins": begins,
    "not_known": not_known,
}


def passes(answer: str, spec: Spec) -> bool:
    """Whether `answer` keeps to `spec`; raises KeyError for a check that does not exist."""
    return CHECKS[str(spec["check"])](answer, **{key: value for key, value in spec.items() if key != "check"})
