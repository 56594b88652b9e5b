"""The chat with a model that repeats what it was last told."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from fledge.cli.chat import Chat, talk
from fledge.errors import UserError
from fledge.generate import Sampling


class Echo:
    """An LM that says back the last message and how many messages it saw."""

    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=200))

    def __init__(self):
        self.calls = []

    def prompt(self, messages):
        return [0] * sum(len(message["content"]) for message in messages)

    def stream(self, messages, **sampling):
        self.calls.append(([dict(message) for message in messages], sampling))
        yield "you said "
        if messages[-1]["content"] == "stop me":
            raise KeyboardInterrupt
        if messages[-1]["content"] == "too long":
            raise UserError("too long")
        yield messages[-1]["content"]


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")


@pytest.fixture
def echo():
    return Echo()


def run(echo, lines, monkeypatch, capsys, **more):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
    talk(echo, Sampling(**more))
    return capsys.readouterr().out


def roles(call):
    return [(message["role"], message["content"]) for message in call[0]]


def test_lines_from_a_pipe_are_a_conversation(echo, monkeypatch, capsys):
    out = run(echo, ["hello", "", "你好"], monkeypatch, capsys, temperature=0)
    assert out == "> hello\nyou said hello\n> 你好\nyou said 你好\n"
    assert roles(echo.calls[1]) == [("user", "hello"), ("assistant", "you said hello"), ("user", "你好")]


def test_commands(echo, monkeypatch, capsys):
    lines = [
        "/system be kind",
        "a",
        "/temp 0.2",
        "/seed 5",
        "b",
        "c",
        "/seed",
        "/reset",
        "d",
        "/system",
        "e",
        "/quit",
        "f",
    ]
    run(echo, lines, monkeypatch, capsys)
    assert roles(echo.calls[0]) == [("system", "be kind"), ("user", "a")]
    assert [(call[1]["temperature"], call[1]["seed"]) for call in echo.calls] == [
        (0.7, None), (0.2, 5), (0.2, 6), (0.2, None), (0.2, None)
    ]  # fmt: skip
    assert roles(echo.calls[3]) == [("system", "be kind"), ("user", "d")]
    assert roles(echo.calls[4]) == [("user", "e")]
    assert len(echo.calls) == 5, "nothing is answered after /quit"


def test_mistakes_are_said_and_the_chat_goes_on(echo, monkeypatch, capsys):
    out = run(echo, ["/tmep 1", "/temp hot", "/temp -1", "too long", "go on"], monkeypatch, capsys)
    assert "Did you mean '/temp'?" in out and "'hot' is not a number" in out and out.count("error:") == 4
    assert roles(echo.calls[-1]) == [("user", "go on")], "the message that could not be answered is gone"


def test_ctrl_c_stops_the_answer_and_keeps_what_was_shown(echo, monkeypatch, capsys):
    out = run(echo, ["stop me", "go on"], monkeypatch, capsys)
    assert "(stopped)" in out
    assert roles(echo.calls[1]) == [("user", "stop me"), ("assistant", "you said "), ("user", "go on")]


def test_a_long_conversation_forgets_its_beginning_but_not_the_system_message(echo):
    chat = Chat(echo, Sampling(), "S")
    said = []
    for i in range(6):
        chat.answer(f"{i}" * 30, said.append)
    assert roles(echo.calls[-1])[0] == ("system", "S") and roles(echo.calls[-1])[1][1].startswith("4" * 30)
    assert any("forgot the first 2 messages" in piece for piece in said)


def test_thoughts_are_kept_apart_from_the_answer(echo, monkeypatch, capsys):
    """The prompt opens the tag, the model closes it; the next turn sees both where the template wants them."""
    out = run(echo, ["/think", "easy</think> yes", "b", "/think", "c"], monkeypatch, capsys)
    assert "> easy</think>" in out and "<think>\nyou said easy</think> yes" in out
    assert echo.calls[0][1]["thinking"] is True and "thinking" not in echo.calls[2][1]
    said = echo.calls[1][0][1]
    assert said == {"role": "assistant", "content": "yes", "reasoning_content": "you said easy"}
    assert echo.calls[2][0][3]["content"] == ""  # "you said b" was never closed: all thought, no answer
