"""Bad input as a new user meets it at the command line: one sentence, exit code 2, and nothing lost or left behind."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

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
    """A runs folder with one finished run, `mine`, that holds a small model."""
    root = tmp_path_factory.mktemp("runs")
    run = Run.create("pretrain", {"seq_len": 64}, "mine", root=root)
    tokenizer = Tokenizer.train([TEXT], 300)
    shape = ModelConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=CONTEXT, **SHAPE)
    save_model(Transformer(shape).init_weights(0), run.model_dir)
    tokenizer.save(run.model_dir)
    run.finish()
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


@pytest.fixture
def folder(runs, tmp_path):
    """folder(**changes): a copy of the model; a change is new content of a file, None to delete it, or a function of it."""

    def copy(**changes) -> Path:
        target = tmp_path / "model"
        shutil.copytree(runs / "mine" / "model", target)
        for name, change in changes.items():
            path = target / {"config": "config.json", "weights": "model.safetensors"}.get(name, f"{name}.json")
            if change is None:
                path.unlink()
            elif callable(change):
                change(path)
            else:
                path.write_bytes(change)
        return target

    return copy


def config(**changes):
    def change(path: Path) -> None:
        data = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps(data), encoding="utf-8")

    return change


def tokenizer(size: int, text: str = TEXT):
    return lambda path: Tokenizer.train([text], size).save(path.parent)


# -- files ---------------------------------------------------------------------------------------------------------------

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
    "binary.txt": (bytes(range(256)) * 20, "is a binary file (byte 0 is NUL): give text, JSON lines or parquet"),
    "latin1.txt": ("café au lait ".encode("latin-1") * 50, "neither UTF-8 nor GB18030 (byte 3 is wrong): save it as UTF-8"),
    "latin1.jsonl": (b'{"text": "caf\xe9"}\n' * 3, "line 1: not UTF-8"),
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
    "latin1.jsonl": (lines(talk("cafe")).replace(b"cafe", b"caf\xe9"), "line 1: not UTF-8"),
    "content.jsonl": (
        lines({"conversations": [{"role": "user"}, {"role": "assistant", "content": "x"}]}),
        "no content",
    ),
    "role.jsonl": (
        lines(talk(roles=("usr", "assistant"))),
        "unknown role 'usr'; use one of system, user, assistant, tool",
    ),
    "silent.jsonl": (lines(talk(roles=("user",))), "line 1: no assistant turn"),
    "mute.jsonl": (lines(talk(answer="")), "every assistant turn is empty"),
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
    assert "absent.txt" in refused("train", "pretrain", *FAST, *NEW, "--data", good, "--replay", "absent.txt")


# -- rows ----------------------------------------------------------------------------------------------------------------


def test_a_few_bad_rows_are_counted_and_listed_and_the_run_goes_on(file, capsys):
    bad = [talk(roles=("usr", "assistant")), talk(roles=("user",)), {"conversation": []}]
    path = file("mixed.jsonl", lines(*[talk(f"{i}?") for i in range(20)], *bad))
    assert main(["train", "sft", "--data", str(path), "--model", "mine", "--run", "mixed", *FAST, "--json"]) == 0
    out, err = capsys.readouterr()
    assert (
        "3 of 23 rows could not be read; the first is mixed.jsonl line 21: Message 1 has the unknown role 'usr'" in err
    )
    listed = Path(err.rpartition("listed in ")[2].strip(")\n")).read_text(encoding="utf-8").splitlines()
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
    assert main(["chat", "mine", "--max-new-tokens", "2", "--device", "cpu"]) == 0
    first, second = capsys.readouterr().out.split("> hello\n")
    assert "error: The prompt is" in first and second.strip() and "error" not in second


HUGE = 100_000_000


@pytest.fixture(scope="module")
def huge_line():
    return (b"a cat sat on a mat and " * (HUGE // 23 + 1))[:HUGE]


def test_one_line_of_100_mb_is_one_bad_row(refused, file, huge_line, capsys):
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
def test_one_line_of_100_mb_of_plain_text_is_read_whole(file, huge_line, capsys):
    path = str(file("huge.txt", huge_line))
    assert main(["data", "check", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    assert main(["tokenizer", "train", "--data", path, "--out", "tok", "--vocab-size", "300", "--max-mb", "1"]) == 0
    assert main(["train", "pretrain", "--model", "mine", "--data", path, "--run", "huge", *FAST]) == 0
    described = Run.open("huge").info["data"]
    assert sum(described[part]["bytes"] for part in ("train", "val")) == HUGE


# -- models --------------------------------------------------------------------------------------------------------------

MODEL_VERBS = {
    "generate": ["generate", "MODEL", "the cat", "--device", "cpu"],
    "chat": ["chat", "MODEL", "--device", "cpu"],
    "eval": ["eval", "MODEL", "--world", "tiny", "--device", "cpu"],
    "export": ["export", "hf", "MODEL", "--out", "exported"],
    "sft": ["train", "sft", "--data", "chats.jsonl", "--model", "MODEL", *FAST],
    "pretrain": ["train", "pretrain", "--data", "good.txt", "--model", "MODEL", *FAST],
}


@pytest.fixture
def refused_by_all(refused, file):
    """Every verb that takes a model refuses this one with one and the same kind of sentence."""

    def call(model, said: str) -> None:
        file("chats.jsonl", lines(*[talk()] * 20))
        file("good.txt", TEXT.encode())
        for words in MODEL_VERBS.values():
            assert said in refused(*[model if word == "MODEL" else word for word in words]), words

    return call


def test_a_model_that_is_not_there(refused_by_all, refused, tmp_path):
    refused_by_all("mien", "no run 'mien'")
    assert "Did you mean 'mine'?" in refused("generate", "mien", "x")
    refused_by_all(tmp_path, "has no config.json, so it is not a model folder")
    refused_by_all("good.txt", "'good.txt' is a file, and a model is a folder")
    assert "no model was named" in refused("generate", "", "x")
    refused_by_all("nobody/nothing", "is no run and no folder here")


def test_a_run_without_a_model_yet(refused_by_all, runs):
    Run.create("pretrain", {}, "begun", root=runs)
    refused_by_all("begun", "run 'begun' has no model yet (its status is running)")


def test_a_tokenizer_of_another_model(refused_by_all, refused, folder, file):
    model = folder(tokenizer=tokenizer(400, TEXT + " ".join(f"wort{i} wort{i}" for i in range(99))))
    refused_by_all(model, "they do not belong together")
    words = [
        "train",
        "sft",
        "--data",
        file("c.jsonl", lines(*[talk()] * 9)),
        "--model",
        "mine",
        "--tokenizer",
        model,
        *FAST,
    ]
    assert "leave --tokenizer out to use the model's own" in refused(*words)


def test_weights_of_another_shape(refused_by_all, folder):
    refused_by_all(folder(config=config(hidden_size=128)), "has shape [300, 64] but config.json says [300, 128]")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"config": config(vocab_size=400)}, "the weights are for a vocabulary of 300"),
        ({"config": config(intermediate_size=65)}, "mlp.gate_proj.weight' has shape [64, 64] but config.json says [65, 64]"),
        ({"config": config(num_hidden_layers=2)}, "'model.layers.1.input_layernorm.weight' is missing. Check num_hidden_layers"),
        ({"config": config(num_hidden_layers="two")}, "config.json: num_hidden_layers must be a whole number, not 'two'"),
        ({"config": config(head_dim=33)}, "config.json: head_dim is 33; it must be even"),
        ({"config": config(model_type="llama")}, "set model_type to qwen3"),
        ({"config": config(model_type="gpt2")}, "model_type 'gpt2' is not one of qwen3"),
        ({"config": config(model_type="qwen3_moe", num_experts=4, moe_intermediate_size=32)}, "is a mixture of experts"),
        ({"config": config(rope_scaling={"rope_type": "llama3"})}, "rope_scaling of type 'llama3' needs 'factor'"),
        ({"config": b"{"}, "config.json is not valid JSON"),
        ({"config": b"[]"}, "config.json holds no JSON object"),
        ({"weights": None}, "has no .safetensors file"),
        ({"weights": b""}, "model.safetensors is damaged or incomplete"),
        ({"weights": lambda path: path.write_bytes(path.read_bytes()[:-9])}, "model.safetensors is damaged or incomplete"),
        ({"weights": lambda path: save_file({k: v / 0 for k, v in load_file(path).items()}, path)}, "holds nan or infinity"),
        ({"tokenizer": None}, "holds no tokenizer.json"),
        ({"tokenizer": b'{"a": 1}'}, "tokenizer.json cannot be read as a tokenizer"),
        ({"tokenizer_config": b"{"}, "tokenizer_config.json is not valid JSON"),
        ({"tokenizer_config": b"[]"}, "tokenizer_config.json holds no JSON object"),
    ],
)  # fmt: skip
def test_a_broken_model_folder(refused, folder, changes, said):
    assert said in refused("generate", folder(**changes), "the cat")


def test_a_model_without_a_chat_template(refused, folder):
    model = folder()
    (model / "chat_template.jinja").unlink()
    for words in (["chat", model], ["generate", model, "hi", "--chat"], ["eval", model, "--world", "tiny"]):
        assert "no chat template" in refused(*words)
    assert main(["generate", str(model), "the cat", "--max-new-tokens", "2"]) == 0


# -- requests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, said",
    [
        ("train pretrain --dta a.txt", "'--dta' is not a flag of `fledge train pretrain`. Did you mean '--data'?"),
        ("train sft --step 3", "Did you mean '--steps'?"),
        ("data check a.txt --row 3", "Did you mean '--rows'?"),
        ("tokenizer train --vocab 300", "Did you mean '--vocab-size'?"),
        ("generate mine hi --max-tokens 3", "Did you mean '--max-new-tokens'?"),
        ("chat mine --temp 0.3", "Did you mean '--temperature'?"),
        ("eval mine --txt a.txt", "Did you mean '--text'?"),
        ("export hf mine --output x", "Did you mean '--out'?"),
        ("runs list --jsn", "Did you mean '--json'?"),
        ("world write x --sed 3", "Did you mean '--seed'?"),
        ("quickstart --sizes tiny", "Did you mean '--size'?"),
        ("train pretain", "There is no training job 'pretain'; the jobs are pretrain, sft. Did you mean 'pretrain'?"),
        ("data chek a.txt", "Did you mean 'check'?"),
        ("export gguf mine", "`fledge export` knows no 'gguf'. See `fledge export --help`."),
        ("train pretrain", "give `fledge train pretrain` files with --data"),
        ("train sft --data good.txt", "starts from a trained model: give it with --model"),
        ("tokenizer train --out x", "--data (Text files: .txt"),
        ("tokenizer train --data --out x", "name at least one file after --data"),
        ("tokenizer train --data good.txt --out good.txt", "'good.txt' is a file, and a tokenizer is a folder"),
        ("tokenizer train --data good.txt --out x --vocab-size 9", "A vocabulary of 9 is too small"),
        ("tokenizer train --data good.txt --out x --max-mb 0", "--max-mb is 0; it must be above 0"),
        ("generate mine", "PROMPT (the text; - reads it from standard input) is missing"),
        ("export hf mine", "--out (the folder to write; it must be new or empty) is missing"),
        ("eval mine --per-family 0", "--per-family is 0; it must be at least 1"),
        ("eval mine --answers no/answers.jsonl", "'no/answers.jsonl' cannot be written: make its folder first"),
        ("eval mine --text good.txt --window 1", "take at least 2"),
        ("train pretrain --data good.txt --steps ten", "--steps: 'ten' is not a whole number"),
        ("train pretrain --data good.txt --steps 1 --epochs 1", "one of --steps, --epochs and --budget"),
        ("train pretrain --data good.txt --preset cpu-2n", "Did you mean 'cpu-2m'?"),
        ("train pretrain --data good.txt --set hiden_size=3", "Did you mean 'hidden_size'?"),
        ("train pretrain --data good.txt --set hidden_size", "--set takes key=value, not 'hidden_size'"),
        ("train pretrain --data good.txt --set hidden_size=wide", "hidden_size must be a whole number, not 'wide'"),
        ("train pretrain --data good.txt --set vocab_size=9", "leave it out of --set"),
        ("train pretrain --data good.txt --model mine --preset cpu-2m", "--preset and --set shape a new model"),
        ("train pretrain --data good.txt --run a/b", "'a/b' cannot name a run"),
        ("train pretrain --data good.txt --recipe absent.yaml", "the recipe 'absent.yaml' cannot be read"),
        ("train pretrain --data good.txt --resume", "--resume needs the run's name"),
        ("train pretrain --data good.txt --resume --run mien", "Did you mean 'mine'?"),
        ("train pretrain --data good.txt --resume --run mine", "train its model further with --model mine"),
        ("train sft --data good.txt --resume --run mine", "run 'mine' is a pretrain run"),
        ("train pretrain --data good.txt --device gpu", "device 'gpu' is unknown"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be(refused, file, words, said):
    file("good.txt", TEXT.encode())
    assert said in refused(*words.split())


@pytest.mark.parametrize(
    "recipe, said",
    [
        ("stepz: 3", "Training has no setting 'stepz'. Did you mean 'steps'?"),
        ("steps: three", "--steps must be a whole number, not 'three'"),
        ("steps: [3", "is not valid YAML (line 1)"),
        ("- steps", "is not a list of `setting: value` lines"),
        ("set: [3]", "--set must be a list of `key: value` pairs, not [3]"),
        ("optimizer: mun", "--optimizer must be one of muon, adamw, not 'mun'. Did you mean 'muon'?"),
    ],
)
def test_a_recipe_that_cannot_be(refused, file, recipe, said):
    file("recipe.yaml", recipe.encode())
    assert said in refused("train", "pretrain", "--recipe", "recipe.yaml")


def test_a_model_and_its_tokenizer_are_never_written_over(refused, file, runs):
    file("good.txt", TEXT.encode())
    model = runs / "mine" / "model"
    assert "would lose its own tokenizer" in refused("tokenizer", "train", "--data", "good.txt", "--out", model)
    assert "is there already" in refused("export", "hf", "mine", "--out", model)


def test_divergence_is_one_sentence_and_a_failed_run_that_can_be_looked_at(file, capsys):
    words = [
        "--lr",
        "1e30",
        "--embed-lr",
        "1e30",
        "--grad-clip",
        "0",
        "--warmup",
        "0",
        *FAST[2:],
        *NEW,
        "--steps",
        "50",
    ]
    assert main(["train", "pretrain", "--data", str(file("good.txt", TEXT.encode())), "--run", "wild", *words]) == 2
    assert "error: the loss became nan at step" in capsys.readouterr().err
    assert main(["runs", "show", "wild"]) == 0
    assert "status: failed" in capsys.readouterr().out


def test_broken_run_folders_are_passed_over(runs, refused, capsys):
    for name, content in (("torn", '{"name": "to'), ("list", "[]"), ("bare", None)):
        (runs / name).mkdir()
        if content is not None:
            (runs / name / "run.json").write_text(content, encoding="utf-8")
    assert main(["runs", "list"]) == 0
    assert "torn" not in capsys.readouterr().out
    assert "is not a run that can be read" in refused("runs", "show", "torn")
    for name in ("torn", "list", "bare"):
        shutil.rmtree(runs / name)


@pytest.mark.parametrize(
    "words, said",
    [
        (["train", "pretrain", "--data", "absent.txt"], "there is no file absent.txt"),
        (["train", "sft", "--modle", "x"], "'--modle' is not a flag of `fledge train sft`. Did you mean '--model'?"),
        (["generate", "mien", "hello"], "no run 'mien'"),
    ],
)
def test_a_new_process_says_the_same(words, said):
    done = subprocess.run([sys.executable, "-m", "fledge", *words], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ") and said in done.stderr
