"""What argparse says of a mistake, in Chinese: it speaks English only."""

from __future__ import annotations

import re

_COMPLAINTS = (
    (r"unrecognized arguments: (.*)", r"没有参数 \1"),
    (r"ambiguous option: (\S+) could match (.*)", r"\1 可以是好几个参数，请写全：\2"),
    (r"(?:argument )?(\S+): invalid int value: (.*)", r"\1 应该是整数，不能是 \2"),
    (r"(?:argument )?(\S+): invalid float value: (.*)", r"\1 应该是一个数，不能是 \2"),
    (r"(?:argument )?(\S+): expected one argument", r"\1 后面少了一个值"),
    (r"(?:argument )?(\S+): invalid choice: (.*) \(choose from (.*)\)", r"\1 不能是 \2，只能选：\3"),
    (r"(?:argument )?(\S+): ignored explicit argument (.*)", r"\1 后面不能写值，这里写了 \2"),
    (r"(?:argument )?(\S+): (.*)", r"\1：\2"),  # of a type of ours, which speaks both languages
)


def in_chinese(complaint: str) -> str:
    """The complaint without its full stop; one that is not known stands in brackets as it is."""
    for english, chinese in _COMPLAINTS:
        if found := re.fullmatch(english, complaint, re.DOTALL):
            return found.expand(chinese)
    return f"参数写得不对（{complaint}）"
