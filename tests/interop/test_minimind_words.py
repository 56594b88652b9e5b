"""What a door says is in its own words: every flag in an answer is one that the command before it takes."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shlex
import shutil
import sys

import filelock
import pytest
import torch

from fledge import cli
from fledge.errors import Spelling, advice, flag, quoted, resume_command, spelled, train_command
from fledge.interop.minimind.arguments import Words, parser
from fledge.interop.minimind.doors import run
from fledge.interop.minimind.files import Place
from fledge.interop.minimind.pth import minimind_config, write_pth
from fledge.interop.minimind.runs import weights_of
from fledge.interop.minimind.tables import DOORS, file_of
from fledge.jobs.language import LanguageModeling
from fledge.model.transformer import Transformer
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training import checkpoint

TINY = "--hidden_size 32 --num_hidden_layers 1 --max_seq_len 24 --batch_size 4 --device cpu --accumulation_steps 2"
TINY += " --dtype float32 --learning_rate 3e-3 --max_steps 2 --save_interval 2"
TEXTS = [f"the {a} cat sat on the {b} mat. 猫坐在{b}垫子上。" for a in ("red", "old") for b in ("big", "small")] * 20
FLAG = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")
COMMAND = re.compile(r"`((?:fledge|python|pip) [^`]*)`|((?:fledge|python) (?:[\w./-]+|--\w+)(?: [\w./-]+)*)")


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    Tokenizer.train(TEXTS, 300).save(folder)
    return folder


@pytest.fixture
def repo(tmp_path, monkeypatch, vocabulary):
    """A checkout's folders with small data, weights and a tokenizer; the user stands in its root."""
    for name in ("trainer", "scripts", "dataset", "out"):
        (tmp_path / name).mkdir()
    shutil.copytree(vocabulary, tmp_path / "model")
    lines = {
        "pretrain_hq": [{"text": text} for text in TEXTS],
        "sft_mini_512": [
            {"conversations": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}."}]}
            for n in range(80)
        ],
        "one": [{"conversations": [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "1."}]}],
        "other": [{"sentence": text} for text in TEXTS],
        "long": [
            {"conversations": [{"role": "user", "content": "so " * 60}, {"role": "assistant", "content": "a"}]}
        ] * 60,
    }  # fmt: skip
    for name, rows in lines.items():
        (tmp_path / f"dataset/{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "dataset/empty.jsonl").touch()
    shape = minimind_config("v2", 32, 1, vocab_size=300)
    write_pth(Transformer(shape).init_weights(0), tmp_path / "out/pretrain_32.pth")
    monkeypatch.setenv("FLEDGE_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(door: str, repo, capsys, words: str) -> tuple[int, str]:
    """(exit code, everything that was said) of the door, started in the root."""
    folder = "trainer" if DOORS[door].job or door == "tokenizer" else "scripts" if door == "convert_model" else ""
    here, before = os.getcwd(), torch.get_num_threads()
    code = run(door, str(repo / folder / file_of(door)), shlex.split((TINY if DOORS[door].job else "") + " " + words))
    os.chdir(here)
    torch.set_num_threads(before)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out + captured.err


def taken_by(command: str, capsys) -> set[str]:
    """The flags in the help of a command."""
    words = command.split()
    if words[0] == "python":
        door = re.sub(r"^train_|\.py$", "", words[1].rpartition("/")[2])
        return {option for action in parser(door)._actions for option in action.option_strings}
    module = importlib.import_module(cli.VERBS[words[1]][0])
    job = [word for word in words[2:3] if not word.startswith("-")]
    capsys.readouterr()
    for tried in ([*job, "--help"], ["--help"]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO())
            try:
                module.main(list(tried))
            except SystemExit:
                pass
            except Exception:
                continue
        if found := set(FLAG.findall(capsys.readouterr().out)):
            return found
    return set()


def unknown(door: str, said: str, capsys) -> list[str]:
    """The flags in an answer that nobody takes who is named there: the door, or the command that they stand in."""
    wrong = []
    for found in COMMAND.finditer(said):
        command = found[1] or found[2]
        if command.startswith(("fledge", "python")) and FLAG.search(command):
            known = taken_by(command, capsys)
            wrong += [f"{command}: {name}" for name in FLAG.findall(command) if name not in known]
    mine = {option for action in parser(door)._actions for option in action.option_strings}
    return wrong + [name for name in FLAG.findall(COMMAND.sub("", said)) if name not in mine]


def nothing(repo, monkeypatch, capsys):
    pass


def out_of_memory(repo, monkeypatch, capsys):
    def full(self, batch):
        raise MemoryError

    monkeypatch.setattr(LanguageModeling, "loss", full)


def full_disk(repo, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_write", full)


def begun(repo, monkeypatch, capsys, words=""):
    assert answer("pretrain", repo, capsys, words)[0] == 0


def begun_and_locked(repo, monkeypatch, capsys):
    begun(repo, monkeypatch, capsys)
    found = Run.open("minimind-pretrain_32")
    found.update(status="stopped")
    lock = filelock.FileLock(found.path / ".lock", timeout=0)
    lock.acquire()
    monkeypatch.setattr(sys.modules[__name__], "HELD", lock, raising=False)


def begun_without_checkpoints(repo, monkeypatch, capsys):
    begun(repo, monkeypatch, capsys)
    shutil.rmtree(Run.open("minimind-pretrain_32").checkpoints_dir)


def begun_without_a_model(repo, monkeypatch, capsys):
    begun(repo, monkeypatch, capsys)
    shutil.rmtree(Run.open("minimind-pretrain_32").model_dir)


def large_tokenizer(repo, monkeypatch, capsys):
    monkeypatch.setattr(Tokenizer, "vocab_size", 9000, raising=False)
    made = Tokenizer.__init__

    def larger(self, *words):
        made(self, *words)
        self.vocab_size = 9000

    monkeypatch.setattr(Tokenizer, "__init__", larger)


CASES = [
    ("pretrain", "--batch_size 0", nothing, "--batch_size is 0"),
    ("pretrain", "--max_seq_len 0", nothing, "--max_seq_len is 0"),
    ("pretrain", "--accumulation_steps 0", nothing, "--accumulation_steps is 0"),
    ("pretrain", "--learning_rate -1", nothing, "--learning_rate is -1"),
    ("pretrain", "--grad_clip -1", nothing, "--grad_clip is -1"),
    ("pretrain", "--max_steps 0", nothing, "--max_steps is 0"),
    ("pretrain", "--save_interval -3", nothing, "--save_interval is -3"),
    ("pretrain", "--epochs many", nothing, "--epochs"),
    ("pretrain", "--lr 1", nothing, "'--lr' is not an argument"),
    ("pretrain", "--dtype fp32", nothing, "--dtype"),
    ("pretrain", "--device cuda", nothing, "--device cpu"),
    ("pretrain", "--device tpu", nothing, "device 'tpu'"),
    ("pretrain", "--device mps", nothing, "--device cpu"),
    ("pretrain", "--max_seq_len 40000", nothing, "--max_seq_len 40000 is longer"),
    ("pretrain", "--data_path none.jsonl", nothing, "check --data_path"),
    ("pretrain", "--data_path dataset/empty.jsonl", nothing, "is empty"),
    ("pretrain", "--data_path dataset/other.jsonl", nothing, "no known schema"),
    ("pretrain", "--data_path dataset/sft_mini_512.jsonl", nothing, "text rows are needed"),
    ("pretrain", "--use_moe 1", nothing, "--preset moe-8m"),
    ("pretrain", "--hidden_size 100", nothing, "--hidden_size is 100"),
    ("pretrain", "--from_weight nobody", nothing, "--from_weight pretrain --hidden_size 32"),
    ("pretrain", "--learning_rate 1e30 --max_steps 9", nothing, "a lower --learning_rate or --dtype float32"),
    ("pretrain", "", out_of_memory, "make --max_seq_len shorter or choose a smaller --hidden_size"),
    ("pretrain", "--save_interval 1", full_disk, "train_pretrain.py --from_resume 1 --save_weight pretrain"),
    ("pretrain", "--from_resume 1", begun_and_locked, "give another --save_weight"),
    ("pretrain", "--from_resume 1 --max_steps 9", begun_without_checkpoints, "--from_weight pretrain --hidden_size 32"),
    ("pretrain", "", large_tokenizer, "put MiniMind's own there"),
    ("full_sft", "--from_weight none", nothing, "train_full_sft.py` starts from a trained model: give it with --from_weight NAME"),
    ("full_sft", "--parity 1", nothing, "--parity is there for `python trainer/train_pretrain.py`"),
    ("full_sft", "--data_path dataset/long.jsonl", nothing, "raise --max_seq_len"),
    ("full_sft", "--save_weight pretrain --from_resume 1", begun,
     "`python trainer/train_pretrain.py --from_resume 1 --save_weight pretrain --hidden_size 32`"),
    ("full_sft", "--data_path dataset/one.jsonl", nothing, "too few to hold 2% out: add rows"),
    ("full_sft", "--compat v3", nothing, "leave --compat out"),
    ("eval_llm", "--weight nobody", nothing, "--weight pretrain --hidden_size 32"),
    ("eval_llm", "--weight pretrain --hidden_size 32 --temperature -1", nothing, "temperature must be"),
    ("eval_llm", "--weight pretrain --hidden_size 32 --max_new_tokens 0", nothing, "max_new_tokens must be"),
    ("eval_llm", "--weight pretrain --hidden_size 32 --device cuda", nothing, "--device cpu"),
    ("eval_llm", "--weight pretrain --hidden_size 32 --num_hidden_layers 9", nothing, "leave --num_hidden_layers out"),
    ("eval_llm", "--weight pretrain --hidden_size 32 --lora_weight mine", nothing, "there are no LoRA weights"),
    ("eval_llm", "--load_from minimind-pretrain_32", begun_without_a_model, "trainer/train_pretrain.py --from_resume 1"),
    ("tokenizer", "--vocab_size 10", nothing, "A vocabulary of 10 is too small"),
    ("tokenizer", "--data_path none.jsonl", nothing, "check --data_path"),
    ("tokenizer", "--data_path dataset/other.jsonl", nothing, "no known schema"),
    ("tokenizer", "--out x", nothing, "'--out' is not an argument"),
    ("convert_model", "none.pth x", nothing, "there is no file 'none.pth'"),
    ("convert_model", "minimind-pretrain_32 x", begun_without_a_model, "trainer/train_pretrain.py --from_resume 1"),
    ("convert_model", "out/pretrain_32.pth", nothing, "is missing"),
    ("convert_model", "--steps 3", nothing, "'--steps' is not a flag"),
    *((name, "", nothing, "has not landed yet") for name, door in DOORS.items() if not door.opens),
]  # fmt: skip


@pytest.mark.parametrize(("door", "words", "prepare", "expected"), CASES)
def test_what_is_advised_can_be_typed(door, words, prepare, expected, repo, monkeypatch, capsys):
    if door == "pretrain" and "--device cuda" in words and torch.cuda.is_available():
        pytest.skip("there is a card here")
    said = {}
    for language in ("zh", "en"):
        with monkeypatch.context() as patch:
            patch.setenv("FLEDGE_LANG", "en")
            shutil.rmtree(repo / "runs", ignore_errors=True)
            prepare(repo, patch, capsys)
            patch.setenv("FLEDGE_LANG", language)
            code, said[language] = answer(door, repo, capsys, words)
        assert code == 2, said
        assert re.search("[\u4e00-\u9fff]", said[language].splitlines()[-1]) or language == "en"
        # the mistake is quoted as it was typed
        quoted = re.sub(r"'--\w+'", "", said[language])
        assert unknown(door, quoted, capsys) == [], said[language]
    assert expected in said["en"], said["en"]


def test_the_check_of_these_answers_can_fail(capsys):
    assert unknown("pretrain", "try a longer --warmup", capsys) == ["--warmup"]
    assert unknown("pretrain", "`fledge train pretrain --data_path x`", capsys) == [
        "fledge train pretrain --data_path x: --data_path"
    ]
    assert unknown("pretrain", "`fledge train pretrain --data x`, or --data_path", capsys) == []
    assert unknown("pretrain", "To go on: python train_full_sft.py --from_resume 1", capsys) == []
    assert unknown("eval_llm", "python trainer/train_pretrain.py --weight x", capsys) != []


def test_a_door_spells_and_what_it_has_not_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    (tmp_path / "trainer").mkdir()
    monkeypatch.chdir(tmp_path)
    ways = [("lr", "a lower {}"), ("warmup", "a longer {}"), ("precision=fp32", "{}"), ("", "fewer words")]
    own = "a lower --lr, a longer --warmup, --precision fp32 or fewer words"
    assert advice(*ways) == own and (flag("seq_len"), flag("resume", True)) == ("--seq-len", "--resume")
    with spelled(Words("pretrain", Place(tmp_path / "trainer/train_pretrain.py"))):
        assert advice(*ways) == "a lower --learning_rate, --dtype float32 or fewer words"
        assert (flag("seq_len"), flag("resume", True), flag("budget")) == ("--max_seq_len", "--from_resume 1", "")
        assert train_command("sft") == "python trainer/train_full_sft.py" and train_command("x") == "fledge train x"
        monkeypatch.setenv("FLEDGE_LANG", "zh")
        assert advice(("lr", "更低的 {}"), ("precision=fp32", "{}")) == "更低的 --learning_rate 或 --dtype float32"
    assert flag("seq_len") == "--seq-len"
    my_run = '"my run"' if sys.platform == "win32" else "'my run'"
    assert quoted("my run") == my_run and quoted("数据/a-1.txt") == "数据/a-1.txt"
    assert resume_command("sft", "my run") == f"fledge train sft --run {my_run} --resume"
    assert Spelling().flag("data", "a b.txt") == f"--data {quoted('a b.txt')}"


def test_the_run_of_a_door_names_its_weights():
    assert weights_of("minimind-pretrain_512") == "--save_weight pretrain --hidden_size 512"
    assert weights_of("minimind-full_sft_768_moe-3") == "--save_weight full_sft --hidden_size 768 --use_moe 1"
    assert weights_of("minimind-7") == weights_of("pretrain-20260101-101010") == ""
