"""`fledge.load` and `fledge.train`, and the command line on top of them: recipes, --set, --json, --resume."""

from __future__ import annotations

import json
import math

import pytest
import torch

import fledge
from fledge.cli import main
from fledge.errors import UserError
from fledge.model.folder import load_model
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training import loop

TEXTS = [f"the {a} cat sat on {b} mats. 猫坐在{b}张垫子上。" for a in ("red", "blue", "old") for b in range(30)]
SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}
SMALL = {"steps": 12, "seq_len": 48, "batch_size": 4, "precision": "fp32", "device": "cpu", "set": SHAPE}
FLAGS = ["--steps", "12", "--seq-len", "48", "--batch-size", "4", "--precision", "fp32", "--device", "cpu"]
SET = ["--set", *(f"{key}={value}" for key, value in SHAPE.items())]
CHAT = [{"role": "user", "content": "where is the cat?"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder, trained from a file."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEDGE_RUNS", str(folder / "runs"))
        patch.setenv("FLEDGE_CACHE", str(folder / "cache"))
        (folder / "cats.txt").write_text("\n".join(TEXTS), encoding="utf-8")
        run = fledge.train("pretrain", data=[str(folder / "cats.txt")], **SMALL | {"steps": 40}, run="cats")
    assert run.info["status"] == "done" and run.info["config"]["steps"] == 40
    assert run.metrics()[-1]["val_bpb"] < 0.7 * run.metrics()[0]["val_bpb"]
    return run.model_dir


@pytest.fixture
def lm(model):
    return fledge.load(model, device="cpu")


@pytest.fixture
def cats(tmp_path, monkeypatch):
    """The name of a text file in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return "cats.txt"


def weights(run: str) -> dict[str, torch.Tensor]:
    return load_model(Run.open(run).model_dir).state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -- load ----------------------------------------------------------------------------------------------------------------


def test_a_model_is_named_by_its_run_or_its_folder(model, monkeypatch):
    monkeypatch.setenv("FLEDGE_RUNS", str(model.parent.parent))
    found = [fledge.load(source, device="cpu").model.state_dict() for source in ("cats", model.parent, str(model))]
    assert same(found[0], found[1]) and same(found[0], found[2])
    with pytest.raises(UserError, match=r"no run 'cast'.*Did you mean 'cats'"):
        fledge.load("cast")
    with pytest.raises(UserError, match=r"no config\.json"):
        fledge.load(model.parent.parent)


def test_the_model_is_a_module_from_ids_to_logits(lm):
    ids = torch.tensor([lm.prompt("the red cat")])
    logits = lm.model(ids)
    assert isinstance(lm.model, torch.nn.Module) and logits.dtype == torch.float32
    assert logits.shape == (*ids.shape, lm.tokenizer.vocab_size)


def test_a_score_is_the_sum_over_the_tokens(lm):
    text = "the blue cat sat on 3 mats. 猫坐在3张垫子上。"
    ids = torch.tensor([lm.prompt(text)])
    with torch.no_grad():
        logprobs = lm.model(ids).log_softmax(-1)[0, :-1]
    score = lm.score(text)
    assert score.nats == pytest.approx(-logprobs.gather(1, ids[0, 1:, None]).sum().item(), rel=1e-4)
    assert (score.tokens, score.bytes) == (ids.shape[1] - 1, len(text.encode("utf-8")))
    assert score.bpb == pytest.approx(score.nats / math.log(2) / score.bytes)
    assert score.bpb < lm.score(text[::-1]).bpb, "what it was trained on surprises it less"
    with pytest.raises(UserError, match="no text to score"):
        lm.score("")


def test_generate_is_the_most_probable_token_again_and_again(lm):
    ids = lm.prompt("the red cat")
    begun = len(ids)
    with torch.no_grad():
        while len(ids) < begun + 8:
            ids.append(int(lm.model(torch.tensor([ids]))[0, -1].argmax()))
    assert lm.generate("the red cat", temperature=0, max_new_tokens=8) == lm.tokenizer.decode(ids[begun:])


@pytest.mark.parametrize("prompt", ["the red cat", CHAT])
def test_a_stream_joined_is_what_generate_gives(lm, prompt):
    asked = {"temperature": 1.0, "seed": 3, "max_new_tokens": 12}
    pieces = list(lm.stream(prompt, **asked))
    assert "".join(pieces) == lm.generate(prompt, **asked) and len(pieces) > 1


def test_several_prompts_are_completed_in_one_batch(lm):
    prompts = ["the red cat", CHAT, "猫"]
    found = lm.complete(prompts, temperature=0, max_new_tokens=6)
    assert [c.text for c in found] == [lm.generate(p, temperature=0, max_new_tokens=6) for p in prompts]
    assert all(len(c.ids) == len(c.logprobs) and max(c.logprobs) <= 0 for c in found)


def test_a_list_of_messages_goes_through_the_chat_template(lm):
    rendered = lm.tokenizer.render(CHAT, add_generation_prompt=True)
    assert lm.prompt(CHAT) == lm.tokenizer.encode(rendered, special=True) != lm.prompt(rendered)


def test_a_saved_model_is_the_model(lm, tmp_path):
    lm.save(tmp_path / "copy")
    again = fledge.load(tmp_path / "copy", device="cpu")
    assert same(lm.model.state_dict(), again.model.state_dict())
    assert again.generate(CHAT, temperature=0, max_new_tokens=5) == lm.generate(CHAT, temperature=0, max_new_tokens=5)


# -- train ---------------------------------------------------------------------------------------------------------------


def test_rows_in_memory(model):
    seen = {"rows": TEXTS[:80], "val_rows": [{"text": text} for text in TEXTS[80:]], "tokenizer": str(model)}
    run = fledge.train("pretrain", **seen, landmarks={"floor": 0.5}, **SMALL)
    assert run.info["landmarks"]["floor"] == 0.5
    assert run.info["data"]["train"]["examples"] == 80 and run.info["data"]["val"]["examples"] == 10
    rows = [{"messages": [*CHAT, {"role": "assistant", "content": text}]} for text in TEXTS]
    tuned = fledge.train(
        "sft",
        rows=rows,
        replay_rows=TEXTS,
        model=run.name,
        **{k: v for k, v in SMALL.items() if k != "set"} | {"steps": 4},
    )
    assert tuned.info["job"] == "sft" and (tuned.model_dir / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "nothing to train on"),
        ({"rows": TEXTS}, "rows in memory need a tokenizer"),
        ({"rows": TEXTS, "data": ["a.txt"]}, "rows in memory, or files .*, not both"),
        ({"data": ["a.txt"], "val_rows": TEXTS}, "val_rows, replay_rows and landmarks go with rows"),
        ({"rows": TEXTS, "stps": 3}, "The job 'pretrain' has no setting 'stps'. Did you mean 'steps'"),
        ({"rows": TEXTS, "steps": "many"}, "--steps must be a whole number, not 'many'"),
    ],
)
def test_mistakes_are_one_sentence(config, sentence):
    with pytest.raises(UserError, match=sentence):
        fledge.train("pretrain", **config)


# -- the command line ----------------------------------------------------------------------------------------------------


def test_json_is_all_that_stands_on_stdout(cats, capsys):
    assert main(["train", "pretrain", "--data", cats, "--run", "mine", "--json", *FLAGS, *SET]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["run"], report["step"]) == ("mine", 12) and report["val_bpb"] > 0
    assert (Run.open("mine").model_dir / "config.json").is_file() and "run mine" in err


def test_flags_win_over_the_recipe_and_the_recipe_over_the_defaults(cats, tmp_path):
    recipe = f"data: {cats}\nbudget: 9m\nlr: 1e-3\nseq-len: 48\nbatch_size: 4\ncompile: off\nset:\n  hidden_size: 64\n"
    recipe += "  intermediate_size: 64\n  rope_theta: 1e5\n  num_hidden_layers: 2\n"
    (tmp_path / "cats.yaml").write_text(recipe, encoding="utf-8")
    words = [
        "--recipe",
        "cats.yaml",
        "--run",
        "mine",
        "--steps",
        "2",
        "--batch-size",
        "3",
        "--set",
        "num_hidden_layers=1",
    ]
    assert main(["train", "pretrain", *words, "--device", "cpu"]) == 0
    run = Run.open("mine")
    wanted = {"data": [cats], "steps": 2, "budget": None, "lr": 1e-3, "batch_size": 3, "seq_len": 48, "compile": "off"}
    assert {key: run.info["config"][key] for key in wanted} == wanted
    shape = {"hidden_size": 64, "rope_theta": 1e5, "num_hidden_layers": 1}
    assert {key: run.info["model"][key] for key in shape} == shape and run.info["config"]["weight_decay"] == 0.1


def test_ctrl_c_says_how_to_go_on_and_going_on_ends_in_the_same_weights(cats, monkeypatch, capsys):
    words = ["train", "pretrain", "--data", cats, *FLAGS, *SET]
    assert main([*words, "--run", "whole"]) == 0
    draw = loop.Fit._draw

    def interrupt(self):
        if self.step == 7:
            raise KeyboardInterrupt
        return draw(self)

    monkeypatch.setattr(loop.Fit, "_draw", interrupt)
    assert main([*words, "--run", "whole"]) == 130  # that name is taken, so the run gets another
    said = capsys.readouterr().err
    assert "stopped and saved. To go on: fledge train pretrain --run whole-2 --resume" in said
    assert Run.open("whole-2").info["status"] == "stopped" and not Run.open("whole-2").model_dir.exists()
    before = (Run.open("whole-2").path / "run.json").read_bytes()
    for changed, sentence in (
        (["--lr", "0.5"], "was started with --lr"),
        (["--set", "num_hidden_layers=2"], "was started with --set"),
        (["--data", cats, cats], "was started with --data"),
    ):
        assert main(["train", "pretrain", "--run", "whole-2", "--resume", *changed]) == 2
        assert sentence in capsys.readouterr().err
        assert (Run.open("whole-2").path / "run.json").read_bytes() == before
    monkeypatch.setattr(loop.Fit, "_draw", draw)
    assert main(said.rpartition("To go on: fledge ")[2].split()) == 0
    assert same(weights("whole"), weights("whole-2"))
    run = Run.open("whole-2")
    assert run.info["status"] == "done" and [m["step"] for m in run.metrics() if "loss" in m] == list(range(1, 13))


def test_data_that_changed_meanwhile_is_refused_and_the_run_kept(cats, tmp_path, capsys):
    assert main(["train", "pretrain", "--data", cats, "--run", "mine", *FLAGS, *SET, "--save-every", "6"]) == 0
    run = Run.open("mine")
    kept = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    (tmp_path / cats).write_text("\n".join(TEXTS[:-1]), encoding="utf-8")
    assert main(["train", "pretrain", "--run", "mine", "--resume", "--steps", "20"]) == 2
    assert "the data have changed since it began" in capsys.readouterr().err
    assert kept == {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_ctrl_c_before_the_run_exists_promises_nothing(cats, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tokenizer, "train", interrupt)
    assert main(["train", "pretrain", "--data", cats, *FLAGS, *SET]) == 130
    assert "saved" not in capsys.readouterr().err
