"""`fledge eval` from the command line, with a tiny untrained model in a folder."""

from __future__ import annotations

import json
import math

import pytest

from fledge.cli import main
from fledge.model.config import ModelConfig
from fledge.model.folder import save_model
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer
from fledge.world import World
from fledge.world.text import documents


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer.train([d.text for d in documents(World.build("tiny", 0), 50)], 400)
    config = ModelConfig(vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=32, num_hidden_layers=1)
    save_model(Transformer(config).init_weights(0), folder)
    tokenizer.save(folder)
    return str(folder)


def test_a_text_file_is_scored(folder, capsys, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("some words, 一些词。" * 50, encoding="utf-8", newline="\n")
    assert main(["eval", folder, "--text", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["text"][str(file)]
    tokens = len(Tokenizer.load(folder).encode(file.read_text(encoding="utf-8")))
    assert (found["tokens"], found["bytes"]) == (tokens, len(file.read_bytes()))
    assert found["bpb"] == pytest.approx(tokens * math.log2(400) / found["bytes"], rel=0.05), "untrained: about uniform"
    assert main(["eval", folder, "--text", str(file)]) == 0
    assert "a.txt" in capsys.readouterr().out


def test_the_world_is_measured_and_the_answers_are_written(folder, capsys, tmp_path):
    answers = tmp_path / "answers.jsonl"
    words = ["eval", folder, "--world", "tiny", "--per-family", "4", "--answers", str(answers), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bits"]["all"]["bpb"] > found["bits"]["all"]["floor"] > 0
    assert found["rates"]["fact_seen_form"]["value"] < 0.5
    rows = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == sum(rate["n"] for rate in found["rates"].values())
    assert {"question", "answer", "right", "family"} <= set(rows[0])


@pytest.mark.parametrize(
    "name, content", [("absent.txt", None), ("empty.txt", b""), ("binary.bin", bytes(range(256)) * 9)]
)
def test_a_file_that_is_no_text_is_said_in_one_sentence(folder, capsys, tmp_path, name, content):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    assert main(["eval", folder, "--text", str(file)]) == 2
    err = capsys.readouterr().err
    assert name in err and err.startswith("error: ") and err.count("\n") == 1
