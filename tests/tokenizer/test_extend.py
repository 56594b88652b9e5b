"""A tokenizer with more tokens: nothing old changes, and what is new is the old glued together."""

from __future__ import annotations

import json

import pytest
import tokenizers
import torch

from fledge.cli import main
from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer
from fledge.tokenizer.extend import extend
from tests.interop.nasty import NASTY

CHINESE = ["小明住在海边的房子里，他喜欢吃苹果。", "小红住在山上的房子里，她喜欢吃香蕉。", "他们的房子里有很多书。"] * 5
ENGLISH = ["The cat sat on the mat, and the dog sat on the log.", "She has three apples and he has four books."] * 20


def behind(tokenizer: Tokenizer) -> Tokenizer:
    """The same with its added tokens behind the vocabulary and not in it, as Qwen's are."""
    content = json.loads(tokenizer.core.to_str())
    added = [token["content"] for token in content["added_tokens"]]
    kept = sorted(set(content["model"]["vocab"]) - set(added), key=content["model"]["vocab"].__getitem__)
    content["model"]["vocab"] = {token: id for id, token in enumerate(kept)}
    for number, token in enumerate(content["added_tokens"]):
        token["id"] = len(kept) + number
    core = tokenizers.Tokenizer.from_str(json.dumps(content))
    return Tokenizer(core, tokenizer.config, tokenizer.chat_template)


@pytest.fixture(params=["in the vocabulary", "behind it"])
def old(request) -> Tokenizer:
    tokenizer = Tokenizer.train(ENGLISH, 330)
    return tokenizer if request.param == "in the vocabulary" else behind(tokenizer)


def written(ids: list[int], pieces: dict[int, list[int]]) -> list[int]:
    return [part for id in ids for part in pieces.get(id, [id])]


def test_old_ids_stay_and_new_tokens_are_old_ones_glued(old):
    new, pieces = extend(old, CHINESE, 60)
    assert list(pieces) == list(range(old.vocab_size, old.vocab_size + 60)) and new.vocab_size == old.vocab_size + 60
    assert {token: id for token, id in new.vocabulary().items() if id < old.vocab_size} == old.vocabulary()
    assert (new.im_end_id, new.endoftext_id) == (old.im_end_id, old.endoftext_id)
    for text in [*CHINESE[:3], *ENGLISH[:2], *NASTY]:
        ids = new.encode(text)
        assert new.decode(ids) == text and written(ids, pieces) == old.encode(text)
    for text in ENGLISH[:2]:  # no new pair in it
        assert new.encode(text) == old.encode(text)
    assert len(new.encode(CHINESE[0])) < len(old.encode(CHINESE[0])) / 2
    talk = [{"role": "user", "content": "他们的房子"}]
    assert written(new.prompt_ids(talk), pieces) == old.prompt_ids(talk)


def test_it_stops_where_no_pair_comes_twice(old):
    new, pieces = extend(old, ["海边 海边"], 100)
    assert 0 < len(pieces) < 10 and new.decode(new.encode("海边")) == "海边"
    with pytest.raises(UserError, match="no new token comes of this text"):
        extend(old, ["q"], 100)


@pytest.fixture
def folder(old, tmp_path):
    torch.manual_seed(0)
    for tied in (True, False):
        shape = dict(
            hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1
        )
        model = Transformer(ModelConfig(vocab_size=old.vocab_size + 7, tie_word_embeddings=tied, **shape))
        save_model(model, tmp_path / f"tied-{tied}")
        old.save(tmp_path / f"tied-{tied}")
    (tmp_path / "zh.txt").write_text("\n".join(CHINESE), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("tied", [True, False])
def test_the_command_writes_a_model_with_grown_tables(tied, folder, old, capsys):
    base, out = folder / f"tied-{tied}", folder / "new"
    words = ["tokenizer", "extend", str(base), "--data", str(folder / "zh.txt"), "--add", "50", "--out", str(out)]
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["added"] == 50 and said["bytes_per_token"][1] > 2 * said["bytes_per_token"][0]
    before, after, tokenizer = load_model(base), load_model(out), Tokenizer.load(out)
    size = old.vocab_size + 50
    assert tokenizer.vocab_size == after.config.vocab_size == size == after.lm_head.weight.shape[0]
    pieces = extend(old, ["\n".join(CHINESE)], 50)[1]
    for name in ("model.embed_tokens", "lm_head"):
        rows, new = before.get_submodule(name).weight, after.get_submodule(name).weight
        assert torch.equal(new[: old.vocab_size], rows[: old.vocab_size])
        for id, parts in pieces.items():
            assert torch.allclose(new[id], rows[parts].mean(0))
    ids = torch.tensor([old.encode(ENGLISH[0])])
    known = slice(old.vocab_size)
    assert torch.equal(before(ids)[..., known], after(ids)[..., known])  # the model is the same
    assert main([*words[:-1], str(folder / "again")]) == 0
    assert f"fledge train pretrain --model {(folder / 'again').as_posix()}" in capsys.readouterr().out


@pytest.mark.slow  # transformers
def test_transformers_reads_the_new_folder(folder, old):
    transformers = pytest.importorskip("transformers")
    out = folder / "new"
    words = ["tokenizer", "extend", str(folder / "tied-True"), "--data", str(folder / "zh.txt"), "--add", "50"]
    assert main([*words, "--out", str(out), "--json"]) == 0
    theirs, ours = transformers.AutoTokenizer.from_pretrained(out), Tokenizer.load(out)
    for text in [*CHINESE[:3], *ENGLISH[:2], *NASTY]:
        assert theirs.encode(text, add_special_tokens=False) == ours.encode(text, special=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    ids = torch.tensor([ours.encode(CHINESE[0])])
    with torch.no_grad():
        assert torch.allclose(model(ids).logits, load_model(out)(ids), atol=1e-5)


def test_what_cannot_be_extended(folder, capsys):
    base, data = str(folder / "tied-True"), str(folder / "zh.txt")
    (folder / "one.txt").write_text("q", encoding="utf-8")
    for words, said in (
        ([base, "--data", data, "--out", base], "is there already: name a new or empty folder with --out"),
        ([base, "--data", data, "--out", str(folder / "o"), "--add", "0"], "--add is 0; it must be at least 1"),
        ([base, "--data", str(folder / "one.txt"), "--out", str(folder / "o")], "no new token comes of this text"),
        (["nobody", "--data", data, "--out", str(folder / "o")], "no run 'nobody'"),
    ):
        assert main(["tokenizer", "extend", *words]) == 2
        error = capsys.readouterr().err.strip()
        assert said in error and "\n" not in error
    assert not (folder / "o").exists()
