"""Files and rows that cannot be trained on, as a new user meets them at the command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from fledge.cli import main
from fledge.records import Run
from tests.bad_input.conftest import CONTEXT, FAST, NEW, TEXT, lines, talk

TEXT_VERBS = {
    "pretrain": ["train", "pretrain", *FAST, *NEW, "--data"],
    "tokenizer": ["tokenizer", "train", "--out", "new-tokenizer", "--data"],
    "eval": ["eval", "mine", "--device", "cpu", "--text"],
    "check": ["data", "check"],
}
TEXT_FILES = {
    "empty.txt": (b"", "is empty (0 bytes): give a file with text in it"),
    "empty.jsonl": (b"", "is empty (0 bytes): give a file with text in it"),
    "blank.txt": (b" \n\t\n", "only white space"),
    "binary.txt": (bytes(range(256)) * 20, "is a binary file: give text, JSON lines or parquet"),
    "koi8.txt": ("чашка кофе ".encode("koi8-r") * 50, "neither UTF-8, GB18030 nor Windows-1252 (byte 0 is wrong): save it as"),
    "cut.jsonl": ('{"text": "中中中中"}\n'.encode().replace(b"\xad\"", b'"') * 3, "line 1: not UTF-8"),
    "pointer.txt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
    "page.jsonl": (b"<!doctype html>\n<html><body>Not found</body></html>", "is a web page (HTML) and not data"),
    "table.csv": (b"Sentence,Label\nfine,1\n", "line 2: no known schema has these keys: Sentence, Label"),
    "keys.jsonl": (lines({"txet": "a cat"}, {"txet": "a dog"}), "line 1: no known schema has these keys: txet"),
    "value.jsonl": (lines({"text": 3}, {"text": None}), "line 1: 'text' must be a string"),
    "broken.jsonl": (b'{"text": oops}\n', "line 1: not JSON"),
    "broken.json": (b'[{"text": "a"},\n {"text": ', "line 2 column 11"),
    "nothing.parquet": (b"PAR1 this is not parquet", "is not a parquet file that can be read"),
    "torn.txt.gz": (b"\x1f\x8b\x08\x00 torn", "cannot be unpacked"),
    "absent.txt": (None, "there is no file"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXT_FILES)
@pytest.mark.parametrize("verb", TEXT_VERBS)
def test_files_that_hold_no_text(refused, file, verb, name):
    content, said = TEXT_FILES[name]
    sentence = refused(*TEXT_VERBS[verb], file(name, content))
    assert said in sentence and name in sentence


CHAT_VERBS = {"sft": ["train", "sft", "--model", "mine", *FAST, "--data"], "check": ["data", "check"]}
CHAT_FILES = {
    "empty.jsonl": (b"", "is empty (0 bytes)"),
    "binary.jsonl": (bytes(range(256)) * 20, "is a binary file"),
    "cut.jsonl": (lines(talk("中")).replace("中".encode(), b"\xe4\xb8"), "line 1: not UTF-8"),
    "question.jsonl": (lines(talk(question=" ")), "the question in message 1 is blank"),
    "alpaca.jsonl": (lines({"instruction": "", "input": "", "output": "yes"}), "'instruction' is missing or empty"),
    "turn.jsonl": (lines({"role": "user", "content": "hi"}), "this is one message of a conversation"),
    "content.jsonl": (
        lines({"conversations": [{"role": "user"}, {"role": "assistant", "content": "x"}]}),
        "no content",
    ),
    "role.jsonl": (
        lines(talk(roles=("usr", "assistant"))),
        "unknown role 'usr'; use one of system, user, assistant, tool",
    ),
    "silent.jsonl": (lines(talk(roles=("user",))), "line 1: no assistant turn"),
    "mute.jsonl": (lines(talk(answer="")), "the answer in message 2 is blank"),
    "none.jsonl": (lines({"conversations": []}), "'conversations' must be a list of messages"),
    "text.jsonl": (lines({"conversations": "hello"}), "'conversations' must be a list of messages"),
    "keys.jsonl": (lines({"converstions": []}), "Did you mean 'conversations'?"),
    "mostly.jsonl": (lines(talk(), *[talk(roles=("usr", "assistant"))] * 2), "unknown role 'usr'"),
    "absent.jsonl": (None, "there is no file"),
}


@pytest.mark.parametrize("name", CHAT_FILES)
@pytest.mark.parametrize("verb", CHAT_VERBS)
def test_files_that_hold_no_conversations(refused, file, verb, name, capsys):
    content, said = CHAT_FILES[name]
    path = file(name, content)
    if (verb, name) == ("check", "mostly.jsonl"):  # a check reports what training refuses; its exit code says so
        assert main(["data", "check", str(path)]) == 1
        assert said in capsys.readouterr().out
        return
    sentence = refused(*CHAT_VERBS[verb], path)
    assert said in sentence and name in sentence


def test_files_of_the_other_job(refused, file):
    assert "holds no chat rows" in refused(
        "train", "sft", "--model", "mine", *FAST, "--data", file("a.txt", TEXT.encode())
    )
    chats = file("chats.jsonl", lines(*[talk()] * 3))
    assert "text rows are needed" in refused("train", "pretrain", *FAST, *NEW, "--data", chats)


def test_a_folder_and_a_misspelt_name_are_answered_with_the_nearest(refused, file, tmp_path):
    file("shakespeare.txt", TEXT.encode())
    assert "Did you mean 'shakespeare.txt'?" in refused("train", "pretrain", *FAST, *NEW, "--data", "shakespear.txt")
    assert "is a folder, not a data file" in refused("train", "pretrain", *FAST, *NEW, "--data", tmp_path)
    assert "the folder no does not exist" in refused("train", "pretrain", *FAST, *NEW, "--data", "no/such.txt")


def test_the_second_file_and_the_validation_file_are_checked_too(refused, file):
    good = file("good.txt", TEXT.encode())
    assert "absent.txt" in refused("train", "pretrain", *FAST, *NEW, "--data", good, "absent.txt")
    assert "absent.txt" in refused("train", "pretrain", *FAST, *NEW, "--data", good, "--val", "absent.txt")


# -- rows ----------------------------------------------------------------------------------------------------------------


def test_a_few_bad_rows_are_counted_and_listed_and_the_run_goes_on(file, capsys):
    bad = [talk(roles=("usr", "assistant")), talk(roles=("user",)), {"conversation": []}]
    path = file("mixed.jsonl", lines(*[talk(f"{i}?") for i in range(20)], *bad))
    assert main(["train", "sft", "--data", str(path), "--model", "mine", "--run", "mixed", *FAST, "--json"]) == 0
    out, err = capsys.readouterr()
    assert (
        "3 of 23 rows could not be read; the first is mixed.jsonl line 21: Message 1 has the unknown role 'usr'" in err
    )
    listed = Path(err.partition("listed in ")[2].partition(")\n")[0]).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["line"] for line in listed] == [21, 22, 23]
    run = Run.open(json.loads(out.splitlines()[-1])["run"])
    assert run.info["status"] == "done" and sum(run.info["data"][part]["examples"] for part in ("train", "val")) == 20


LONG = "word " * 3 * CONTEXT


def test_a_row_that_loses_its_answer_is_counted_and_all_such_rows_are_refused(refused, file, capsys):
    lost, cut = talk(LONG, "yes"), talk("hi", LONG)
    sentence = refused("train", "sft", "--model", "mine", *FAST, "--data", file("lost.jsonl", lines(*[lost] * 5)))
    assert "no example of lost.jsonl has an answer within its first 64 tokens: raise --seq-len" in sentence
    path = file("some.jsonl", lines(*[lost] * 3, *[cut] * 2, *[talk(f"{i}?") for i in range(20)]))
    assert main(["train", "sft", "--model", "mine", "--run", "some", *FAST, "--data", str(path)]) == 0
    assert "longer than 64 tokens: 2 conversations are cut at the end, 3 are left out" in capsys.readouterr().out
    counts = Run.open("some").info["data"]["batches"]
    assert (counts["truncated"], counts["dropped"]) == (2, 3)
    assert main(["data", "check", str(path), "--seq-len", "64"]) == 0
    assert "5 rows are longer than 64 tokens" in capsys.readouterr().out


def test_rows_longer_than_the_context(refused, file, capsys):
    chats = file("chats.jsonl", lines(*[talk()] * 9))
    words = ["train", "sft", "--model", "mine", "--data", chats, "--seq-len", CONTEXT + 1]
    assert f"--seq-len {CONTEXT + 1} is longer than the model's context of {CONTEXT} tokens" in refused(*words)
    text = file("long.txt", (LONG * 3).encode())
    words = ["train", "pretrain", "--model", "mine", "--data", str(text), "--run", "long", *FAST]
    assert main(words) == 0, "text is cut into rows, and loses nothing"
    described = Run.open("long").info["data"]
    assert sum(described[part]["bytes"] for part in ("train", "val")) == len(LONG * 3)
    assert main(["eval", "mine", "--text", str(text), "--device", "cpu", "--json"]) == 0, "a window slides over it"
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["text"][str(text)]
    assert found["bytes"] == len(LONG * 3)


def test_a_prompt_longer_than_the_context(refused, monkeypatch, capsys):
    assert f"context of {CONTEXT} leaves no room" in refused("generate", "mine", LONG, "--device", "cpu")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{LONG}\nhello\n"))
    assert main(["chat", "tuned", "--max-new-tokens", "2", "--device", "cpu"]) == 0
    first, second = capsys.readouterr().out.split("> hello\n")
    assert "error: The prompt is" in first and second.strip() and "error" not in second


HUGE = 40_000_000  # longer than a line of rows may be


@pytest.fixture(scope="module")
def huge_line():
    return (b"a cat sat on a mat and " * (HUGE // 23 + 1))[:HUGE]


def test_one_line_of_40_mb_is_one_bad_row(refused, file, huge_line, capsys):
    row = lines(talk("HUGE")).replace(b"HUGE", huge_line)
    alone = file("huge.jsonl", row)
    assert "line 1: the line is longer than 32 MB" in refused("train", "sft", "--model", "mine", *FAST, "--data", alone)
    assert "line 1: the line is longer than 32 MB" in refused("data", "check", alone)
    beside = file("beside.jsonl", lines(*[talk(f"{i}?") for i in range(9)]) + row + lines(talk("after")))
    assert main(["train", "sft", "--model", "mine", "--run", "beside", *FAST, "--data", str(beside)]) == 0
    assert (
        "1 of 11 rows could not be read; the first is beside.jsonl line 10: the line is longer"
        in capsys.readouterr().err
    )


@pytest.mark.slow
def test_one_line_of_40_mb_of_plain_text_is_read_whole(file, huge_line):
    path = str(file("huge.txt", huge_line))
    assert main(["tokenizer", "train", "--data", path, "--out", "tok", "--vocab-size", "300", "--max-mb", "1"]) == 0
    assert (
        main(["train", "pretrain", "--model", "mine", "--data", path, "--run", "huge", "--val-tokens", "1000", *FAST])
        == 0
    )
    described = Run.open("huge").info["data"]
    assert sum(described[part]["bytes"] for part in ("train", "val")) == HUGE
