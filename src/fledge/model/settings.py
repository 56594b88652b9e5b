"""Settings that came from YAML, JSON or Python: every value gets the type of its dataclass field, or a sentence says why not.

YAML 1.1 has traps that a learner must not fall into: `1e-3` and `1e6` are strings to it, `on` and `off` are booleans.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fledge.errors import UserError, suggest
from fledge.lang import _, commas


def fit_types(settings: Any, spell: Callable[[str], str] = str) -> None:
    """Convert the fields of a dataclass instance in place; UserError names the first that cannot be, as `spell` writes it."""
    kinds = get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        setattr(settings, field.name, _fit(getattr(settings, field.name), kinds[field.name], spell(field.name)))


def _fit(value: Any, kind: Any, name: str) -> Any:
    origin, options = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):  # T | None, or T | list[T] | None
        if value is None:
            return None
        lists = [option for option in options if get_origin(option) is list and isinstance(value, list)]
        return _fit(value, (lists or options)[0], name)
    if origin is Literal:
        value = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        if value not in options:
            wanted = _("one of {options}").format(options=commas(options))
            raise _wrong(name, value, wanted, suggest(str(value), options))
        return value
    if kind is int:
        number = _number(value)
        if number is None or number != int(number):
            raise _wrong(name, value, _("a whole number"))
        return int(number)
    if kind is float:
        number = _number(value)
        if number is None:
            raise _wrong(name, value, _("a number"))
        return float(number)
    if kind is str:
        if isinstance(value, (list, dict, bool)) or value is None:
            raise _wrong(name, value, _("a text"))
        return str(value)
    if kind is bool:
        if not isinstance(value, bool):
            raise _wrong(name, value, _("true or false"))
        return value
    if origin is list:
        items = list(value) if isinstance(value, (list, tuple)) else [value]  # one file alone is a list of one
        return [_fit(item, options[0], _("every item of {name}").format(name=name)) for item in items]
    if origin is dict and not isinstance(value, dict):
        raise _wrong(name, value, _("a list of `key: value` pairs"))
    return value


def _wrong(name: str, value: Any, wanted: str, hint: str = "") -> UserError:
    return UserError(
        _("{name} must be {wanted}, not {value!r}.{hint}").format(name=name, wanted=wanted, value=value, hint=hint)
    )


def _number(value: Any) -> int | float | None:
    """The number that a value is or spells; None when it is none (a boolean, "five", nan, infinity)."""
    if isinstance(value, str):
        try:
            value = float(value) if set(value) & set(".eEn") else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
        return None
    return value
