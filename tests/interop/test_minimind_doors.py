"""MiniMind's scripts: its arguments, defaults and file names on our engine, and one sentence for every mistake."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from fledge.data import read_rows
from fledge.data.catalog import catalog
from fledge.interop.minimind.arguments import parse, settings, values
from fledge.interop.minimind.datasets import PretrainDataset, SFTDataset
from fledge.interop.minimind.doors import run
from fledge.interop.minimind.files import Place, choose
from fledge.interop.minimind.practice import MAKERS, find_data, is_practice
from fledge.interop.minimind.pth import generation_of, minimind_config, read_pth, write_pth
from fledge.interop.minimind.tables import ARGUMENTS, DOORS, default, file_of, settings_of
from fledge.interop.minimind.tokenizer import texts
from fledge.model.folder import load_model
from fledge.model.transformer import Transformer
from fledge.records import Run, list_runs
from fledge.tokenizer import Tokenizer
from fledge.training.loop import Fit
from tests.cheap import run_script
from tests.conftest import ROOT

SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("trainer/train_*.py"), *ROOT.glob("scripts/*.py"), ROOT / "eval_llm.py"]
)
TINY = [
    "--hidden_size",
    "32",
    "--num_hidden_layers",
    "1",
    "--max_seq_len",
    "24",
    "--batch_size",
    "4",
    "--device",
    "cpu",
]
TINY += ["--accumulation_steps", "2", "--dtype", "float32", "--learning_rate", "3e-3"]
TEXTS = [
    f"the {a} cat sat on the {b} mat. 猫坐在{b}垫子上。" for a in ("red", "blue", "old") for b in ("big", "small")
] * 20
CHATS = [[("user", f"{a}?"), ("assistant", f"yes, {a}.")] for a in ("red", "blue", "old", "big", "small")] * 20


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    Tokenizer.train(TEXTS, 300).save(folder)
    return folder


@pytest.fixture
def repo(tmp_path, monkeypatch, vocabulary):
    """A checkout's folders with small data under MiniMind's names and a tokenizer; the user stands in trainer/."""
    root = tmp_path / "repo"
    for name in ("trainer", "dataset"):
        (root / name).mkdir(parents=True)
    shutil.copytree(vocabulary, root / "model")
    lines = [json.dumps({"text": text}) for text in TEXTS]
    (root / "dataset/pretrain_hq.jsonl").write_text("\n".join(lines), encoding="utf-8")
    chats = [{"conversations": [{"role": r, "content": c} for r, c in turns]} for turns in CHATS]
    (root / "dataset/sft_mini_512.jsonl").write_text("\n".join(map(json.dumps, chats)), encoding="utf-8")
    monkeypatch.setenv("FLEDGE_LANG", "en")
    monkeypatch.setenv("FLEDGE_RUNS", str(root / "runs"))
    monkeypatch.chdir(root / "trainer")
    return root


@pytest.fixture
def script(repo, monkeypatch, capsys):
    """script("pretrain", *words) -> (exit code, what was printed), started in the folder that the user stands in."""

    def call(name: str, *words: str, stdin: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        here = os.getcwd()
        argv = [*TINY, *words] if DOORS[name].job else list(words)
        code = run(name, str(repo / ("" if name == "eval_llm" else "trainer") / file_of(name)), argv)
        os.chdir(here)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out + err

    return call


def interrupt_after(step: int, monkeypatch) -> None:
    """Ctrl-C in that step of the next run."""
    whole = Fit._step

    def one(self, batches, progress):
        whole(self, batches, progress)
        if self.step == step:
            self.stop()

    monkeypatch.setattr(Fit, "_step", one)


# the table


def test_defaults_are_those_of_minimind():
    """Rows of its two argument tables, typed from its scripts (v2.5 and master)."""
    for script, name, v2, v3 in [
        ("pretrain", "epochs", 1, 2),
        ("pretrain", "learning_rate", 5e-4, 5e-4),
        ("pretrain", "accumulation_steps", 8, 8),
        ("pretrain", "hidden_size", 512, 768),
        ("pretrain", "data_path", "../dataset/pretrain_hq.jsonl", "../dataset/pretrain_t2t_mini.jsonl"),
        ("full_sft", "learning_rate", 1e-6, 1e-5),
        ("full_sft", "max_seq_len", 340, 768),
        ("full_sft", "from_weight", "pretrain", "pretrain"),
        ("lora", "epochs", 50, 10),
        ("dpo", "beta", 0.1, 0.15),
        ("ppo", "critic_learning_rate", 8e-8, 5e-7),
        ("grpo", "num_generations", 8, 6),
        ("agent", "max_gen_len", 768, 768),
        ("distillation", "teacher_num_layers", 16, 8),
    ]:
        assert [default(script, name, g) for g in ("v2", "v3")] == [v2, v3], (script, name)


@pytest.mark.parametrize(("words", "project"), [((), "MiniMind-Pretrain"), (("--wandb_project", "mine"), "mine")])
def test_use_wandb_reports_to_the_project_that_is_named(script, monkeypatch, words, project):
    begun, logged = [], []
    swanlab = types.SimpleNamespace(
        init=lambda **settings: begun.append(settings),
        log=lambda fields, step: logged.append(step),
        finish=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "swanlab", swanlab)
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True if name == "swanlab" else found(name))
    code, _ = script("pretrain", "--max_steps", "2", "--use_wandb", *words)
    assert code == 0
    assert [settings["project"] for settings in begun] == [project] and {1, 2} <= set(logged)


def test_every_argument_of_every_script_is_explained():
    for name, door in DOORS.items():
        assert all(door.argument(argument) for argument in door.defaults)
        assert set(door.own) <= set(door.defaults), name
        if door.job:
            assert {"data_path", "epochs", "batch_size", "from_resume", "use_wandb"} <= set(door.defaults), name
    used = {name for door in DOORS.values() for name in set(door.defaults) - set(door.own)}
    assert used == set(ARGUMENTS)


@pytest.mark.parametrize("name", [name for name, door in DOORS.items() if door.job and door.opens])
def test_every_setting_that_an_argument_becomes_is_one_of_the_job_s(name):
    door = DOORS[name]
    assert {door.setting(argument) for argument in door.defaults} - {""} <= settings_of(door.job)


def test_a_door_opens_when_its_job_is_there(monkeypatch):
    """A setting that the job calls as MiniMind does comes by itself; what decides on files and runs is not among them."""
    assert not DOORS["dpo"].opens and DOORS["dpo"].setting("beta") == ""
    jobs = {"dpo": frozenset({"beta", "lr", "epochs", "seq_len", "data", "model", "run", "batch_size"})}
    monkeypatch.setattr("fledge.interop.minimind.tables.settings_of", lambda job: jobs.get(job, frozenset()))
    assert DOORS["dpo"].opens and not DOORS["ppo"].opens
    args = values("dpo", "v3", {"max_seq_len": 64})
    made = settings("dpo", args, {"max_seq_len": 64})
    expected = {"beta": 0.15, "lr": 4e-8, "epochs": 1, "seq_len": 64, "batch_size": 4}
    assert {name: made[name] for name in expected} == expected and not {"data", "model", "run"} & set(made)


def test_mistakes_in_the_arguments(script):
    for words, sentence in [
        (["--epoch_s", "1"], "'--epoch_s' is not an argument of train_pretrain.py. Did you mean '--epochs'?"),
        (["--epochs", "many"], "--epochs: invalid int value: 'many'. See `python train_pretrain.py --help`."),
        (["--hidden_size", "100"], "--hidden_size is 100; MiniMind's 8 heads need a multiple of 16."),
        (["--use_moe", "1"], "MiniMind's mixture of experts cannot be trained here"),
        (["--data_path", "mine.jsonl"], "there is no data file mine.jsonl (that folder has no .jsonl files)"),
        (["--data_path", "../dataset/mine.jsonl"], "(in that folder are pretrain_hq.jsonl, sft_mini_512.jsonl)"),
    ]:
        code, said = script("pretrain", *words)
        assert code == 2 and sentence in said, said


@pytest.mark.parametrize("name", [name for name, door in DOORS.items() if not door.opens])
def test_an_objective_that_has_not_landed_says_so_and_does_nothing(name, repo, capsys):
    before = sorted(repo.rglob("*"))
    words = ["--data_path", "../dataset/x.jsonl", "--epochs", "1"]
    assert run(name, str(repo / f"trainer/train_{name}.py"), words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"train_{name}.py) has not landed yet" in said
    assert sorted(repo.rglob("*")) == before


def test_values_that_cannot_be_are_named_in_minimind_s_words(script):
    for words, sentence in [
        (["--batch_size", "0"], "--batch_size is 0; it must be at least 1."),
        (["--learning_rate", "-1"], "--learning_rate is -1"),
        (["--accumulation_steps", "0"], "--accumulation_steps is 0; it must be at least 1."),
        (["--max_steps", "0"], "--max_steps is 0; it must be above 0."),
        (["--save_interval", "0"], "--save_interval is 0; it must be above 0."),
    ]:
        code, said = script("pretrain", *words)
        assert code == 2 and sentence in said, said


# training


def test_pretrain_then_sft_then_eval(repo, script):
    code, said = script("pretrain", "--max_steps", "3")
    assert code == 0 and "weights: ../out/pretrain_32.pth" in said
    assert "train_full_sft.py --from_weight pretrain --hidden_size 32" in said
    run = Run.open("minimind-pretrain_32")
    mine, (config, saved) = load_model(run.model_dir).state_dict(), read_pth(repo / "out/pretrain_32.pth")
    assert config.model_type == "llama" and config.intermediate_size == minimind_config("v2", 32, 1).intermediate_size
    assert all(torch.equal(saved[name], mine[name].half().float()) for name in saved)
    settings = run.info["config"]
    assert settings["data"] == ["dataset/pretrain_hq.jsonl"] and settings["tokenizer"] == "model"
    assert [settings[k] for k in ("optimizer", "schedule", "lr", "beta2")] == ["adamw", "minimind", 3e-3, 0.999]
    resume = torch.load(repo / "checkpoints/pretrain_32_resume.pth", weights_only=True)
    assert resume["run"] == run.name and resume["step"] == 3 and resume["epoch"] == 0
    assert all(tensor.dtype == torch.float16 for tensor in resume["model"].values())

    code, said = script("full_sft", "--max_steps", "2", "--from_weight", "pretrain")
    assert code == 0 and "eval_llm.py --weight full_sft --hidden_size 32" in said
    assert Run.open("minimind-full_sft_32").info["config"]["model"] == "out/pretrain_32.pth"
    short = ("--hidden_size", "32", "--max_new_tokens", "6", "--device", "cpu")
    code, said = script("eval_llm", *short, stdin="7\n1\nred?\n\n")
    assert code == 0 and "Type 0 or 1." in said and said.count("🤖") == 1 and "tokens/s" in said
    code, said = script("eval_llm", "--weight", "pretrain", "--show_speed", "0", "--inference_rope_scaling", *short)
    assert code == 0 and said.count("💬") == 8 and "tokens/s" not in said
    code, said = script("eval_llm", "--weight", "fullsft", *short)
    assert (
        code == 2 and "Did you mean 'full_sft'? There are: full_sft_32.pth (--weight full_sft --hidden_size 32)" in said
    )


@pytest.mark.slow
def test_half_a_character_does_not_end_a_talk(repo):
    (repo / "out").mkdir()
    write_pth(Transformer(minimind_config("v2", 32, 1, vocab_size=300)).init_weights(0), repo / "out/full_sft_32.pth")
    shutil.copy(ROOT / "eval_llm.py", repo)
    done = subprocess.run(
        [sys.executable, "eval_llm.py", "--hidden_size", "32", "--max_new_tokens", "4", "--device", "cpu"],
        input=b"1\nab\xe4\xbd\nred?\n\n", cwd=repo, env=os.environ | {"LC_ALL": "en_US.UTF-8"}, capture_output=True,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0 and said.count("🤖") == 2 and "Traceback" not in said, said


def test_from_resume_goes_on_as_if_nothing_had_happened(repo, script, monkeypatch):
    long = ("--max_steps", "6", "--save_interval", "4")
    assert script("pretrain", *long)[0] == 0
    whole = (repo / "out/pretrain_32.pth").read_bytes()
    (repo / "out/pretrain_32.pth").unlink()
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        code, said = script("pretrain", *long)
    assert code == 130 and "To go on: python" in said and "--from_resume 1 --hidden_size 32" in said
    assert "The earlier run stays; this one is called minimind-pretrain_32-2." in said
    bare = ["--from_resume", "1", "--hidden_size", "32"]  # nothing else is typed: the run knows its settings
    assert run("pretrain", str(repo / "trainer/train_pretrain.py"), bare) == 0
    assert (repo / "out/pretrain_32.pth").read_bytes() == whole
    assert {run.name: run.info["status"] for run in list_runs()} == {
        "minimind-pretrain_32": "done",
        "minimind-pretrain_32-2": "done",
    }
    code, said = script("pretrain", "--from_resume", "1", "--learning_rate", "3e-3")
    assert code == 0 and "minimind-pretrain_32-2 is finished: there is nothing left to do." in said


def test_resume_refuses_another_setting_by_its_name(script, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        assert script("pretrain", "--max_steps", "3")[0] == 130
    code, said = script("pretrain", "--from_resume", "1", "--learning_rate", "0.1")
    assert code == 2 and "was started with another --learning_rate: leave it out to go on." in said
    code, said = script("pretrain", "--from_resume", "1", "--num_hidden_layers", "2")
    assert code == 2 and "has 1 layers: leave --num_hidden_layers out" in said


def test_resume_finds_the_data_where_they_lie_now(repo, script, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(1, patch)
        assert script("pretrain", "--max_steps", "3")[0] == 130
    (repo / "dataset/pretrain_hq.jsonl").rename(repo / "dataset/moved.jsonl")
    code, said = script("pretrain", "--from_resume", "1")
    assert code == 2 and "is not there: give its new place with --data_path" in said, said
    code, said = script("pretrain", "--from_resume", "1", "--data_path", "../dataset/sft_mini_512.jsonl")
    assert code == 2 and "was started with --data_path" in said, said
    code, said = script("pretrain", "--from_resume", "1", "--data_path", "../dataset/moved.jsonl")
    assert code == 0, said


def test_with_nothing_to_resume_it_starts_afresh_and_says_so(repo, script):
    code, said = script("pretrain", "--from_resume", "1", "--max_steps", "1")
    assert code == 0 and "There is nothing to go on with: starting afresh." in said
    code, said = script("pretrain", "--from_resume", "1", "--max_steps", "1", "--save_weight", "mine")
    assert code == 0 and "(there are pretrain_32_resume.pth: name one with --save_weight and --hidden_size)" in said
    shutil.rmtree(repo / "runs")
    code, said = script("pretrain", "--from_resume", "1", "--max_steps", "1")
    assert code == 2 and "../checkpoints/pretrain_32_resume.pth names no run in ../runs" in said


def test_wrong_weights_are_answered_with_what_is_there(repo, script):
    code, said = script("full_sft", "--from_weight", "pretrain")
    assert code == 2 and "no weights ../out/pretrain_32.pth, nor any others: train them first" in said
    (repo / "out").mkdir()
    write_pth(Transformer(minimind_config("v2", 32, 1, vocab_size=300)).init_weights(0), repo / "out/pretrain_32.pth")
    code, said = script("full_sft", "--from_weight", "pretrian")
    assert code == 2
    assert "Did you mean 'pretrain'? There are: pretrain_32.pth (--from_weight pretrain --hidden_size 32)." in said
    code, said = script("full_sft", "--compat", "v3")
    assert code == 2 and "../out/pretrain_32.pth is of MiniMind v2, not v3: leave --compat out." in said
    code, said = script("full_sft", "--num_hidden_layers", "4")
    assert code == 2 and "has 1 layers, not 4" in said


def test_parity_is_a_setting_of_the_run(script):
    assert script("pretrain", "--max_steps", "1", "--parity", "1")[0] == 0
    info = Run.open("minimind-pretrain_32").info
    config = info["config"]
    assert info["job"] == "minimind_pretrain" and config["precision"] == "fp32" and config["compile"] == "off"


# which generation


@pytest.mark.parametrize(
    ("name", "words", "files", "generation"),
    [
        ("pretrain", [], [], "v2"),
        ("pretrain", ["--compat", "v3"], [], "v3"),
        ("pretrain", ["--data_path", "../dataset/pretrain_t2t_mini.jsonl"], ["dataset/pretrain_hq.jsonl"], "v3"),
        ("pretrain", ["--data_path", "../dataset/pretrain_hq.jsonl"], ["dataset/pretrain_t2t_mini.jsonl"], "v2"),
        ("pretrain", [], ["dataset/pretrain_t2t_mini.jsonl"], "v3"),
        ("pretrain", [], ["dataset/pretrain_t2t_mini.jsonl", "dataset/pretrain_hq.jsonl"], "v2"),
        ("full_sft", [], ["out/pretrain_768.pth"], "v3"),
        ("full_sft", [], ["out/pretrain_512.pth"], "v2"),
        ("full_sft", ["--hidden_size", "64"], ["out/pretrain_64.pth"], "v3"),
        ("pretrain", ["--from_resume", "1"], ["checkpoints/pretrain_768_resume.pth"], "v3"),
        ("grpo", ["--loss_type", "grpo"], [], "v3"),
        ("grpo", ["--reasoning", "1"], [], "v2"),
    ],
)
def test_the_generation_is_chosen_by_what_is_there(name, words, files, generation, tmp_path):
    (tmp_path / "trainer").mkdir()
    for file in files:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".pth" and "resume" not in file:
            size = int(path.stem.split("_")[1])
            shape = minimind_config("v2" if size == 512 else "v3", 32, 1, vocab_size=300)
            write_pth(Transformer(shape), path)
            assert generation_of(read_pth(path)[0]) == ("v2" if size == 512 else "v3")
        else:
            path.write_text("{}", encoding="utf-8")
    place = Place(tmp_path / "trainer/train_x.py")
    assert choose(name, parse(name, words), place, is_practice) == generation


# data and tokenizer


@pytest.mark.parametrize("name", MAKERS)
def test_practice_data_has_the_schema_of_its_name(name, tmp_path, monkeypatch, capsys):
    kinds = {"dpo": "preference", "rlaif": "task", "rlaif-mini": "task", "agent_rl": "task", "agent_rl_math": "task"}
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    monkeypatch.setattr("fledge.interop.minimind.practice.TEXT_BYTES", 20_000)
    monkeypatch.setattr("fledge.interop.minimind.practice.CONVERSATIONS", 50)
    (tmp_path / "trainer").mkdir()
    place = Place(tmp_path / "trainer/train_x.py")
    path = tmp_path / f"dataset/{name}.jsonl"
    find_data(place, path)
    said = capsys.readouterr().out
    assert "练习数据" in said and f"fledge data get {name} --to" in said and said.count("\n") == 1
    assert name in catalog()
    kind = kinds.get(name, "text" if name.startswith("pretrain") else "chat")
    assert len(list(read_rows(path, kind))) >= 50
    assert is_practice(path)
    path.write_text('{"text": "downloaded"}', encoding="utf-8")
    find_data(place, path)
    assert not is_practice(path) and capsys.readouterr().out == ""


def test_a_known_name_elsewhere_is_not_made_up(script, tmp_path):
    code, said = script("pretrain", "--data_path", str(tmp_path / "pretrain_hq.jsonl"))
    assert code == 2 and "there is no data file" in said and not (tmp_path / "pretrain_hq.jsonl").exists()


def test_a_tokenizer_is_trained_once_or_taken_from_the_learner(repo, script, monkeypatch, capsys):
    monkeypatch.setattr("fledge.interop.minimind.tokenizer.VOCAB_SIZE", 320)
    shutil.rmtree(repo / "model")
    code, said = script("pretrain", "--max_steps", "1")
    assert code == 0 and "There is no tokenizer in ../model: training one" in said
    config = json.loads((repo / "model/tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["bos_token"] == "<|im_start|>"
    first = (repo / "model/tokenizer.json").read_bytes()
    size = Tokenizer.load(repo / "model").vocab_size
    said = script("pretrain", "--max_steps", "1")[1]
    assert f"Tokenizer: ../model ({size} tokens; " in said and "Note" not in said
    assert (repo / "model/tokenizer.json").read_bytes() == first
    shutil.rmtree(repo / "model")
    words = ["--vocab_size", "290", "--data_path", "../dataset/sft_mini_512.jsonl"]
    assert run("tokenizer", str(repo / "trainer/train_tokenizer.py"), words) == 0
    assert "<|im_start|>assistant" in capsys.readouterr().out
    os.chdir(repo / "trainer")
    code, said = script("pretrain", "--max_steps", "1")
    assert code == 0 and "Using the tokenizer that you trained: ../model_learn_tokenizer → ../model" in said
    assert Tokenizer.load(repo / "model").vocab_size <= 290


def refuse_rows(repo, monkeypatch) -> list[str]:
    rows = [json.dumps({"sentence": text}) for text in TEXTS]
    (repo / "dataset/other.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return ["--data_path", "../dataset/other.jsonl"]


def refuse_chats(repo, monkeypatch) -> list[str]:
    return ["--data_path", "../dataset/sft_mini_512.jsonl"]


def refuse_most_rows(repo, monkeypatch) -> list[str]:
    """The first rows are good, which is all that a tokenizer sees."""
    monkeypatch.setattr("fledge.interop.minimind.tokenizer.ROWS", 10)
    rows = [{"text": text} for text in TEXTS[:20]] + [{"sentence": text} for text in TEXTS]
    (repo / "dataset/most.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return ["--data_path", "../dataset/most.jsonl"]


def refuse_a_setting(repo, monkeypatch) -> list[str]:
    return ["--batch_size", "0"]


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("refuse", [refuse_rows, refuse_chats, refuse_most_rows, refuse_a_setting])
def test_a_refused_command_leaves_no_tokenizer_behind(refuse, learned, repo, script, monkeypatch, vocabulary):
    monkeypatch.setattr("fledge.interop.minimind.tokenizer.VOCAB_SIZE", 320)
    words = refuse(repo, monkeypatch)
    shutil.rmtree(repo / "model")
    if learned:
        shutil.copytree(vocabulary, repo / "model_learn_tokenizer")
    code, said = script("pretrain", *words, "--max_steps", "1")
    assert code == 2 and not list((repo / "model").glob("*")), said
    assert not any((repo / "runs").glob("*/run.json")) and (repo / "model_learn_tokenizer").exists() == learned


def test_a_refused_command_keeps_the_tokenizer_that_was_there(repo, script):
    assert script("pretrain", "--batch_size", "0")[0] == 2
    assert (repo / "model/tokenizer.json").is_file()


@pytest.mark.parametrize(
    ("made_of", "fits"),
    [
        (TEXTS, True),
        ([f"row {n}" for n in range(3)], False),  # of a small file
        (["a line of English and of nothing else, and another one"] * 40, False),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_not_used_without_a_word(made_of, fits, repo, script, monkeypatch):
    Tokenizer.train(made_of, 6400).save(repo / "model")
    for language, note in (("en", "Note: ../model/tokenizer.json was not made for such data"), ("zh", "切得很碎")):
        monkeypatch.setenv("FLEDGE_LANG", language)
        code, said = script("pretrain", "--max_steps", "1")
        assert code == 0 and (note in said) == (not fits), said
        assert re.search(r"\d\.\d (bytes of this data a token|字节)", said)


@pytest.mark.parametrize(
    "row",
    [
        {"text": "some words"},
        {"conversations": [{"role": "user", "content": "some"}, {"role": "assistant", "content": "words"}]},
        {"conversations": [{"from": "human", "value": "some"}, {"from": "gpt", "value": "words"}]},
        {"messages": [{"role": "user", "content": "some"}, {"role": "assistant", "content": "words"}]},
        {"instruction": "some", "output": "words"},
        {"prompt": "some", "chosen": "words", "rejected": "nothing"},
        {"conversations": [{"role": "user", "content": "some words"}, {"role": "assistant", "content": ""}], "gt": ["1"]},
    ],
)  # fmt: skip
def test_a_tokenizer_learns_from_every_schema(row, repo, capsys):
    (repo / "dataset/rows.jsonl").write_text((json.dumps(row) + "\n") * 20, encoding="utf-8")
    words = ["--vocab_size", "300", "--data_path", "../dataset/rows.jsonl"]
    assert run("tokenizer", str(repo / "trainer/train_tokenizer.py"), words) == 0, capsys.readouterr().err
    tokenizer = Tokenizer.load(repo / "model_learn_tokenizer")
    assert len(tokenizer.encode("some")) == 1 and len(tokenizer.encode("words")) <= 2


def test_texts_for_the_tokenizer_are_read_from_either_schema(repo):
    assert next(texts(repo / "dataset/pretrain_hq.jsonl", "text")) == TEXTS[0]
    assert next(texts(repo / "dataset/sft_mini_512.jsonl", "chat")) == "red?\nyes, red."


def test_datasets_give_minimind_s_tensors(repo, vocabulary):
    tokenizer = Tokenizer.load(vocabulary)
    start, end, pad = (tokenizer.im_start_id, tokenizer.im_end_id, tokenizer.endoftext_id)
    assert (pad, start, end) == (0, 1, 2)
    ids, labels = PretrainDataset(repo / "dataset/pretrain_hq.jsonl", tokenizer, max_length=64)[0]
    text = tokenizer.encode(TEXTS[0])
    assert ids.tolist() == [start, *text, end] + [pad] * (64 - len(text) - 2)
    assert labels.tolist() == [start, *text, end] + [-100] * (64 - len(text) - 2)
    ids, _ = PretrainDataset(repo / "dataset/pretrain_hq.jsonl", str(vocabulary), max_length=8)[0]
    assert ids.tolist() == [start, *text[:6], end]
    rows = SFTDataset(repo / "dataset/sft_mini_512.jsonl", tokenizer, max_length=64)
    ids, labels = rows[1]
    assert len(rows) == 100 and ids.shape == labels.shape == (64,)
    learned = labels != -100
    assert tokenizer.decode(ids[learned].tolist(), skip_special=False) == "yes, blue.<|im_end|>\n"
    assert torch.equal(ids[learned], labels[learned])


# the doors


def test_every_door_is_thin_and_they_differ_only_in_what_they_open():
    bodies = set()
    for door in SCRIPTS:
        lines = (ROOT / door).read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 25, door
        bodies.add(re.sub(r"run\(\"\w+\"", "run(", "\n".join(lines[1:])))
        assert f'run("{Path(door).stem.removeprefix("train_")}", __file__)' in lines[-1]
    assert len(SCRIPTS) == 14 and len(bodies) == 1


@pytest.mark.parametrize("door", SCRIPTS)
def test_every_door_opens(door, capsys):
    assert run_script(ROOT / door, "--help", folder=ROOT) == 0
    assert "MiniMind" in capsys.readouterr().out


@pytest.mark.parametrize("door", ["trainer/train_pretrain.py", "../scripts/train_tokenizer.py"])
def test_a_door_is_a_program_in_the_root_and_in_its_folder(door):
    cwd, name = (ROOT, door) if not door.startswith("..") else ((ROOT / door[3:]).parent, door.rpartition("/")[2])
    done = subprocess.run([sys.executable, name, "--help"], cwd=cwd, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and "MiniMind" in done.stdout, done.stderr


def test_the_help_of_a_door_loads_no_torch():
    code = "import sys\nfrom fledge.interop.minimind import doors\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_fledge_a_door_says_what_to_run():
    done = subprocess.run(
        [sys.executable, "-S", "trainer/train_pretrain.py"], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "python start.py" in done.stderr and "pip install -r requirements.txt" in done.stderr


def test_started_from_the_root_it_finds_the_same_files(repo, script, monkeypatch):
    monkeypatch.chdir(repo)
    code, said = script("pretrain", "--max_steps", "1", "--data_path", "dataset/pretrain_hq.jsonl")
    assert code == 0 and "weights: out/pretrain_32.pth" in said and (repo / "out/pretrain_32.pth").is_file()
    assert Run.open("minimind-pretrain_32").info["config"]["data"] == ["dataset/pretrain_hq.jsonl"]
