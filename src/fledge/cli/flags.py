"""Flags from a dataclass (or a function's signature): the fields are the flags, their docstrings are the help.

tyro does the parsing and `--help`. What it says about a mistake is a box of several lines; its error events (of the version that
pyproject.toml pins) become one sentence here (UserError) that names the nearest flag. A required word without a flag is written

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
from typing_extensions import TypedDict
from tyro import _docstrings, _errors
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _, commas

T = TypeVar("T")
CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)  # nested configs give flat flags
KINDS: dict[Any, tuple[str, Text]] = {
    int: ("INT", N_("a whole number")),
    float: ("FLOAT", N_("a number")),
    str: ("TEXT", N_("a text")),
    Path: ("PATH", N_("a path")),
}


def parse(target: Callable[..., T], argv: Sequence[str], prog: str, *, default: T | None = None) -> T:
    """Return `target` made from `argv` (a function is called with it); `default` is an instance that flags change.

    Raises UserError with one sentence for a mistake in `argv`; `--help` prints and leaves with SystemExit(0).
    """
    if inspect.isclass(target):
        made: T = _cli(target, argv, prog, known_flags(target), default)
        return made
    later: Callable[[], T] = _cli(_later(target), argv, prog, known_flags(target))
    return later()


def typed(kinds: Sequence[type], argv: Sequence[str], prog: str) -> dict[str, Any]:
    """What `argv` says of the fields of several dataclasses, and nothing that it does not say. A field that is a dict is
    written KEY=VALUE …, its values as in YAML."""
    fields: dict[str, Any] = {}
    mappings = set()
    for kind in kinds:
        hints = get_type_hints(kind, include_extras=True)
        for field in dataclasses.fields(kind):
            hint, metavar = hints[field.name], None
            if get_origin(hint) is dict:
                mappings.add(field.name)
                hint, metavar = list[str], "KEY=VALUE …"
            help = _docstrings.get_field_docstring(kind, field.name, ()) or ""
            shown = _default(field)
            said = tyro.conf.arg(help=help, metavar=metavar, help_behavior_hint=f"(default: {shown})" if shown else "")
            fields[field.name] = Annotated[hint, said]
    asked = TypedDict("asked", fields, total=False)  # type: ignore[misc]
    asked.__doc__ = inspect.getdoc(kinds[0])
    given: dict[str, Any] = _cli(asked, argv, prog, known_flags(*kinds))
    return {name: dict(map(_pair, value)) if name in mappings else value for name, value in given.items()}


def subverb(table: Mapping[str, tuple[Callable[[list[str]], int], Text | str]], argv: Sequence[str], prog: str) -> int:
    """Run `prog WORD …` by a table of word -> (function of the other words, one line of help)."""
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, table))
        verbs = "|".join(table)
        print(_("usage: {prog} {verbs} …\n").format(prog=prog, verbs=verbs))
        print("\n".join(f"  {word:<{width}}  {help}" for word, (_, help) in table.items()))
        return 0
    if argv[0] not in table:
        near = suggest(argv[0], table) or _see(prog)
        raise UserError(_("`{prog}` knows no '{word}'.{near}").format(prog=prog, word=argv[0], near=near))
    return table[argv[0]][0](list(argv[1:]))


def known_flags(*targets: Any) -> list[str]:
    """Every flag of dataclasses, those nested in them, or of a function's signature."""
    names = [f"--{name.replace('_', '-')}" for target in targets for name in _names(target)]
    return names + [alias for target in targets for alias in _aliases(target)]


def _names(target: Any) -> Iterator[str]:
    hints = get_type_hints(target)
    names = [f.name for f in dataclasses.fields(target)] if dataclasses.is_dataclass(target) else list(hints)
    for name in names:
        kind = hints.get(name)
        if dataclasses.is_dataclass(kind):
            yield from _names(kind)
        elif name != "return":
            yield name
            if kind is bool:
                yield f"no_{name}"


def _aliases(target: Any) -> Iterator[str]:
    """Short flags that mean the same as a long one."""
    for kind in get_type_hints(target, include_extras=True).values():
        for told in getattr(kind, "__metadata__", ()):
            yield from getattr(told, "aliases", None) or ()


