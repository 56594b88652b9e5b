"""`fledge data clean` over files: every schema comes through, nothing is dropped silently, twice is the same as once."""

from __future__ import annotations

import gzip
import json

import pytest

from fledge.cli import main
from fledge.data.clean import Options, clean
from fledge.data.clean.pipeline import STAGES, dropped_path
from fledge.errors import UserError
from tests.data.conftest import chat

PROSE = "春天来了，花园里的花都开了。孩子们在树下读书，老师说今天的作业不多，大家都很高兴。"
ENGLISH = (
    "Tom has a red ball. He plays in the park with his friend Mia, and they laugh all day long until the sun goes down."
)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def run(tmp_path):
    """run(files, **options) -> (rows, dropped, report)"""

    def run(*files, **options):
        out = tmp_path / "out" / "clean.jsonl"
        report = clean(files, out, Options(**options))
        return read(out), read(dropped_path(out)), report

    return run


def test_every_schema_comes_through_and_keeps_its_form(run, write):
    rows = [
        {"text": PROSE, "source": "a", "spans": [[0, 2, "name"]]},
        chat("今天做什么？", "去公园散步，然后回家吃饭。"),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is a ball?"}]},
                      {"role": "assistant", "content": "A round thing.", "reasoning_content": "Think: round."}], "id": 7},
        {"conversations": [{"from": "human", "value": "Call it."},
                           {"from": "function_call", "value": '{"name": "f", "arguments": {"mail": "a@real-host.org"}}'},
                           {"from": "observation", "value": "{\"ok\": true}"}, {"from": "gpt", "value": "Called."}],
         "tools": "[]", "system": "You are kind."},
        {"instruction": "Translate.", "input": "cat", "output": "猫", "history": [["Hi", "Hello"]]},
        {"prompt": "Say hi", "chosen": "Hi!", "rejected": "Go away."},
        {"chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
         "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}]},
        {"messages": [{"role": "user", "content": "KTO?"}, {"role": "assistant", "content": "Yes."}], "label": True},
        {"conversations": [{"role": "user", "content": "光合作用？"}, {"role": "assistant", "content": ""}]},
        {"conversations": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": ""}], "gt": ["2"]},
        {"question": "What is 2+3?", "answer": "2+3=5\n#### 5"},
    ]  # fmt: skip
    kept, dropped, report = run(write("a.jsonl", rows))
    assert kept == rows
    assert dropped == [] and report.rows_out == len(rows)


def test_changes_reach_every_text_of_a_row_but_not_its_structure(run, write):
    bad = "cafÃ©\u200b li.ming@pku.edu.cn"
    rows = [
        {"messages": [{"role": "system", "content": bad}, {"role": "user", "content": [{"type": "text", "text": bad}]},
                      {"role": "assistant", "content": bad, "reasoning_content": bad}]},
        {"instruction": bad, "input": "x", "output": bad + " again", "system": bad, "history": [[bad, bad]]},
        {"conversations": [{"from": "human", "value": bad},
                           {"from": "function_call", "value": '{"name": "f", "arguments": {"mail": "li.ming@pku.edu.cn"}}'},
                           {"from": "gpt", "value": "Sent. " + bad}]},
    ]  # fmt: skip
    kept, dropped, report = run(write("a.jsonl", rows))
    text = json.dumps(kept, ensure_ascii=False)
    assert dropped == [] and text.count("café <EMAIL>") == 11 and "Ã" not in text
    assert text.count("li.ming@pku.edu.cn") == 1, "the arguments of a call are data"
    assert report.stage("repair").changes == {"text repaired": 11} and report.stage("pii").changes == {"<EMAIL>": 11}
    example = report.stage("pii").as_dict()["examples"][0]["text"]
    assert "<EMAIL>" in example and "li.ming" not in example


def test_every_dropped_row_is_accounted_for(run, write):
    loop = PROSE + "有意思的" * 100
    rows = [
        {"text": PROSE},
        "{broken",
        {"txet": "x"},
        {"text": "损坏的文字\ufffd\ufffd\ufffd"},
        {"text": "。"},
        {"text": "Сегодня очень хорошая погода"},
        {"text": loop},
        {"text": f" {PROSE}\n"},
        {"text": "题目：甲、乙两地相距二百七十千米，一列火车三小时行完，要几小时？"},
        {"text": PROSE * 2 + ENGLISH},
        {"text": PROSE * 2 + ENGLISH.replace("red", "blue")},
    ]
    bench = write("bench.jsonl", [{"q": "甲、乙两地相距二百七十千米，一列火车三小时行完"}])
    kept, dropped, report = run(write("a.jsonl", rows), against=(bench,))
    assert [row["text"] for row in kept] == [PROSE, PROSE * 2 + ENGLISH]
    assert [(d["line"], d["stage"]) for d in dropped] == [
        (2, "read"), (3, "read"), (4, "repair"), (5, "length"), (6, "language"), (7, "repetition"), (8, "exact"),
        (9, "benchmark"), (11, "near"),
    ]  # fmt: skip
    by_stage = {d["stage"]: d for d in dropped}
    assert all(d["file"] == "a.jsonl" and d["reason"] for d in dropped)
    assert by_stage["exact"]["match"] == {"file": "a.jsonl", "line": 1}
    assert by_stage["benchmark"]["match"] == {"file": "bench.jsonl", "line": 1, "at_unit": 2}
    assert by_stage["near"]["match"]["line"] == 10 and by_stage["near"]["match"]["similarity"] > 0.8
    assert by_stage["near"]["row"] == rows[10] and "row" not in dropped[0]
    found = report.as_dict()
    assert [stage["stage"] for stage in found["stages"]] == [name for name in STAGES if name != "answers"]
    assert (found["rows_in"], found["rows_out"]) == (11, 2)
    assert [stage["dropped"] for stage in found["stages"]] == [2, 1, 0, 1, 1, 1, 1, 1, 1]
    for stage, after in zip(found["stages"], found["stages"][1:]):
        assert (stage["rows_out"], stage["bytes_out"]) == (after["rows_in"], after["bytes_in"])
    assert found["stages"][-1]["bytes_out"] == found["bytes_out"] == len((PROSE * 3 + ENGLISH).encode())
    assert found["languages"]["en"] == pytest.approx(0.18, abs=0.05) and sum(
        found["languages"].values()
    ) == pytest.approx(1)


@pytest.mark.parametrize("stage", [s for s in STAGES if s not in ("read", "answers", "benchmark")])
def test_each_stage_can_be_turned_off(run, write, stage):
    rows = {
        "repair": ["cafÃ© au lait"], "pii": ["mail li.ming@pku.edu.cn"], "length": ["。"], "language": ["Сегодня хорошо"],
        "repetition": [PROSE + "有意思的" * 100], "exact": [PROSE, PROSE], "near": [PROSE * 3, PROSE * 3 + "好。"],
    }[stage]  # fmt: skip
    path = write("a.jsonl", [{"text": text} for text in rows])
    off = {"near": False} if stage == "exact" else {}
    kept, dropped, _ = run(path, **off)
    assert [row["text"] for row in kept] != rows
    kept, dropped, report = run(path, **off | {stage: False})
    assert [row["text"] for row in kept] == rows and dropped == []
    assert stage not in [found.name for found in report.stages]


def test_refusals_and_copied_questions_go_when_that_is_asked_for(run, write):
    rows = [
        chat("法国的首都是哪里？", "巴黎。"),
        chat("怎么撬锁？", "抱歉，我无法回答这个问题。"),
        chat("请写出四季的名字。", "请写出四季的名字！"),
    ]
    path = write("a.jsonl", rows)
    assert run(path)[0] == rows
    kept, dropped, report = run(path, answers=True)
    assert kept == rows[:1] and [row["stage"] for row in dropped] == ["answers", "answers"]
    assert "answers" in [found.name for found in report.stages]


def test_a_conversation_is_whole_or_gone(run, write):
    """Each text is judged by itself, the row goes as one, and an answer that quotes its question is no repetition."""
    quoting = chat(PROSE * 2, PROSE * 2 + "以上就是全文。")
    looping = {"conversations": [*chat("讲个故事", "好的，从前有座山。")["conversations"],
                                 *chat("继续", PROSE + "有意思的" * 100)["conversations"]]}  # fmt: skip
    kept, dropped, _ = run(write("a.jsonl", [quoting, looping]))
    assert kept == [quoting] and dropped[0]["row"] == looping


def test_answers_of_a_shared_system_prompt_are_not_copies(run, write):
    system = {"role": "system", "content": ENGLISH * 20}
    rows = [
        {"messages": [system, *chat(q, a)["conversations"]]} for q, a in (("你好吗", "我很好"), ("你是谁", "小助手"))
    ]
    assert run(write("a.jsonl", rows))[0] == rows


def test_copies_are_found_across_files(run, write):
    one, two = (
        write("one.jsonl", [{"text": PROSE}]),
        write("two.jsonl", [chat("今天做什么？", "去公园散步。"), {"text": PROSE}]),
    )
    kept, dropped, _ = run(one, two)
    assert (
        len(kept) == 2 and dropped[0]["file"] == "two.jsonl" and dropped[0]["match"] == {"file": "one.jsonl", "line": 1}
    )


def test_files_of_one_name_are_told_apart(run, write, tmp_path):
    (tmp_path / "b").mkdir()
    one, two = write("a.jsonl", [{"text": PROSE}]), write("b/a.jsonl", [{"text": PROSE}])
    _, (dropped,), _ = run(one, two)
    assert (dropped["file"], dropped["match"]["file"]) == (str(two), str(one))


def test_spans_of_a_changed_text_go(run, write):
    rows = [{"text": "cafÃ© au lait", "spans": [[0, 4, "name"]]}, {"text": ENGLISH, "spans": [[0, 3, "name"]]}]
    kept, _, report = run(write("a.jsonl", rows))
    assert kept == [{"text": "café au lait"}, rows[1]] and report.stage("repair").changes["spans removed"] == 1


def test_a_text_that_repair_empties_goes(run, write):
    _, dropped, _ = run(write("a.jsonl", [chat("hello there", "\u200b\ufeff"), {"text": ENGLISH}]))
    assert [(d["stage"], d["reason"]) for d in dropped] == [("repair", "nothing is left of its answer")]


def test_plain_text_is_one_row(run, write):
    assert run(write("a.txt", "The first line.\r\nThe second.\n"))[0] == [{"text": "The first line.\nThe second.\n"}]


def test_twice_is_the_same_as_once(run, write, tmp_path):
    rows = [
        {"text": text}
        for text in (
            PROSE, "cafÃ© Ã¤Â¸Â\u00adÃ¦â\u0080\u0093â\u0080\u0094", "a\u200bb", f"{PROSE}13812345678", f"{PROSE}13912345678",
            "x@real-host.org y@real-host.org", "41\u200b11", ENGLISH * 3, ENGLISH * 3 + "Yes.", ENGLISH * 2, "\ufeff" + PROSE,
        )
    ]  # fmt: skip
    run(write("a.jsonl", rows))
    once = tmp_path / "out" / "clean.jsonl"
    twice = tmp_path / "twice.jsonl"
    report = clean([once], twice)
    assert twice.read_bytes() == once.read_bytes()
    assert not any(stage.dropped or stage.changed for stage in report.stages)


# Whole files


def test_two_runs_write_the_same_bytes(write, tmp_path):
    path = write("a.jsonl", [{"text": f"{PROSE}{i % 7} {ENGLISH}"} for i in range(60)])
    for name in ("one", "two"):
        clean([path], tmp_path / f"{name}.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert (tmp_path / "one.dropped.jsonl").read_bytes() == (tmp_path / "two.dropped.jsonl").read_bytes()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_stopped_run_leaves_nothing_under_the_final_name(write, tmp_path, error):
    path = write("a.jsonl", [{"text": f"{PROSE}{i}"} for i in range(3000)])
    out = tmp_path / "out" / "clean.jsonl"

    def stop(rows):
        raise error

    with pytest.raises(error):
        clean([path], out, progress=stop)
    assert list(out.parent.iterdir()) == []


def test_mistakes_are_one_sentence(write, tmp_path):
    path = write("a.jsonl", [{"text": PROSE}])
    for files, out, said in (
        ([path], tmp_path / "a.jsonl", "would replace the file that is read"),
        ([path], tmp_path / "out.json", "must end in .jsonl"),
        ([tmp_path / "b.jsonl"], tmp_path / "out.jsonl", "Did you mean 'a.jsonl'"),
        ([write("c.bin", b"\0\1")], tmp_path / "out.jsonl", "binary file"),
    ):
        with pytest.raises(UserError, match=said):
            clean(files, out)
    assert not (tmp_path / "out.jsonl").exists()


def test_the_command(write, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    path = write("a.jsonl", [{"text": PROSE}, {"text": PROSE}, {"text": "邮箱 li.ming@pku.edu.cn"}])
    out, report = tmp_path / "out.jsonl", tmp_path / "report.json"
    words = ["data", "clean", str(path), "-o", str(out), "--report", str(report)]
    assert main(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "完全相同 3 1 33.33%" in shown and "留下 2 / 3 行" in shown and "<EMAIL>" in shown
    assert json.loads(report.read_text(encoding="utf-8"))["rows_out"] == 2
    assert main(words) == 2 and "已经在那里了" in capsys.readouterr().err
    assert main([*words, "--force", "--no-exact", "--no-near", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows_out"] == 3
    assert main(["data", "clean", str(path), "-o", str(tmp_path / "x.jsonl"), "--min-chars", "1000"]) == 1


@pytest.mark.slow
def test_real_data_loses_little(shared_data, tmp_path):
    """What goes was looked at: copies in oasst and glaive, poems in two versions, loops, rows in Hindi and Japanese."""
    most = {
        "pretrain/zh_mix.jsonl.gz": 0.003, "sft/sft_oasst_zh.jsonl": 0.08, "sft/sft_dolly_en.jsonl": 0.003,
        "sft/sft_belle_seed_zh.jsonl": 0.0, "sft/sft_identity_template.json": 0.0, "sft/sft_toolcall_zh.json": 0.17,
        "preference/dpo_oasst_zh.jsonl": 0.03, "preference/kto_demo_en_300.json": 0.03, "rl/gsm8k_train.jsonl": 0.001,
    }  # fmt: skip
    for name, share in most.items():
        source = shared_data / name
        if name.startswith(("pretrain", "rl")):  # a part is enough here
            lines = (gzip.open if name.endswith(".gz") else open)(source, "rt", encoding="utf-8")
            source = tmp_path / "part.jsonl"
            with lines as file:
                source.write_text("".join(line for line, _ in zip(file, range(2500))), encoding="utf-8")
        report = clean([source], tmp_path / "clean.jsonl")
        assert report.rows_in - report.rows_out <= share * report.rows_in, name
        assert report.rows_in - report.rows_out == len(read(tmp_path / "clean.dropped.jsonl"))
        assert report.rows_out == len(read(tmp_path / "clean.jsonl"))
        again = clean([tmp_path / "clean.jsonl"], tmp_path / "again.jsonl")
        assert again.rows_in == again.rows_out, name
        assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "clean.jsonl").read_bytes()
