"""The loop: it learns, it resumes exactly, any split of a batch gives the same step, and mistakes are one sentence."""

from __future__ import annotations

import json
import signal
from types import SimpleNamespace

import pytest
import torch

from fledge.data import Mixture, PackedBatches, prepare_rows
from fledge.errors import UserError
from fledge.jobs import data as material
from fledge.jobs import runner
from fledge.jobs.job import Material
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.model.folder import load_model
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training import due, optim
from fledge.training.config import parse_duration

SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}
TEXTS = [
    f"the {a} cat sat on the {b} mat. 猫坐在{b}垫子上。" for a in ("red", "blue", "old") for b in ("big", "small")
] * 10


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train(TEXTS, 320).save(folder)
    return str(folder)


def pretrain(tokenizer, **changes) -> Run:
    settings = {"steps": 12, "seq_len": 48, "batch_size": 4, "tokenizer": tokenizer, "precision": "fp32", "set": SHAPE}
    return run_job("pretrain", job_config("pretrain", **{**settings, **changes}), Material(TEXTS, TEXTS[:6]))


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_model(run.model_dir).state_dict()


def equal(a: Run, b: Run) -> bool:
    first, second = weights(a), weights(b)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_learns_and_leaves_a_record(tokenizer):
    run = pretrain(tokenizer, steps=40, run="learns")
    lines = run.metrics()
    val = [line["val_bpb"] for line in lines if "val_bpb" in line]
    assert abs(lines[0]["val_loss"] - run.info["landmarks"]["start"]) < 1e-3  # ln V at the start
    assert val[-1] < 0.4 * val[0]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 41))
    assert run.info["status"] == "done" and run.info["results"]["val_bpb"] == val[-1]
    assert run.info["data"]["train"]["inputs"][0]["sha256"]
    assert {"step", "prompt", "text"} <= set(run.samples()[0])


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tokenizer):
    a, b, c = pretrain(tokenizer), pretrain(tokenizer), pretrain(tokenizer, seed=1)
    assert equal(a, b) and not equal(a, c)


