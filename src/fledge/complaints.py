"""What argparse says of a mistake, in the learner's language: it speaks English only."""

from __future__ import annotations

import re

from fledge.lang import say

_COMPLAINTS = (
    (r"unrecognized arguments: (?P<words>.*)", ("没有参数 {words}", "unrecognized arguments: {words}")),
    (
        r"ambiguous option: (?P<flag>\S+) could match (?P<flags>.*)",
        ("{flag} 可以是好几个参数，请写全：{flags}", "ambiguous option: {flag} could match {flags}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): invalid int value: (?P<value>.*)",
        ("{flag} 应该是整数，不能是 {value}", "{flag}: invalid int value: {value}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): invalid float value: (?P<value>.*)",
        ("{flag} 应该是一个数，不能是 {value}", "{flag}: invalid float value: {value}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): expected one argument",
        ("{flag} 后面少了一个值", "{flag}: expected one argument"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): invalid choice: (?P<value>.*) \(choose from (?P<choices>.*)\)",
        ("{flag} 不能是 {value}，只能选：{choices}", "{flag}: invalid choice: {value} (choose from {choices})"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): ignored explicit argument (?P<value>.*)",
        ("{flag} 后面不能写值，这里写了 {value}", "{flag}: ignored explicit argument {value}"),
    ),
    (
        r"(?:argument )?(?P<flag>\S+): (?P<said>.*)",
        ("{flag}：{said}", "{flag}: {said}"),
    ),  # of a type of ours: translated
)


def in_chinese(complaint: str) -> str:
    """The complaint without its full stop; one that is not known stands as it is, in Chinese in brackets."""
    for pattern, words in _COMPLAINTS:
        if found := re.fullmatch(pattern, complaint, re.DOTALL):
            return say(*words).format(**found.groupdict())
    return say(f"参数写得不对（{complaint}）", f"{complaint}")
