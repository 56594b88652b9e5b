"""A run goes on although its data lie elsewhere or have another name: what counts is what is in them."""

from __future__ import annotations

import pytest

from fledge.cli import main
from fledge.records import Run
from tests.bad_input.conftest import FAST, NEW, TEXT, lines, talk

SAVED = ["--save-every", "1", "--steps"]


@pytest.fixture
def begun(file, runs, request):
    """A run of two steps that has a checkpoint."""
    file("a.txt", TEXT.encode())
    file("v.txt", TEXT[:2000].encode())
    name = f"begun-{request.node.name}"
    words = ["train", "pretrain", *FAST[2:], *NEW, "--run", name]
    assert main([*words, "--data", "a.txt", "--val", "v.txt", *SAVED, "2"]) == 0
    return name


def longer(name: str, *words: str) -> list[str]:
    return ["train", "pretrain", "--run", name, "--resume", *words, *SAVED, "4"]


def test_a_renamed_file_goes_on(begun, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "a.txt").rename(tmp_path / "data/b.txt")
    (tmp_path / "v.txt").rename(tmp_path / "data/v.txt")
    assert main(longer(begun, "--data", "data/b.txt", "--val", "data/v.txt")) == 0, capsys.readouterr().err
    run = Run.open(begun)
    assert run.info["status"] == "done" and run.info["results"]["step"] == 4
    assert [row["step"] for row in run.metrics() if "loss" in row] == [1, 2, 3, 4]


def test_a_file_that_is_gone_is_asked_for(begun, tmp_path, refused):
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    said = refused(*longer(begun))
    assert f"a.txt, which run '{begun}' needs, is not there: give its new place with --data" in said


def test_another_text_is_refused(begun, tmp_path, refused, file):
    file("b.txt", TEXT.replace("cat", "dog").encode())
    assert f"run '{begun}' was started with --data ['a.txt'], not ['b.txt']" in refused(
        *longer(begun, "--data", "b.txt")
    )
    file("a.txt", TEXT.replace("cat", "dog").encode())
    assert "a.txt has another content" in refused(*longer(begun)), "under the same name, too"


def test_conversations_and_the_texts_that_are_replayed_may_move(file, tmp_path, capsys):
    file("chats.jsonl", lines(*[talk(f"{i}?") for i in range(30)]))
    file("a.txt", TEXT.encode())
    words = ["train", "sft", "--model", "mine", "--run", "moved-sft", *FAST[2:], "--replay-share", "0.5"]
    assert main([*words, "--data", "chats.jsonl", "--replay", "a.txt", *SAVED, "2"]) == 0
    (tmp_path / "chats.jsonl").rename(tmp_path / "talks.jsonl")
    (tmp_path / "a.txt").rename(tmp_path / "texts.txt")
    words = ["train", "sft", "--run", "moved-sft", "--resume", "--data", "talks.jsonl", "--replay", "texts.txt"]
    assert main([*words, *SAVED, "4"]) == 0, capsys.readouterr().err
    assert Run.open("moved-sft").info["results"]["step"] == 4