def test_ctrl_c_waits_for_the_end_of_the_step_and_the_run_resumes_to_the_same_weights(tokenizer, monkeypatch):
    whole = pretrain(tokenizer, run="whole")
    orthogonalise = optim.orthogonalise
    calls = []

    def interrupt(*args):  # in the middle of the fifth update
        calls.append(1)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        return orthogonalise(*args)

    monkeypatch.setattr(optim, "orthogonalise", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            pretrain(tokenizer, run="cut")
    finally:
        signal.signal(signal.SIGINT, before)
    cut = Run.open("cut")
    assert cut.info["status"] == "stopped" and 1 < cut.info["results"]["step"] < 12
    monkeypatch.setattr(optim, "orthogonalise", orthogonalise)
    resumed = pretrain(tokenizer, run="cut", resume=True)
    assert resumed.name == "cut" and equal(whole, resumed)
    losses = [[m["loss"] for m in run.metrics() if "loss" in m] for run in (whole, resumed)]
    assert losses[0] == losses[1]


def test_accumulation_gives_the_step_of_the_whole_batch(tokenizer):
    a = pretrain(tokenizer, steps=3, batch_size=4, accumulation_steps=1)
    b = pretrain(tokenizer, steps=3, batch_size=1, accumulation_steps=4)
    first, second = weights(a), weights(b)
    for name in first:
        assert torch.allclose(first[name], second[name], atol=2e-4), name


def test_sft_trains_on_answers_only_and_starts_from_the_pretrained_model(tokenizer):
    base = pretrain(tokenizer, run="base")
    rows = [
        {
            "conversations": [
                {"role": "user", "content": f"cat {a}?"},
                {"role": "assistant", "content": "the red cat sat."},
            ]
        }
        for a in range(30)
    ]
    config = job_config(
        "sft", model="base", steps=40, seq_len=64, batch_size=4, precision="fp32", run="tuned", head_lr=0.02
    )
    run = run_job("sft", config, Material(rows, rows[:4]))
    assert base.model_dir.exists()
    first, last = (m["val_loss"] for m in (run.metrics()[0], run.metrics()[-1]))
    assert last < 0.5 * first
    assert run.info["data"]["train"]["targets"] < 0.8 * run.info["data"]["train"]["tokens"]


def test_a_time_budget_ends_on_time_and_its_rate_falls_to_the_end(tokenizer):
    run = pretrain(tokenizer, steps=None, budget="3s")
    lines = [line for line in run.metrics() if "loss" in line]
    assert 2.5 < lines[-1]["seconds"] < 6
    assert lines[-1]["lr"] < 0.2 * max(line["lr"] for line in lines)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 3, "budget": "1m"}, "one of --steps, --epochs and --budget"),
        ({"batch_size": 0}, "--batch-size is 0"),
        ({"steps": None, "budget": "soon"}, "write it like 90s, 10m or 2h"),
        ({"seq_len": 100_000}, "longer than the model's context"),
        ({"preset": "cpu-2n"}, "Did you mean 'cpu-2m'"),
        ({"set": {"hiden_size": 64}}, "Did you mean 'hidden_size'"),
    ],
)
def test_mistakes_are_one_sentence(tokenizer, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        pretrain(tokenizer, **changes)


def test_no_data_no_model_unknown_names():
    with pytest.raises(UserError, match="give `fledge train pretrain` files with --data"):
        run_job("pretrain", job_config("pretrain"))
    with pytest.raises(UserError, match="starts from a trained model"):
        run_job("sft", job_config("sft", data=["x.jsonl"]))
    with pytest.raises(UserError, match="Did you mean 'pretrain'"):
        job_config("pretrian")
    with pytest.raises(UserError, match="Did you mean 'batch_size'"):
        job_config("pretrain", batchsize=3)


def test_tokenizer_of_another_model_is_refused(tokenizer, tmp_path):
    pretrain(tokenizer, run="small-vocab")
    Tokenizer.train(TEXTS + [f"word{i % 7}{chr(97 + i % 26)} " * 3 for i in range(200)], 400).save(tmp_path / "big")
    config = job_config("pretrain", model="small-vocab", tokenizer=str(tmp_path / "big"), steps=1)
    with pytest.raises(UserError, match="they do not belong together"):
        run_job("pretrain", config, Material(TEXTS))


def test_divergence_stops_with_advice(tokenizer, monkeypatch):
    monkeypatch.setattr(due.Due, "validation", lambda *_: False)
    with pytest.raises(UserError, match="the loss became nan at step"):
        pretrain(tokenizer, lr=1e30, embed_lr=1e30, head_lr=1e30, norm_lr=1e30, warmup=0.0, grad_clip=0.0)


def test_durations():
    assert [parse_duration(t) for t in ("90s", "10m", "1.5h", "30")] == [90, 600, 5400, 30]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_follows_the_fp32_curve(tokenizer, precision):
    exact, half = pretrain(tokenizer, steps=10), pretrain(tokenizer, steps=10, precision=precision)
    a, b = ([line["loss"] for line in run.metrics() if "loss" in line] for run in (exact, half))
    assert half.info["precision"] == {"bf16": "bfloat16", "fp16": "float16"}[precision]
    assert a != b and a == pytest.approx(b, rel=0.05) and b[-1] < 0.9 * b[0]


def test_a_mixture_of_experts_trains_and_reports_its_balance(tokenizer):
    shape = {**SHAPE, "model_type": "qwen3_moe", "num_experts": 4, "moe_intermediate_size": 64}
    lines = [line for line in pretrain(tokenizer, steps=20, set=shape).metrics() if "loss" in line]
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]
    assert all(1.9 < line["load_balance"] < 4.1 for line in lines)  # 2 (= k) is even, 4 (= E) is one expert for all


def test_replay_mixes_text_into_fine_tuning_and_resumes(tokenizer):
    rows = [
        {"messages": [{"role": "user", "content": f"cat {i}?"}, {"role": "assistant", "content": "no."}]}
        for i in range(30)
    ]
    main = PackedBatches(
        prepare_rows(rows, Tokenizer.load(tokenizer), kind="chat"), seq_len=48, batch_size=2, pad_id=0, crop=False
    )
    text = PackedBatches(
        prepare_rows(TEXTS, Tokenizer.load(tokenizer), kind="text"), seq_len=48, batch_size=2, pad_id=0, crop=True
    )
    mixture = Mixture(main, text, 0.25)
    replayed = [
        bool((next(mixture).targets_BT >= 0).float().mean() > 0.9) for _ in range(20)
    ]  # text: every token is a target
    assert replayed == [False, False, False, True] * 5
    state = json.loads(json.dumps(mixture.state_dict()))
    expected = [next(mixture).inputs_BT.tolist() for _ in range(6)]
    mixture.load_state_dict(state)
    assert [next(mixture).inputs_BT.tolist() for _ in range(6)] == expected


