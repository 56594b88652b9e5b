"""A runs folder with one small model, and `refused`: one sentence, exit code 2, and nothing lost or left behind."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from fledge.cli import main
from fledge.model.config import ModelConfig
from fledge.model.folder import save_model
from fledge.model.transformer import Transformer
from fledge.records import Run
from fledge.tokenizer import Tokenizer

TEXT = "".join(f"the {a} cat sat on {b} mats. 猫坐在{b}张垫子上。\n" for a in ("red", "blue", "old") for b in range(40))
CONTEXT = 128
SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}
FAST = ["--steps", "1", "--seq-len", "64", "--batch-size", "2", "--device", "cpu", "--precision", "fp32"]
NEW = ["--set", *(f"{key}={value}" for key, value in SHAPE.items())]


def talk(question="how many cats?", answer="the red cat.", roles=("user", "assistant")):
    return {"conversations": [{"role": r, "content": c} for r, c in zip(roles, (question, answer))]}


def lines(*rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A runs folder with a finished run, `mine`, that holds a small model, and `tuned`, as if it were one that answers."""
    root = tmp_path_factory.mktemp("runs")
    run = Run.create("pretrain", {"seq_len": 64}, "mine", root=root)
    tokenizer = Tokenizer.train([TEXT], 300)
    shape = ModelConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=CONTEXT, **SHAPE)
    save_model(Transformer(shape).init_weights(0), run.model_dir)
    tokenizer.save(run.model_dir)
    run.finish()
    tuned = Run.create("sft", {"seq_len": 64, "model": "mine"}, "tuned", root=root)
    shutil.copytree(run.model_dir, tuned.model_dir)
    tuned.finish()
    return root


@pytest.fixture(autouse=True)
def here(runs, tmp_path, monkeypatch, isolated_runs):
    monkeypatch.setenv("FLEDGE_RUNS", str(runs))
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path.with_name(tmp_path.name + "-cache")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def refused(runs, tmp_path, capsys):
    """refused(*words) -> the sentence; whatever lay in the runs folder and beside the input lies there unchanged."""

    def call(*words) -> str:
        before = contents(runs), contents(tmp_path)
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        sentences = [line for line in err.splitlines() if line.startswith("error: ")]
        assert (code, len(sentences)) == (2, 1), (code, out, err)
        assert "Traceback" not in out + err and sentences[0] == err.splitlines()[-1]
        assert (contents(runs), contents(tmp_path)) == before
        assert main(["runs", "list", "--json"]) == 0
        assert "mine" in [run["name"] for run in json.loads(capsys.readouterr().out)]
        return sentences[0]

    return call


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: bytes | None) -> Path:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write