def _see(prog: str) -> str:
    return _(" See `{prog} --help`.").format(prog=prog)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING or field.default is None:
        return ""
    return str(field.default)


def _cli(build: Any, argv: Sequence[str], prog: str, known: list[str], default: Any = None) -> Any:
    given = {} if default is None else {"default": default}
    refuse = functools.partial(_refuse, argv=argv, prog=prog, known=known)
    with _REGISTRY, _errors.on_parse_error(refuse):
        return tyro.cli(build, args=list(argv), prog=prog, config=CONFIG, add_help=True, **given)


def _later(function: Callable[..., T]) -> Callable[..., Callable[[], T]]:
    """Parse a function's flags without running it yet: its own errors are not tyro's."""

    @functools.wraps(function)
    def collect(*args: Any, **kwargs: Any) -> Callable[[], T]:
        return functools.partial(function, *args, **kwargs)

    return collect


def _refuse(event: _errors.ParseErrorEvent, *, argv: Sequence[str], prog: str, known: list[str]) -> None:
    """A mistake as one sentence."""
    see = _see(prog)
    words = [word.partition("=")[0] for word in argv if re.match(r"--?[A-Za-z]", word)]
    spelled = {word: word.replace("_", "-") for word in words}
    if name := next((word for word in words if spelled[word] not in (*known, "--help", "-h")), None):
        near = suggest(name.replace("_", "-"), known) or see
        raise UserError(_("'{name}' is not a flag of `{prog}`.{near}").format(name=name, prog=prog, near=near))
    if isinstance(event, _errors.UnrecognizedArgs):
        extra = " ".join(event.tokens)
        raise UserError(
            _("`{prog}` does not know what to do with '{extra}'.{see}").format(prog=prog, extra=extra, see=see)
        )
    if isinstance(event, _errors.MissingArgs):
        argument = event.missing_arguments[0].arg
        help = argument.field.helptext
        about = ((help() if callable(help) else help) or "").strip().rstrip(".")
        name = argument.lowered.metavar if argument.is_positional() else argument.display_name()
        about = f" ({about})" if about else ""
        raise UserError(_("{name}{about} is missing.{see}").format(name=name, about=about, see=see))
    if isinstance(event, _errors.InvalidChoice):
        name, choices = event.argument.display_name(), event.choices
        listed = commas(choices)
        raise UserError(
            _("{name} cannot be '{value}': use {listed}.").format(name=name, value=event.value, listed=listed)
        )
    if isinstance(event, _errors.BadValue):
        name = event.argument.display_name()
        raise UserError(_("{name} needs a value.{see}").format(name=name, see=see))
    if isinstance(event, _errors.InstantiationFailure):
        where = "" if event.argument is None else f"{event.argument.display_name()}: "
        what = where + event.message.rstrip(".")
        raise UserError(_("{what}.{see}").format(what=what, see=see))


def _pair(word: str) -> tuple[str, Any]:
    """key=value, the value read as YAML (numbers, true/false, {…})."""
    key, equals, value = word.partition("=")
    if not equals:
        raise UserError(_("--set takes key=value, not '{word}'.").format(word=word))
    import yaml

    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(
            _("--set {key} has a value that cannot be read: '{value}'.").format(key=key, value=value)
        ) from None


def _rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """int, float and X | None: said in plain words, where tyro says `{None}|INT` and quotes Python's errors."""
    options = get_args(info.type) if get_origin(info.type) in (Union, types.UnionType) else (info.type,)
    kinds = [option for option in options if option is not type(None)]
    optional = len(kinds) < len(options)
    if len(kinds) != 1 or kinds[0] not in KINDS or not (optional or kinds[0] in (int, float)):
        return None
    kind = kinds[0]
    metavar, words = KINDS[kind]

    def read(args: list[str]) -> Any:
        if optional and args[0] == "None":
            return None
        try:
            return kind(args[0])
        except ValueError:
            raise ValueError(_("'{arg}' is not {words}").format(arg=args[0], words=words)) from None

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: (
            isinstance(value, kind) or (optional and value is None) or (kind is float and isinstance(value, int))
        ),
        str_from_instance=lambda value: [str(value)],
    )


_REGISTRY = ConstructorRegistry()
_REGISTRY.primitive_rule(_rule)