@pytest.mark.parametrize(("preparing", "left"), [(12.0, 48.0), (55.0, 30.0)])
def test_preparing_is_taken_from_the_budget_and_training_keeps_half(tokenizer, monkeypatch, capsys, preparing, left):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    trained = []

    def stop(objective, config, run, *_):
        trained.append((config.seconds(), run.info["config"]["budget"], run.info["plan"]["predicted_seconds"]))
        raise UserError("enough")

    monkeypatch.setattr(runner, "fit", stop)
    for seconds, resume in ((preparing, False), (1.0, True)):
        clock = iter([100.0, 100.0 + seconds])
        monkeypatch.setattr(runner, "time", SimpleNamespace(perf_counter=lambda: next(clock)))  # noqa: B023
        with pytest.raises(UserError, match="enough"):
            pretrain(tokenizer, steps=None, budget="1m", run="prepared", resume=resume)
        assert f"1m, of which {preparing:.0f} s went into preparing" in " ".join(capsys.readouterr().out.split())
    assert trained == [(left, "1m", pytest.approx(left, abs=1))] * 2


def test_a_tokenizer_takes_a_small_part_of_a_budget(tmp_path, monkeypatch):
    file = tmp_path / "long.txt"
    file.write_text("the cat sat. " * 100_000, encoding="utf-8")
    seen = []

    def train(texts, vocab_size):
        seen.append(sum(map(len, texts)))
        raise UserError("enough")

    monkeypatch.setattr(Tokenizer, "train", train)
    for budget, most in (("1h", 1_300_000), ("6s", 0.1 * 6 / material.TOKENIZER_SECONDS)):
        with pytest.raises(UserError, match="enough"):
            run_job("pretrain", job_config("pretrain", data=[str(file)], budget=budget, preset="cpu-2m"))
        assert 0.7 * most <= seen[-1] <= most


def test_a_tokenizer_sees_an_even_part_of_a_long_corpus_and_nothing_that_is_held_out(tmp_path, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"row {n} of many"}) + "\n" for n in range(100)), encoding="utf-8")
    one = tmp_path / "one.txt"
    one.write_text("".join(f"{n:05}" for n in range(2000)), encoding="utf-8")
    seen = {}

    def train(texts, vocab_size):
        seen["texts"] = list(texts)
        raise UserError("enough")

    monkeypatch.setattr(Tokenizer, "train", train)
    monkeypatch.setattr(material, "PIECE", 100)
    for limit, file, count, last in ((10**6, rows, 100, "row 99 of many"), (500, rows, 34, "row 99 of many")):
        monkeypatch.setattr(material, "TOKENIZER_BYTES", limit)
        with pytest.raises(UserError, match="enough"):
            run_job("pretrain", job_config("pretrain", data=[str(file)], steps=1))
        assert len(seen["texts"]) == count and seen["texts"][-1] == last
    two = [tmp_path / "english.txt", tmp_path / "chinese.txt"]
    for path, word in zip(two, ("cat ", "猫")):
        path.write_text(word * 1000, encoding="utf-8")
    monkeypatch.setattr(material, "TOKENIZER_BYTES", 2500)
    with pytest.raises(UserError, match="enough"):
        run_job("pretrain", job_config("pretrain", data=[str(path) for path in two], steps=1))
    assert {"cat", "猫猫"} == {text[:3].strip()[:3] if "cat" in text else text[:2] for text in seen["texts"]}
    for limit, parts in ((10**6, 1), (2500, 23)):
        monkeypatch.setattr(material, "TOKENIZER_BYTES", limit)
        with pytest.raises(UserError, match="enough"):
            run_job("pretrain", job_config("pretrain", data=[str(one)], steps=1))
        assert len(seen["texts"]) == parts
        assert all(text[-5:] < "01800" for text in seen["texts"])  # the last tenth is for validation
