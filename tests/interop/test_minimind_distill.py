"""train_distillation.py and train_reason.py with MiniMind's arguments and file names."""

from __future__ import annotations

import json

import pytest

from fledge.interop.minimind.doors import run
from fledge.interop.minimind.pth import minimind_config, write_pth
from fledge.model.transformer import Transformer
from fledge.records import Run
from tests.interop.test_minimind_doors import repo, script, vocabulary  # noqa: F401 (fixtures)

SMALL = ["--max_seq_len", "24", "--batch_size", "4", "--device", "cpu", "--learning_rate", "3e-3", "--max_steps", "3"]


def weights(repo, width, layers, prefix="full_sft", vocab_size=300):  # noqa: F811
    (repo / "out").mkdir(exist_ok=True)
    model = Transformer(minimind_config("v2", width, layers, vocab_size=vocab_size)).init_weights(0)
    write_pth(model, repo / f"out/{prefix}_{width}.pth")


@pytest.fixture
def distil(repo, capsys):  # noqa: F811
    def call(*words: str) -> tuple[int, str]:
        code = run("distillation", str(repo / "trainer/train_distillation.py"), [*SMALL, *words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out + err

    return call


SIZES = ("--student_hidden_size", "32", "--student_num_layers", "1", "--teacher_hidden_size", "64")
SIZES += ("--teacher_num_layers", "2")


def test_a_student_learns_from_a_teacher_of_another_width(repo, distil):  # noqa: F811
    weights(repo, 32, 1)
    weights(repo, 64, 2)
    code, said = distil(*SIZES, "--alpha", "0.3", "--temperature", "2.0")
    assert code == 0 and (repo / "out/full_dist_32.pth").is_file(), said
    assert "eval_llm.py --weight full_dist --hidden_size 32" in said
    info = Run.open("minimind-full_dist_32").info
    asked = {name: info["config"][name] for name in ("model", "teacher", "alpha", "temperature", "schedule")}
    assert asked == {
        "model": "out/full_sft_32.pth", "teacher": "out/full_sft_64.pth", "alpha": 0.3, "temperature": 2.0,
        "schedule": "minimind",
    }  # fmt: skip
    assert info["plan"]["memory_mb"]["frozen models"] > 0
    code, said = distil(*SIZES, "--from_resume", "1", "--max_steps", "5")
    assert code == 2 and "--from_student_weight full_dist --student_hidden_size 32" in said  # it kept no checkpoint
    assert distil(*SIZES, "--save_weight", "other", "--save_interval", "2")[0] == 0
    code, said = distil(*SIZES, "--save_weight", "other", "--from_resume", "1", "--max_steps", "5")
    assert code == 0 and Run.open("minimind-other_32").info["results"]["step"] == 5, said


def test_what_is_missing_is_said_in_this_script_s_words(repo, distil):  # noqa: F811
    weights(repo, 32, 1)
    code, said = distil(*SIZES)
    assert code == 2 and "full_sft_32.pth (--from_teacher_weight full_sft --teacher_hidden_size 32)" in said
    code, said = distil(*SIZES[2:], "--student_hidden_size", "48")
    assert code == 2 and "(--from_student_weight full_sft --student_hidden_size 32)" in said
    code, said = distil("--hidden_size", "32")
    assert code == 2 and "'--hidden_size' is not an argument of train_distillation.py" in said
    weights(repo, 64, 2, vocab_size=400)
    code, said = distil(*SIZES, "--student_num_layers", "3")
    assert code == 2 and "has 1 layers, not 3" in said


def test_the_reasoning_script_fine_tunes_with_heavy_tags(repo, script):  # noqa: F811
    weights(repo, 32, 1, "dpo")
    rows = [
        {
            "conversations": [
                {"role": "user", "content": "red?"},
                {"role": "assistant", "content": "<think>\nred\n</think>\n<answer>\nyes\n</answer>"},
            ]
        }
    ] * 30
    (repo / "dataset/r1_mix_1024.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    code, said = script("reason", "--max_steps", "2", "--max_seq_len", "48")
    assert code == 0 and (repo / "out/reason_32.pth").is_file(), said
    run = Run.open("minimind-reason_32")
    assert run.info["config"]["tag_weight"] == 10.0 and run.info["job"] == "reason"


def test_without_its_file_the_reasoning_script_writes_traces_of_the_world(repo, script):  # noqa: F811
    weights(repo, 32, 1, "dpo", vocab_size=6400)
    code, said = script("reason", "--max_steps", "1", "--max_seq_len", "64")
    assert "rows of practice data were written from our small world" in said, said
    first = (repo / "dataset/r1_mix_1024.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(first)["conversations"][1]["reasoning_content"]
    assert code == 0
