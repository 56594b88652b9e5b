"""`fledge data check`, with a real tokenizer."""

from __future__ import annotations

import json
import re

import pytest

from fledge.cli import main
from fledge.data.check import check
from fledge.data.shards import prepare
from fledge.tokenizer import Tokenizer
from tests.data.conftest import chat

LONG = "the cat sat on the mat and the dog sat on the log\n" * 40


def run(capsys, *argv):
    code = main(["data", "check", *map(str, argv)])
    captured = capsys.readouterr()
    return code, " ".join(captured.out.split()), captured.err


def test_a_conversation_is_shown_with_what_is_learned(write, capsys):
    path = write("a.jsonl", [chat("What is it?", "A cat.")] * 20)
    code, out, _ = run(capsys, path, "--rows", 1)
    assert code == 0
    assert "chat data, good rows: 20 (schemas: minimind 20)" in out
    assert "was trained on this file" in out
    assert "What is it?<|im_end|>" in out and "⟦A cat.<|im_end|>⟧" in out


def test_colours_follow_tokens_and_mask(write, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    _, out, _ = run(capsys, write("a.jsonl", [chat("What is it?", "A cat.")] * 20), "--rows", 1)
    learned = re.findall(r"\x1b\[1;3[25];[\d;]+m([^\x1b]*)", out)  # bold green, and bold magenta for the control token
    assert "".join(learned) == "A cat.<|im_end|>"


def test_json_counts_bad_rows_and_the_exit_code_tells(write, capsys):
    path = write(
        "a.jsonl", [chat("q", "an answer"), chat("q", "another answer"), "{", {"conversations": []}, "nothing"]
    )
    code, out, _ = run(capsys, path, "--json")
    found = json.loads(out)
    assert code == 1, "more bad rows than good"
    assert (found["rows"], found["bad_rows"], [bad["line"] for bad in found["bad"]]) == (2, 3, [3, 4, 5])
    assert found["tokens"] == sum(len(example["ids"]) for example in found["examples"])
    assert found["trained_tokens"] == sum(map(sum, (example["mask"] for example in found["examples"])))


def test_truncation_is_foretold(write, capsys):
    path = write("a.jsonl", [chat("q", "short"), chat("q", LONG), chat(LONG, "lost")])
    found = check(path, seq_len=64)
    assert (found.good, found.longer, found.lost) == (3, 2, 1)
    assert "2 rows are longer than 64 tokens" in run(capsys, path, "--seq-len", 64)[1]


def test_a_text_file_is_one_document(write, capsys):
    code, out, _ = run(capsys, write("a.txt", LONG))
    assert code == 0 and "text data, good rows: 1" in out and "<|endoftext|>⟦the cat" in out


def test_pairs_show_both_sides(write, capsys):
    row = {"prompt": "Which?", "chosen": "the good one", "rejected": "the bad one"}
    _, out, _ = run(capsys, write("a.jsonl", [row] * 5), "--rows", 1)
    assert "⟦the good one<|im_end|>⟧" in out and "⟦the bad one<|im_end|>⟧" in out


@pytest.mark.parametrize("content", [["{"], [{"no": "schema"}], [{"text": ""}], ["[]"]])
def test_nothing_readable_is_one_sentence(write, capsys, content):
    code, _, err = run(capsys, write("a.jsonl", content))
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_missing_file_and_given_tokenizer(write, capsys, tmp_path):
    path = write("a.jsonl", [chat("q", "an answer")] * 5)
    Tokenizer.train([LONG], 300).save(tmp_path / "tok")
    code, out, _ = run(capsys, path, "--tokenizer", tmp_path / "tok", "--json")
    assert code == 0 and json.loads(out)["tokenizer"] == "given"
    code, _, err = run(capsys, tmp_path / "b.jsonl")
    assert code == 2 and "Did you mean 'a.jsonl'?" in err


def test_prepared_data_is_what_check_shows(write):
    tokenizer = Tokenizer.train([LONG], 300)
    path = write("a.jsonl", [chat("the cat", "sat on the mat"), chat("猫", "坐在<|im_end|>垫子上")])
    dataset = prepare(path, tokenizer, kind="chat")
    for i, example in enumerate(check(path, tokenizer).examples):
        ids, mask = dataset.example(i)
        assert (ids.tolist(), mask.tolist()) == (example.ids, example.mask)
    assert dataset.num_bytes == len("sat on the mat坐在<|im_end|>垫子上".encode()), "control tokens spell no bytes"


def test_large_texts_have_the_tokens_of_the_whole(shared_data):
    """Pieces that are tokenised apart give the very tokens of the text tokenised at once, in both languages."""
    from fledge.data.encode import encode_texts, split_text
    from fledge.data.readers import read_rows

    english = (shared_data / "pretrain/tinyshakespeare.txt").read_text(encoding="utf-8")[:400_000]
    rows = read_rows(shared_data / "pretrain/zh_mix.jsonl.gz", "text")
    chinese = "".join(next(rows).text.replace("\n", "") for _ in range(2000))[:250_000]  # one line
    tokenizer = Tokenizer.train([english[:200_000], chinese[:100_000]], 2000)
    for text in (english, english.replace("\n", " "), chinese):
        assert len(list(split_text(text))) > 1
        assert encode_texts(tokenizer, [text])[0].tolist() == tokenizer.encode(text)
