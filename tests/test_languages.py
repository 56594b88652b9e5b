"""Every sentence of the program stands in English in the code and in Chinese in the catalogue, with the same fields."""

from __future__ import annotations

import argparse
import ast
import re
import sys

import pytest

from fledge.errors import suggest, translated
from fledge.lang import N_, _, both, catalogue, language
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import messages

SRC = ROOT / "src/fledge"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_sentence_is_translated_and_none_is_stale():
    assert messages.problems(messages.read(), messages.extract()) == []


def test_what_is_compiled_is_what_stands_in_the_catalogue():
    assert messages.CATALOGUE.with_suffix(".mo").read_bytes() == messages.mo(messages.read())


@pytest.mark.parametrize(
    ("code", "chinese", "left"),
    [
        ('_("new {n}")', "", "not translated: 'new {n}'"),
        ('_("new {n}")', "新 {m}", "other {fields} in Chinese: 'new {n}'"),
        ('_("new {n}")', "新", "other {fields} in Chinese: 'new {n}'"),
        ('ngettext("{n} row", "{n} rows", n)', "行", "other {fields} in Chinese: '{n} row'"),
        ('pgettext("here", "row")', "", "not translated: 'row'"),
    ],
)
def test_a_sentence_that_lacks_something_is_found(tmp_path, code, chinese, left):
    (tmp_path / "a.py").write_text(code, encoding="utf-8")
    found = messages.extract(tmp_path)
    (key,) = (messages.key_of(message) for message in found if message.id)
    assert messages.problems(messages.update(messages.Chinese(), found, {key: chinese}), found) == [left]
    assert messages.problems(messages.update(messages.Chinese(), found, {key: key[1]}), messages.Chinese()) == [
        f"no longer in the code: {key[1]!r}"
    ]


def chinese_in(source: str) -> list[int]:
    """Lines of strings with Chinese in them, but of docstrings and of `Text(zh, en)`, the content of labs and exercises."""
    tree = ast.parse(source)
    left_out = {
        id(part)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text")
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for part in ast.walk(node)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and CHINESE.search(node.value)
        and id(node) not in left_out
    ]


# What is Chinese in itself: the world's text, prompts and practice data, words that are looked for in Chinese text or typed.
CHINESE_IN_ITSELF = {
    "cli/new_check.py", "cli/quickstart.py", "cli/tokenizer.py", "cli/tokenizer_view.py", "course/quiz_lint.py",
    "data/clean/answers.py", "data/clean/repair.py", "endpoint/judge.py", "recipes/invented.py", "recipes/made.py",
    "recipes/programs.py", "rollout/tools.py",
    "synth/instruct.py", "interop/hf.py", "interop/minimind/talk.py", "interop/minimind/tokenizer.py",
}  # fmt: skip


def test_no_chinese_sentence_stands_in_the_code():
    found = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if chinese_in(path.read_text("utf-8"))}
    assert {name for name in found if not name.startswith("world/")} <= CHINESE_IN_ITSELF
    assert chinese_in('print("没有")') and not chinese_in('"""文"""\nText("没有", "none")')


def test_the_language_is_asked_for_at_every_call(monkeypatch):
    later, said = N_("talk with a model"), {}
    for lang in ("zh", "en"):
        monkeypatch.setenv("FLEDGE_LANG", lang)
        said[lang] = str(later), _("talk with a model")
    assert said["en"] == ("talk with a model",) * 2 and all(map(CHINESE.search, said["zh"]))
    assert both("there is no {what}", what=later) != both("there is no {what}", what="x")


def test_without_a_catalogue_it_speaks_english():
    assert catalogue("tlh").gettext("talk with a model") == "talk with a model"


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
def test_what_argparse_says_is_known_translated(words, chinese, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    parser = Parser()
    parser.add_argument("--number", type=int)
    parser.add_argument("--numeral")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--flag", action="store_true")
    with pytest.raises(Complaint) as said:
        parser.parse_args(words.split())
    assert translated(str(said.value)) == chinese


def test_choices_are_named_translated(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    parser = Parser()
    parser.add_argument("--kind", choices=["a", "b"])
    with pytest.raises(Complaint) as said:  # Pythons quote the choices differently
        parser.parse_args(["--kind", "c"])
    assert translated(str(said.value)).startswith("--kind 不能是 'c'，只能选：")
    assert translated("something new") == "参数写得不对（something new）"
