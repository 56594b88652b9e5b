"""MiniMind's .pth files of both generations: the same weights in and out, and one sentence for every file that is none."""

from __future__ import annotations

import json
import os
import pickle
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import fledge
from fledge.cli import main
from fledge.errors import UserError
from fledge.interop.minimind.folder import pth_folder
from fledge.interop.minimind.pth import minimind_config, read_pth, write_pth
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.presets import preset
from fledge.model.source import find_model
from fledge.model.transformer import Transformer

VOCAB = 320
TEXT = "".join(f"the {a} cat sat on {b} mats. 猫坐在{b}张垫子上。\n" for a in ("red", "blue") for b in range(30))
KINDS = {"v2": ("v2", False), "v3": ("v3", False), "v3 moe": ("v3", True)}
# Their two templates in short: v3 writes a think block in every answer, v2.5 only offers an empty one to answer after.
TURNS = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + THINK m.content + '<|im_end|>\\n' }}{% endfor %}"
PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}ASK{% endif %}"
EMPTY = "'<think>\\n\\n</think>\\n\\n'"
TEMPLATES = {
    "v2": TURNS.replace("THINK", "")
    + PROMPT.replace("ASK", "{% if enable_thinking is false %}{{ " + EMPTY + " }}{% endif %}"),
    "v3": TURNS.replace("THINK", f"({EMPTY} if m.role == 'assistant' else '') +")
    + PROMPT.replace("ASK", "{% if open_thinking %}{{ '<think>\\n' }}{% else %}{{ " + EMPTY + " }}{% endif %}"),
}


def config(kind: str, **changes) -> ModelConfig:
    generation, moe = KINDS[kind]
    return minimind_config(generation, 64, 2, moe, **{"vocab_size": VOCAB, **changes})


def random_model(shape: ModelConfig) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(shape).eval()
    for parameter in model.parameters():  # no zeros or ones: a forgotten tensor must show
        torch.nn.init.normal_(parameter, 0.1, 0.3)
        parameter.data = parameter.data.half().float()  # what fp16 can hold
    return model


def minimind_saves(model: Transformer, **more) -> dict:
    """What MiniMind's trainers save of a model."""
    return {name: tensor.detach().half() for name, tensor in model.state_dict().items()} | more


def tokenizer_files(folder, generation="v3", size=VOCAB) -> None:
    """A small tokenizer in the form of MiniMind's: byte-level, GPT-2's split, its special tokens first."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    if generation == "v3":
        special += [f"<|buffer{i}|>" for i in range(31)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet)
    )
    if generation == "v3":
        core.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    folder.mkdir(parents=True, exist_ok=True)
    core.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    settings["chat_template"] = TEMPLATES[generation]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder in the form of MiniMind's: `out/` for weights, `model/` with the tokenizer; the working directory."""
    (tmp_path / "out").mkdir()
    tokenizer_files(tmp_path / "model", size=VOCAB - 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- shapes and weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("minimind-3", ("v3", 768)),
        ("minimind-3-moe", ("v3", 768, 8, True)),
        ("minimind2-small", ("v2", 512)),
        ("minimind2", ("v2", 768, 16)),
    ],
)
def test_its_sizes_are_those_that_it_published(name, arguments):
    assert minimind_config(*arguments) == preset(name)


