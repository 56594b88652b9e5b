"""Flags from a dataclass (or a function's signature): the fields are the flags, their docstrings are the help.

tyro does the parsing and `--help`. What it says about a mistake is a box of several lines; here it becomes one
sentence (UserError) that names the nearest flag. A required word without a flag is written

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from fledge.errors import UserError, suggest
from fledge.lang import Text, say

T = TypeVar("T")
CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)  # nested configs give flat flags
NAMES: dict[Any, tuple[str, str]] = {
    int: ("INT", "a whole number"),
    float: ("FLOAT", "a number"),
    str: ("TEXT", "a text"),
    Path: ("PATH", "a path"),
}

IN_CHINESE = (  # what tyro and `_rule` say -> the same in Chinese
    (r"(.+): (.*) is not a whole number", r"\1 要写一个整数，\2 不是"),
    (r"(.+): (.*) is not a number", r"\1 要写一个数，\2 不是"),
    (r"invalid choice (.*) for argument '(.*)'\. Expected one of \((.*?),?\)\.?", r"\2 不能是 \1，可选的有：\3"),
    (r"Missing value for argument '(.*)'\. Expected 1 values\.?", r"\1 后面缺一个值"),
    (r"Missing value for argument '(.*)'\. Expected (\d+) values\.?", r"\1 后面缺值，要写 \2 个"),
)


def parse(target: Callable[..., T], argv: Sequence[str], prog: str, *, default: T | None = None) -> T:
    """Return `target` made from `argv` (a function is called with it); `default` is an instance that flags change.

    Raises UserError with one sentence for a mistake in `argv`; `--help` prints and leaves with SystemExit(0).
    """
    build = target if inspect.isclass(target) else _later(target)
    call = functools.partial(_cli, build, prog=prog, default=default)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            result = call(args=list(argv))
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UserError(_sentence(call, argv, prog)) from None
    return result if inspect.isclass(target) else result()


def subverb(table: Mapping[str, tuple[Callable[[list[str]], int], Text | str]], argv: Sequence[str], prog: str) -> int:
    """Run `prog WORD …` by a table of word -> (function of the other words, one line of help)."""
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, table))
        print(f"{say('用法：', 'usage: ')}{prog} {'|'.join(table)} …\n")
        print("\n".join(f"  {word:<{width}}  {help}" for word, (_, help) in table.items()))
        return 0
    if argv[0] not in table:
        near = suggest(argv[0], table)
        raise UserError(
            say(
                f"`{prog}` 没有 '{argv[0]}' 这个子命令。{near or f'用 `{prog} --help` 查看全部。'}",
                f"`{prog}` knows no '{argv[0]}'.{near or f' See `{prog} --help`.'}",
            )
        )
    return table[argv[0]][0](list(argv[1:]))


def _cli(build: Any, *, args: list[str], prog: str, default: Any) -> Any:
    with _REGISTRY:
        given = {} if default is None else {"default": default}
        return tyro.cli(build, args=args, prog=prog, config=CONFIG, add_help=True, **given)


def _later(function: Callable[..., T]) -> Callable[..., Callable[[], T]]:
    """Parse a function's flags without running it yet: what it prints must not be taken for tyro's errors."""

    @functools.wraps(function)
    def collect(*args: Any, **kwargs: Any) -> Callable[[], T]:
        return functools.partial(function, *args, **kwargs)

    return collect


def _sentence(call: Callable[..., Any], argv: Sequence[str], prog: str) -> str:
    """tyro's box of error text as one sentence."""
    known = [
        flag
        for entry in re.findall(r"^  (-.*?)(?:  |$)", _said(call, ["--help"]), flags=re.MULTILINE)
        for flag in re.findall(r"(?<![\w-])--?[A-Za-z][\w.-]*", entry)
    ]
    for word in argv:
        flag = word.split("=")[0].replace("_", "-")
        if re.match(r"--?[A-Za-z]", flag) and flag not in known:
            near = suggest(flag, [name for name in known if name.startswith("--")])
            return say(
                f"`{prog}` 没有 '{word.split('=')[0]}' 这个参数。{near or f'用 `{prog} --help` 查看全部参数。'}",
                f"'{word.split('=')[0]}' is not a flag of `{prog}`.{near or f' See `{prog} --help`.'}",
            )
    see = f"用 `{prog} --help` 查看用法。"
    body = [line.strip() for line in _said(call, argv).splitlines()[2:]]  # after the title and its rule
    body = body[: next((i for i, line in enumerate(body) if not line or line.startswith("---")), len(body))]
    if body[0].startswith("Missing from"):  # then the flag with the kind of its value, and its help
        help = " ".join(body[2:]).partition("(required)")[0].strip().rstrip(".")
        name = body[1].split()[0]
        return say(
            f"缺少 {name}。{see}",
            f"{name}{f' ({help})' if help else ''} is missing. See `{prog} --help`.",
        )
    first = " ".join(body)
    if extra := re.fullmatch(r"Unrecognized options: (.*)", first):
        return say(
            f"`{prog}` 看不懂多出来的 '{extra[1]}'。{see}",
            f"`{prog}` does not know what to do with '{extra[1]}'. See `{prog} --help`.",
        )
    first = re.sub(r"^(Error parsing )?(\w+: )?", "", first)  # `--steps: …`, or what the class itself objected to
    return say(f"{_in_chinese(first.rstrip('.'))}。{see}", f"{first.rstrip('.')}. See `{prog} --help`.")


def _in_chinese(first: str) -> str:
    """tyro's words in Chinese; those of no known form stay as they are, but are said to be what was wrong."""
    for pattern, words in IN_CHINESE:
        if found := re.fullmatch(pattern, first):
            return found.expand(words)
    return f"这些参数不对（{first}）"


def _said(call: Callable[..., Any], argv: Sequence[str]) -> str:
    """What tyro prints for `argv`, without colours and box-drawing lines: it leaves them out when no terminal reads."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text), contextlib.suppress(SystemExit):
        call(args=list(argv))
    return text.getvalue()


def _rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """int, float and X | None: said in plain words, where tyro says `{None}|INT` and quotes Python's errors."""
    options = get_args(info.type) if get_origin(info.type) in (Union, types.UnionType) else (info.type,)
    kinds = [option for option in options if option is not type(None)]
    optional = len(kinds) < len(options)
    if len(kinds) != 1 or kinds[0] not in NAMES or not (optional or kinds[0] in (int, float)):
        return None
    kind = kinds[0]
    metavar, words = NAMES[kind]

    def read(args: list[str]) -> Any:
        if optional and args[0] == "None":
            return None
        try:
            return kind(args[0])
        except ValueError:
            raise ValueError(f"'{args[0]}' is not {words}") from None

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
