from __future__ import annotations

import gzip
import json

import pytest

from fledge.cli import main
from fledge.cli.tokenizer_view import language_of, token_text, token_view
from fledge.tokenizer import Tokenizer


@pytest.fixture
def files(corpus, tmp_path):
    txt, rows = tmp_path / "a.txt", tmp_path / "b.jsonl.gz"
    txt.write_text("".join(corpus[:200]), encoding="utf-8")
    with gzip.open(rows, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in corpus[200:])
    return [str(txt), str(rows)]


@pytest.fixture
def folder(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tok")
    return str(tmp_path / "tok")


def test_train_reads_every_file_and_writes_a_folder(files, corpus, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["tokenizer", "train", "--data", *files, "--vocab-size", "500", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["vocab_size"] == 500 and result["documents"] == 201 and result["notes"] == []
    assert result["bytes"] == len("".join(corpus).encode())
    assert Tokenizer.load(out).vocab_size == 500


def test_train_says_what_it_left_out(files, tmp_path, capsys):
    with open(files[0].replace("a.txt", "c.jsonl"), "w", encoding="utf-8") as out:
        out.write('{"text": "fine"}\n{"text": "fine"}\nnot json\n')
    data = ["--data", files[0], out.name, "--max-mb", "0.004"]
    assert main(["tokenizer", "train", *data, "--vocab-size", "9000", "--out", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().out
    assert "fewer than the 9,000 asked for" in said
    assert "a.txt only the first 0.002 MB" in said and "c.jsonl line 3" in said


def test_compare_measures(files, folder, tokenizer, capsys):
    words = ["tokenizer", "compare", "--data", files[1], "--tokenizers", folder, "--preset", "minimind-3"]
    assert main([*words, "--json"]) == 0
    raw, characters, ours = json.loads(capsys.readouterr().out)
    assert raw["bytes_per_token"] == 1 and raw["tokens"] == raw["bytes"] == ours["bytes"]
    assert 1 < characters["bytes_per_token"] < 3 < ours["bytes_per_token"]
    by_language = ours["bytes_per_token_by_language"]
    assert set(by_language) == {"zh", "en"}
    assert min(by_language.values()) < ours["bytes_per_token"] < max(by_language.values())
    assert ours["round_trip"] and ours["embedding_parameters"] == 600 * 768
    assert raw["embedding_share"] < ours["embedding_share"] < 0.2
    assert main(words) == 0
    table = capsys.readouterr().out
    assert "raw bytes" in table and "tok" in table and f"{ours['bytes_per_token']:.2f}" in table


def test_show_makes_everything_visible(folder, tokenizer, capsys):
    text = "Hi 龘\n\t\0 <|im_end|>"
    assert main(["tokenizer", "show", folder, text]) == 0
    said = capsys.readouterr().out
    for piece in ("·", "⏎", "→", "‹00›", "‹e9›", "‹be›"):
        assert piece in said
    for id in tokenizer.encode(text):
        assert str(id) in said
    assert main(["tokenizer", "show", folder, text, "--json", "--special"]) == 0
    shown = json.loads(capsys.readouterr().out)["tokens"]
    assert shown[-1] == {"id": 2, "text": "<|im_end|>", "bytes": ""}
    assert b"".join(bytes.fromhex(token["bytes"]) for token in shown) == "Hi 龘\n\t\0 ".encode()


def test_show_reads_a_pipe(folder, tokenizer, capsys, monkeypatch, tmp_path):
    (tmp_path / "in").write_bytes("你好".encode())
    with (tmp_path / "in").open(encoding="utf-8") as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        assert main(["tokenizer", "show", folder, "--json"]) == 0
    assert [token["id"] for token in json.loads(capsys.readouterr().out)["tokens"]] == tokenizer.encode("你好")


def test_the_view_wraps_and_keeps_ids_under_tokens(tokenizer):
    ids = tokenizer.encode("今天 the teacher walked to market 🐱 today " * 3)
    lines = token_view(tokenizer, ids, 40).split("\n")
    assert max(line.cell_len for line in lines) <= 40 and len(lines) > 4
    tokens, numbers = lines[0::3], lines[1::3]
    assert [int(n) for line in numbers for n in line.plain.split()] == ids
    assert "".join(line.plain for line in tokens).replace(" ", "") == "".join(token_text(tokenizer, id) for id in ids)
    assert token_view(tokenizer, [], 40).plain.strip() == ""


def test_languages():
    assert [language_of(text) for text in ("你好, world of text", "plain", "été à Paris", "привет", "123", "")] == [
        "en", "en", "other", "other", "other", "other",
    ]  # fmt: skip
    assert language_of("今天 teacher 去了市场") == "zh"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["shw"], "Did you mean 'show'"),
        (["train", "--dta", "x"], "Did you mean '--data'"),
        (["train", "--data", "nowhere.txt", "--out", "o"], "no file"),
        (["train", "--data", "{binary}", "--out", "o"], "binary"),
        (["train", "--data", "{empty}", "--out", "o"], "empty"),
        (["train", "--data", "{text}", "--out", "o", "--vocab-size", "100"], "at least 265"),
        (["show", "nowhere", "x"], "no tokenizer.json"),
        (["compare", "--data", "{text}", "--preset", "cpu-9m"], "Did you mean"),
        (["compare", "--data", "--preset", "minimind-3"], "at least one file"),
    ],
)
def test_mistakes_get_one_sentence(words, says, tmp_path, capsys):
    names = {"binary": b"\x7fELF\x02\x01\x01" + bytes(range(200)) * 4, "empty": b"", "text": b"hello hello"}
    for name, data in names.items():
        (tmp_path / name).with_suffix(".txt").write_bytes(data)
    words = [str(tmp_path / f"{word[1:-1]}.txt") if word[1:-1] in names else word for word in words]
    assert main(["tokenizer", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and says in said and said.count("\n") == 1
