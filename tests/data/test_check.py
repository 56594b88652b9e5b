"""`fledge data check`, with a real tokenizer."""

from __future__ import annotations

import json
import re

import pytest

from fledge.cli import main
from fledge.data.check import check
from fledge.data.clean import Options, clean
from fledge.data.readers import read_rows
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


def files(write):
    """(kind, file, rows that can be read, rows that cannot): what training takes, with what it mends."""
    story = "Once upon a time there was a cat.\n<|endoftext|>\n"
    blanks = [{"prompt": "q", "completion": " "}, chat("", "a"), {"instruction": "", "output": "x"}]
    pairs = [{"prompt": f"{n}?", "completion": str(n)} for n in range(4)]
    return [
        ("text", write("strings.jsonl", [json.dumps(f"text {n}") for n in range(4)]), 4, 0),
        ("text", write("strings.json", json.dumps([f"text {n}" for n in range(4)])), 4, 0),
        ("text", write("stories.txt", "".join(story.replace("cat", f"cat {n}") for n in range(4))), 4, 0),
        ("text", write("wrapped.json", json.dumps({"data": [{"content": f"text {n}"} for n in range(4)]}, indent=1)), 4, 0),
        ("text", write("table.csv", "text,id\n" + "".join(f"text {n},{n}\n" for n in range(4)) + "odd\n"), 4, 1),
        ("text", write("cafe.txt", "le café et la crème " * 9, "cp1252"), 1, 0),
        ("text", write("damaged.jsonl", b'{"text": "one"}\n{"text": "tw\0o"}\n{"text": "\xff\xfe"}\n'), 2, 1),
        ("chat", write("pairs.json", "\n".join(json.dumps(pair, indent=2) for pair in pairs)), 4, 0),
        ("chat", write("pairs.jsonl.txt", pairs), 4, 0),
        ("chat", write("blank.jsonl", [*pairs, *blanks]), 4, 3),
    ]  # fmt: skip


def test_check_and_clean_read_what_training_reads(write, tmp_path):
    tokenizer = Tokenizer.train([LONG], 300)
    for kind, path, good, bad in files(write):
        said: list[str] = []
        dataset = prepare(path, tokenizer, kind=kind, notify=said.append)
        assert (len(dataset), dataset.manifest["quarantined"]) == (good, bad), path
        found = check(path, tokenizer)
        assert (found.kind, found.good, len(found.bad)) == (kind, good, bad), path
        assert found.notes == dataset.manifest["notes"] == said[: len(found.notes)]
        report = clean(
            [path], tmp_path / "out" / f"{path.name}.jsonl", Options(exact=False, near=False, language=False)
        )
        assert (report.rows_in, report.stage("read").dropped, report.notes) == (good + bad, bad, found.notes)
        assert report.rows_out == good, path
        again = list(read_rows(tmp_path / "out" / f"{path.name}.jsonl", kind))
        assert len(again) == good and type(again[0]) is type(next(read_rows(path, kind)))


def test_what_was_mended_is_said(write, capsys, monkeypatch, tmp_path):
    path = write("cafe.txt", "".join(f"le café {n} et la crème\n" for n in range(9)), "cp1252")
    said = "cafe.txt: lines that are not UTF-8 and are read as Windows-1252: 9 (the first is line 1)"
    assert said in run(capsys, path)[1] and said in json.loads(run(capsys, path, "--json")[1])["notes"]
    assert main(["data", "clean", str(path), "--out", str(tmp_path / "o.jsonl"), "--no-repetition"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert main(["tokenizer", "train", "--data", str(path), "--vocab-size", "280", "--out", str(tmp_path / "t")]) == 0
    assert said in capsys.readouterr().out
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    assert "cafe.txt 里不是 UTF-8 的行按 Windows-1252 来读，共 9 行（第一处在第 1 行）" in run(capsys, path)[1]


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