@pytest.mark.parametrize("before", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("resume", [False, True])
def test_names_of_a_wrapped_model_are_those_of_the_model(before, resume, tmp_path):
    """DistributedDataParallel and torch.compile put their own name before every tensor's."""
    model = random_model(config("v3"))
    saved = {before + name: tensor for name, tensor in minimind_saves(model).items()}
    torch.save({"model": saved, "epoch": 0} if resume else saved, tmp_path / "pretrain_64.pth")
    shape, tensors = read_pth(tmp_path / "pretrain_64.pth")
    assert shape == model.config
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_back_shape_and_weights(kind, tmp_path):
    model = random_model(config(kind))
    torch.save(minimind_saves(model), tmp_path / "pretrain_64.pth")
    shape, tensors = read_pth(tmp_path / "pretrain_64.pth")
    assert shape == model.config
    expected = {name: tensor for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) and tensors[name].dtype == torch.float32 for name in tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_minimind_writes(kind, tmp_path):
    model = random_model(config(kind))
    write_pth(model, tmp_path / "out" / "full_sft_64.pth")
    written, theirs = torch.load(tmp_path / "out" / "full_sft_64.pth", weights_only=True), minimind_saves(model)
    assert written.keys() == theirs.keys() and "lm_head.weight" in written
    assert all(torch.equal(written[name], theirs[name]) and written[name].dtype == torch.float16 for name in theirs)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["full_sft_64.pth"]


def test_resume_files_tables_and_an_untied_head(tmp_path):
    model = random_model(config("v3"))
    resume = {"model": minimind_saves(model), "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}, "step": 3}
    torch.save(resume | {"wandb_id": None}, tmp_path / "a_resume.pth")
    torch.save(
        minimind_saves(model, **{"model.freqs_cos": torch.zeros(9), "freqs_sin": torch.zeros(9)}), tmp_path / "b.pth"
    )
    assert read_pth(tmp_path / "a_resume.pth")[0] == read_pth(tmp_path / "b.pth")[0] == model.config
    untied = random_model(config("v3", tie_word_embeddings=False))
    write_pth(untied, tmp_path / "c.pth")
    shape, tensors = read_pth(tmp_path / "c.pth")
    assert shape == untied.config and torch.equal(tensors["lm_head.weight"], untied.lm_head.weight)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
def test_the_names_that_torch_s_wrappers_give(prefix, tmp_path):
    """Of a model that was compiled, or trained on several cards."""
    model = random_model(config("v3"))
    torch.save({prefix + name: tensor for name, tensor in minimind_saves(model).items()}, tmp_path / "a.pth")
    shape, tensors = read_pth(tmp_path / "a.pth")
    assert shape == model.config and torch.equal(tensors["model.norm.weight"], model.model.norm.weight)
    both = minimind_saves(model) | {f"{prefix}model.norm.weight": torch.zeros(64)}
    torch.save(both, tmp_path / "both.pth")  # whose is it then?
    assert f"tensor '{prefix}model.norm.weight' has no place" in refused(tmp_path / "both.pth")


def test_a_folder_with_wrapped_names_loads_too(tmp_path):
    model = random_model(config("v3"))
    save_model(model, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({f"_orig_mod.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"rope_theta": 1e4}, "rope_theta 1000000.0, and this one has 10000.0"),
        ({"rms_norm_eps": 1e-5}, "rms_norm_eps 1e-06, and this one has 1e-05"),
        ({"model_type": "mistral"}, "model_type llama, and this one has mistral"),
        ({"model_type": "llama", "num_attention_heads": 4, "rms_norm_eps": 1e-5}, "num_attention_heads 8, and this one has 4"),
    ],
)  # fmt: skip
def test_a_model_that_a_file_cannot_describe_is_not_written(changes, said, tmp_path):
    with pytest.raises(UserError, match=said):
        write_pth(Transformer(config("v3", **changes)), tmp_path / "a.pth")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    model = random_model(config("v2"))
    write_pth(model, tmp_path / "a.pth")
    before = (tmp_path / "a.pth").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"a.pth' cannot be written .*No space left"):
        write_pth(Transformer(model.config), tmp_path / "a.pth")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.pth", before)]
    with pytest.raises(UserError, match="cannot be written"):  # its folder is a file
        write_pth(model, tmp_path / "a.pth" / "b.pth")


# -- a .pth as a model -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_pth_is_a_model_for_every_verb(kind, clone):
    model = random_model(config(kind))
    tokenizer_files(clone / "model", KINDS[kind][0], VOCAB - 2)
    write_pth(model, clone / "out" / "full_sft_64.pth")
    ids = torch.arange(60).view(2, 30)
    with torch.no_grad():
        assert torch.allclose(fledge.load("out/full_sft_64.pth").model(ids), model(ids), atol=1e-5)
    assert main(["generate", "out/full_sft_64.pth", "the cat", "--max-new-tokens", "3", "--device", "cpu"]) == 0
    assert main(["export", "hf", "out/full_sft_64.pth", "--out", "hf", "--no-check"]) == 0
    assert ModelConfig.load("hf") == model.config
    folder = find_model("out/full_sft_64.pth")
    assert folder == find_model(clone / "out" / "full_sft_64.pth")  # made once
    write_pth(Transformer(model.config).init_weights(1), clone / "out" / "full_sft_64.pth")
    assert find_model("out/full_sft_64.pth") != folder  # new weights under the old name
    assert torch.equal(load_model(folder).lm_head.weight, model.lm_head.weight)


@pytest.mark.parametrize("generation", ["v2", "v3"])
def test_it_is_asked_as_it_was_trained(generation, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer_files(tmp_path, generation)
    ours, theirs = fledge.tokenizer.Tokenizer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    talk = [{"role": "user", "content": "the red cat? 猫"}, {"role": "assistant", "content": "on 9 mats. 猫坐在垫子上"}]
    prompt = theirs.apply_chat_template(talk[:1], add_generation_prompt=True, tokenize=False)
    ids, mask = ours.render_ids(talk)
    assert ours.prompt_ids(talk[:1]) == theirs.encode(prompt, add_special_tokens=False)
    assert ids == theirs.encode(theirs.apply_chat_template(talk, tokenize=False), add_special_tokens=False)
    assert ids[: len(ours.prompt_ids(talk[:1]))] == ours.prompt_ids(talk[:1])
    learnt = [id for id, learn in zip(ids, mask) if learn]
    assert ours.decode(learnt, skip_special=False) == "on 9 mats. 猫坐在垫子上<|im_end|>"


def test_training_goes_on_from_a_pth(clone):
    write_pth(random_model(config("v3")), clone / "out" / "pretrain_64.pth")
    settings = {"steps": 1, "seq_len": 32, "batch_size": 2, "device": "cpu", "precision": "fp32"}
    run = fledge.train("pretrain", model="out/pretrain_64.pth", rows=[TEXT], **settings)
    assert load_model(run.model_dir).config == config("v3")


def test_the_tokenizer_beside_the_file_comes_first(clone):
    write_pth(random_model(config("v3")), clone / "out" / "a_64.pth")
    in_model = fledge.load("out/a_64.pth").tokenizer.vocab_size
    tokenizer_files(clone / "out", size=VOCAB - 20)
    assert fledge.load("out/a_64.pth").tokenizer.vocab_size == in_model - 18


# -- files that are no models ------------------------------------------------------------------------------------------


def refused(path) -> str:
    with pytest.raises(UserError) as error, warnings.catch_warnings():
        warnings.simplefilter("error")
        read_pth(path)
    assert "\n" not in str(error.value)
    return str(error.value)


class WantsCode:
    ran = False

    def __reduce__(self):
        return setattr, (WantsCode, "ran", True)


def test_a_pickle_that_wants_code_is_not_run(tmp_path):
    torch.save({"model.embed_tokens.weight": WantsCode()}, tmp_path / "zip.pth")
    torch.save({"a": WantsCode()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    for name in ("zip", "old", "module"):
        assert "refused: loading it would run code in it" in refused(tmp_path / f"{name}.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps({"a": WantsCode()}))
    assert "damaged, or no file of PyTorch weights" in refused(tmp_path / "raw.pth")
    assert not WantsCode.ran


@pytest.mark.parametrize("keep", [0, 100, -700])
def test_a_truncated_file(keep, tmp_path):
    write_pth(random_model(config("v3")), tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:keep])
    assert "cut.pth is damaged, or no file of PyTorch weights; copy or train it again" in refused(tmp_path / "cut.pth")


def changed(change) -> dict:
    tensors = minimind_saves(random_model(config("v3")))
    change(tensors)
    return tensors


@pytest.mark.parametrize(
    "content, said",
    [
        ({"model.layers.0.self_attn.q_proj.lora.A.weight": torch.zeros(8, 64)}, "holds only the LoRA weights"),
        ({"weight": torch.zeros(3)}, "holds no MiniMind model: it has no tensor 'model.embed_tokens.weight'"),
        ({}, "holds no MiniMind model"),
        ({"state": {0: torch.zeros(3)}}, "holds no weights of a model, but a dict"),
        ([torch.zeros(3)], "holds no weights of a model, but a list"),
        (changed(lambda t: t.pop("model.norm.weight")), "'model.norm.weight' is missing, so this is no whole model"),
        (changed(lambda t: t.pop("model.layers.1.self_attn.q_norm.weight")), "layers.1.self_attn.q_norm.weight' is missing"),
        (changed(lambda t: t.update({"model.vision_proj.weight": torch.zeros(2)})), "'model.vision_proj.weight' has no place"),
        (changed(lambda t: t.update({"model.layers.1.mlp.up_proj.weight": torch.zeros(9, 64)})), "has shape [9, 64]"),
        (changed(lambda t: t["model.norm.weight"].fill_(float("nan"))), "'model.norm.weight' holds nan or infinity"),
        (
            changed(lambda t: t.update({"model.layers.0.mlp.shared_experts.0.up_proj.weight": torch.zeros(2)})),
            "mixture of experts of MiniMind v2.5 has a shared expert",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_whole_minimind_model(content, said, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    assert said in refused(tmp_path / "a.pth")


def test_a_name_that_is_not_there_lists_those_that_are(clone, capsys):
    write_pth(random_model(config("v2")), clone / "out" / "full_sft_64.pth")
    for name in ("out/full_sft_512.pth", "full_sft_512.pth", "out/full_sft_64"):
        assert main(["generate", name, "x"]) == 2
        error = capsys.readouterr().err
        assert "there is no file" in error and "in 'out' there are full_sft_64.pth" in error, error
    (clone / "out" / "full_sft_64.pth").unlink()
    assert refused("out/a.pth").endswith("and no .pth file in 'out'.")


def test_the_tokenizer_of_the_other_generation_is_not_taken(clone):
    """Both have 6400 tokens: nothing but noise would tell."""
    for generation, other in (("v2", "v3"), ("v3", "v2")):
        tokenizer_files(clone / "model", other, 6400)
        path = clone / "model" / "tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        assert len(content["added_tokens"]) == {"v2": 3, "v3": 36}[other]
        write_pth(Transformer(config(generation, vocab_size=6400)), clone / "out" / "a_64.pth")
        with pytest.raises(
            UserError, match=f"put the tokenizer.json.*is that of MiniMind {'v3' if other == 'v3' else 'v2.5'}"
        ):
            pth_folder("out/a_64.pth")


def test_a_pth_without_a_tokenizer_says_where_to_put_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pth(Transformer(config("v3")), tmp_path / "out" / "a_64.pth")
    with pytest.raises(
        UserError, match=r"there is no tokenizer for .*a_64.pth: put the tokenizer.json and tokenizer_config.json"
    ):
        pth_folder("out/a_64.pth")
    tokenizer_files(tmp_path / "model", size=VOCAB + 50)
    with pytest.raises(UserError, match=f"tokens, and the weights are for {VOCAB}"):
        pth_folder("out/a_64.pth")
