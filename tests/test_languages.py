"""Every sentence of an error stands in Chinese and English."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator

import pytest

from fledge.complaints import in_chinese
from fledge.errors import suggest
from fledge.lang import language
from tests.conftest import ROOT

FILES = sorted((ROOT / "src/fledge").rglob("*.py"))
BILINGUAL = {"say", "Text"}  # (zh, en)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
WORDS = re.compile(r"(?<![-\w])[A-Za-z]{2,} [a-z]{2,}")  # two English words


def calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def text(node: ast.AST) -> str:
    """The literal text of a string or f-string."""
    return "".join(
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def one_language(tree: ast.AST) -> list[tuple[int, str]]:
    """English sentences in a UserError outside of `say`, and pairs whose Chinese has no Chinese in it."""
    inside = {id(part) for call in calls(tree, BILINGUAL) for part in ast.walk(call)}
    strings = [
        part
        for error in calls(tree, {"UserError"})
        for part in ast.walk(error)
        if isinstance(part, ast.Constant | ast.JoinedStr) and id(part) not in inside
    ]
    found = [(part.lineno, text(part)) for part in strings if WORDS.search(text(part))]
    for call in calls(tree, BILINGUAL):
        if len(call.args) == 2 and isinstance(call.args[0], ast.Constant | ast.JoinedStr):
            zh, en = map(text, call.args)
            if (WORDS.search(en) and not CHINESE.search(zh)) or CHINESE.search(en):
                found.append((call.lineno, f"{zh} | {en}"))
    return found


def test_errors_speak_both_languages():
    found = [
        f"{path.relative_to(ROOT).as_posix()}:{line}: {words}"
        for path in FILES
        for line, words in one_language(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        'UserError("there is no file")',
        'UserError(f"{x} is no file" + say("没有", "none"))',
        'say("no file", "no file")',
    ],
)
def test_a_sentence_in_one_language_is_found(code):
    assert one_language(ast.parse(code)) and not one_language(
        ast.parse('UserError(say(f"没有 {x}", f"there is no {x}"))')
    )


def test_a_suggestion_follows_the_language(monkeypatch):
    said = {}
    for lang in ("zh", "en"):
        monkeypatch.setenv("FLEDGE_LANG", lang)
        said[language()] = suggest("epoch", ["epochs", "steps"])
    assert said == {"zh": "是不是想写 'epochs'？", "en": " Did you mean 'epochs'?"}


class Complaint(Exception):
    pass


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Complaint(message)


@pytest.mark.parametrize(
    ("words", "chinese"),
    [
        ("--number x", "--number 应该是整数，不能是 'x'"),
        ("--rate x", "--rate 应该是一个数，不能是 'x'"),
        ("--number", "--number 后面少了一个值"),
        ("--flag=1", "--flag 后面不能写值，这里写了 '1'"),
        ("--nu 1", "--nu 可以是好几个参数，请写全：--number, --numeral"),
        ("--other", "没有参数 --other"),
    ],
)
def test_what_argparse_says_is_known_in_chinese(words, chinese):
    parser = Parser()
    parser.add_argument("--number", type=int)
    parser.add_argument("--numeral")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--flag", action="store_true")
    with pytest.raises(Complaint) as said:
        parser.parse_args(words.split())
    assert in_chinese(str(said.value)) == chinese


def test_choices_are_named_in_chinese():
    parser = Parser()
    parser.add_argument("--kind", choices=["a", "b"])
    with pytest.raises(Complaint) as said:  # Pythons quote the choices differently
        parser.parse_args(["--kind", "c"])
    assert in_chinese(str(said.value)).startswith("--kind 不能是 'c'，只能选：")
    assert in_chinese("something new") == "参数写得不对（something new）"
