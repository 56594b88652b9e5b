"""Flags, recipes and names that cannot be, and runs that must survive them."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys

import pytest

from fledge.cli import main
from fledge.jobs import JOBS
from fledge.records import Run
from tests.bad_input.conftest import FAST, NEW, TEXT


@pytest.mark.parametrize(
    "words, said",
    [
        ("train pretrain --dta a.txt", "'--dta' is not a flag of `fledge train pretrain`. Did you mean '--data'?"),
        ("train sft --step 3", "Did you mean '--steps'?"),
        ("data check a.txt --row 3", "Did you mean '--rows'?"),
        ("tokenizer train --vocab 300", "Did you mean '--vocab-size'?"),
        ("generate mine hi --max-tokens 3", "Did you mean '--max-new-tokens'?"),
        ("chat mine", "'mine' was only pretrained: it goes on writing a text and has not learned to answer. Let it write with "
         '`fledge generate mine "…"`, or teach it to answer with `fledge train sft --model mine --data FILE`'),
        ("chat mine --temp 0.3", "Did you mean '--temperature'?"),
        ("eval mine --txt a.txt", "Did you mean '--text'?"),
        ("export hf mine --output x", "Did you mean '--out'?"),
        ("runs list --jsn", "Did you mean '--json'?"),
        ("world write x --sed 3", "Did you mean '--seed'?"),
        ("quickstart --sizes tiny", "Did you mean '--size'?"),
        ("train pretain", f"the jobs are {', '.join(JOBS)}. Did you mean 'pretrain'?"),
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
        ("train pretrain --data good.txt --set rope_scaling={a", "--set rope_scaling has a value that cannot be read"),
        ("train pretrain --data good.txt --model mine --preset cpu-2m", "--preset and --set shape a new model"),
        ("train pretrain --data good.txt --model mine --vocab-size 300", "and --model brings its own: leave --vocab-size out"),
        ("train pretrain --data good.txt --model mine --vocab-size 300", "--vocab-size is for a new tokenizer, and --model brings"),
        ("train pretrain --data good.txt --tokenizer x --vocab-size 300", "and --tokenizer brings its own"),
        ("train pretrain --data good.txt --run a/b", "'a/b' cannot name a run"),
        ("train pretrain --data good.txt --recipe absent.yaml", "the recipe 'absent.yaml' cannot be read"),
        ("train pretrain --data good.txt --resume", "--resume needs the run's name"),
        ("train pretrain --resume --run mien", "Did you mean 'mine'?"),
        ("train pretrain --data good.txt --resume --run mine --steps 9", "train its model further with --model mine"),
        ("train sft --data good.txt --resume --run mine", "run 'mine' is a pretrain run"),
        ("train pretrain --data good.txt --device gpu", "device 'gpu' is unknown"),
        ("train pretrain --data good.txt --seed -1", "--seed is -1; it must be 0 or more"),
        ("train pretrain --data good.txt --momentum 1", "--momentum is 1.0; it must be from 0 to below 1"),
        ("data check good.txt --seq-len 0", "--seq-len is 0; it must be at least 1"),
        ("world write .", "'.' holds files that are not a world's"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be(refused, file, words, said):
    file("good.txt", TEXT.encode())
    assert said in refused(*words.split())


@pytest.mark.parametrize(
    "recipe, said",
    [
        ("stepz: 3", "The job 'pretrain' has no setting 'stepz'. Did you mean 'steps'?"),
        ("steps: three", "--steps must be a whole number, not 'three'"),
        ("steps: [3", "is not valid YAML (line 1)"),
        ("- steps", "is not a list of `setting: value` lines"),
        ("set: [3]", "--set must be a list of `key: value` pairs, not [3]"),
        ("optimizer: mun", "--optimizer must be one of auto, muon, adamw, not 'mun'. Did you mean 'muon'?"),
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


def test_what_can_be_asked_of_a_run_is_typed_with_its_name_in_quotes(runs, refused, monkeypatch):
    shutil.copytree(runs / "mine", runs / "my first run")
    quoted = '"my first run"' if sys.platform == "win32" else "'my first run'"
    said = refused("chat", "my first run")
    assert f'`fledge generate {quoted} "…"`' in said and f"--model {quoted} " in said
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    assert main(["chat", str(runs / "my first run")]) == 2
    monkeypatch.delenv("FLEDGE_LANG")
    shutil.rmtree(runs / "my first run")


def test_a_run_that_teaches_text_to_a_model_that_answers_can_be_talked_with(runs, capsys, monkeypatch):
    run = Run.create("pretrain", {"model": "tuned"}, "further", root=runs)
    shutil.copytree(runs / "tuned/model", run.model_dir)
    run.finish()
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n"))
    assert main(["chat", "further", "--max-new-tokens", "2", "--device", "cpu"]) == 0
    assert "> hello" in capsys.readouterr().out


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
