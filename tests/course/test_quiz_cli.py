"""`fledge quiz`: answered at a terminal or by a script, every answer with its reason and kept."""

from __future__ import annotations

import io
import json
import sys

import pytest

from fledge.cli import quiz as verb
from fledge.course.progress import open_progress
from fledge.course.quiz import arrange
from fledge.errors import UserError
from tests.course.quizzes import item, topic

__all__ = ["topic"]

ANSWERS = "a,b,c,a,b,c,ac,2.0,"


def solved(topic) -> str:
    """All answers right, in the order of the page."""
    shown = arrange(item(topic, "sequence"), None)
    return ANSWERS + "".join("ABC"[shown.index(number)] for number in range(3))


def kept():
    with open_progress() as progress:
        return {event.subject: event.data for event in progress.events("quiz")}


def test_answers_from_a_script_are_judged_and_kept(topic, capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert verb.main(["topic", "--answers", solved(topic)]) == 0
    assert "9 of 9 right" in capsys.readouterr().out
    found = kept()
    assert len(found) == 9 and all(data["right"] for data in found.values())
    assert (found["07-topic/both"]["chosen"], found["07-topic/number"]["chosen"]) == ([0, 2], 2.0)


def test_the_seed_sets_the_order_and_the_file_order_is_kept(topic, capsys):
    for seed in range(8):
        shown = arrange(item(topic, "q0"), seed)
        letter = "abc"[shown.index(0)]
        assert verb.main(["topic", "--item", "q0", "--answers", letter, "--seed", str(seed), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["items"]
        assert (row["right"], row["chosen"], row["shown"]) == (True, [0], shown)


def test_what_to_look_at_again(topic, capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    verb.main(["topic", "--answers", "b" + solved(topic)[1:]])
    said = capsys.readouterr().out
    assert "9 题里答对 8 题" in said and "中why two" in said and "中why one" in said
    for command in ("fledge lab run 07-topic/exp1_a", "fledge quiz 07-topic --item q0", "fledge learn read 07-topic"):
        assert command in said


def test_a_file_of_answers(topic, tmp_path, capsys):
    file = tmp_path / "答案.json"
    file.write_text(json.dumps({"number": 2, "both": ["a", "c"], "q1": "c"}), encoding="utf-8")
    assert verb.main(["topic", "--answers", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["id"]: row["right"] for row in found["items"]} == {"number": True, "both": True, "q1": False}
    assert found["items"][0]["labs"] == ["07-topic/exp1_a"]
    file.write_text(json.dumps(solved(topic).split(",")), encoding="utf-8")
    assert verb.main(["topic", "--answers", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["right"] == 9


@pytest.mark.parametrize("answers", ["a,b", "a,b,c,a,b,c,ac,two,abc", "a,b,c,a,b,c,ac,2.0,ab"])
def test_answers_that_cannot_be_read_spoil_none(topic, answers):
    with pytest.raises(UserError):
        verb.main(["topic", "--answers", answers])
    assert kept() == {}


def test_bad_files_of_answers_are_sentences(topic, tmp_path):
    file = tmp_path / "a.json"
    for text in ("{", "3", '{"nobody": "a"}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(UserError):
            verb.main(["topic", "--answers", str(file)])
    with pytest.raises(UserError, match=r"none\.json"):
        verb.main(["topic", "--answers", str(tmp_path / "none.json")])
    assert kept() == {}


def test_without_a_terminal_it_is_one_sentence(topic, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n"))
    with pytest.raises(UserError, match="--answers"):
        verb.main(["topic"])
    with pytest.raises(UserError, match="no item 'q7'"):
        verb.main(["topic", "--item", "q7"])


def at_a_terminal(monkeypatch, *lines):
    """Somebody who types these lines and then ends the input."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)


def test_at_a_terminal(topic, monkeypatch, capsys):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    shown = arrange(item(topic, "q0"), 1)
    at_a_terminal(monkeypatch, "x", "abc"[shown.index(1)], "q")
    assert verb.main(["topic", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "'x' is not understood" in said and "Not quite" in said and "0 of 1 right" in said
    assert kept() == {"07-topic/q0": {"chosen": [1], "right": False}}


def test_the_end_of_the_input_keeps_what_was_answered(topic, monkeypatch, capsys):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    at_a_terminal(monkeypatch, "a", "a")
    verb.main(["topic"])
    assert len(kept()) == 2
    at_a_terminal(monkeypatch)
    verb.main(["topic"])
    assert len(kept()) == 2 and "Nothing was answered" in capsys.readouterr().out
