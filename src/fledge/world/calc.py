"""A tiny calculator for the `calc` tool: + - * / and parentheses over whole numbers and decimals. No `eval`, exact fractions."""

from __future__ import annotations

import re
from fractions import Fraction

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([-+*/×÷−()]))")
_SAME = {"×": "*", "÷": "/", "−": "-"}
MAX_LENGTH = 200  # characters; also bounds the depth of the recursion


def calculate(expression: str) -> Fraction:
    """The value of `expression`. ValueError when it is not arithmetic or divides by zero."""
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"the expression is longer than {MAX_LENGTH} characters")
    tokens = _tokens(expression)
    value, rest = _sum(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"unexpected {tokens[rest]!r}")
    return value


def show(value: Fraction) -> str:
    """A whole number as such, anything else with at most four decimals."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.4f}".rstrip("0").rstrip(".")


def _tokens(expression: str) -> list[str]:
    tokens, at, end = [], 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"unexpected {expression[at:].strip()[:1]!r}")
        tokens.append(match[1] or _SAME.get(match[2], match[2]))
        at = match.end()
    return tokens


def _sum(tokens: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _product(tokens, at)
    while at < len(tokens) and tokens[at] in "+-":
        right, after = _product(tokens, at + 1)
        value, at = (value + right if tokens[at] == "+" else value - right), after
    return value, at


def _product(tokens: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _unit(tokens, at)
    while at < len(tokens) and tokens[at] in "*/":
        right, after = _unit(tokens, at + 1)
        if tokens[at] == "/" and right == 0:
            raise ValueError("division by zero")
        value, at = (value * right if tokens[at] == "*" else value / right), after
    return value, at


def _unit(tokens: list[str], at: int) -> tuple[Fraction, int]:
    if at == len(tokens):
        raise ValueError("the expression ends too early")
    if tokens[at] == "-":
        value, after = _unit(tokens, at + 1)
        return -value, after
    if tokens[at] == "(":
        value, after = _sum(tokens, at + 1)
        if after == len(tokens) or tokens[after] != ")":
            raise ValueError("a parenthesis is not closed")
        return value, after + 1
    if not tokens[at][0].isdigit():
        raise ValueError(f"unexpected {tokens[at]!r}")
    return Fraction(tokens[at]), at + 1
