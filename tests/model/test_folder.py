"""Model folders keep what they say about sampling and about the end of an answer, and the dtype that they are loaded in."""

from __future__ import annotations

import json

import pytest
import torch

import fledge
from fledge.errors import UserError
from fledge.generate import Generator, Sampling
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tiny(**changes) -> Transformer:
    model = Transformer(ModelConfig(**{"vocab_size": 300, **SHAPE, **changes}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.2, generator=torch.Generator().manual_seed(parameter.numel()))
    return model.eval()


def written(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


LLAMA_3 = {
    "bos_token_id": 10,
    "eos_token_id": [11, 18, 19],
    "do_sample": True,
    "temperature": 0.6,
    "top_p": 0.9,
    "transformers_version": "4.43.0",
}


class TestEndTokens:
    def test_several_are_read_and_written_back(self, tmp_path):
        save_model(tiny(model_type="llama", eos_token_id=[11, 18, 19], bos_token_id=10, pad_token_id=None), tmp_path)
        assert written(tmp_path, "config.json")["eos_token_id"] == [11, 18, 19]
        assert written(tmp_path, "generation_config.json")["eos_token_id"] == [11, 18, 19]
        model = load_model(tmp_path)
        assert model.end_ids == {11, 18, 19}
        save_model(model, tmp_path / "again")
        assert written(tmp_path / "again", "config.json")["eos_token_id"] == [11, 18, 19]

    def test_generation_config_is_read_and_written_back_whole(self, tmp_path):
        """Llama 3 Instruct: config.json of some versions names one end, generation_config.json all of them."""
        save_model(tiny(model_type="llama", eos_token_id=11, bos_token_id=10, pad_token_id=None), tmp_path)
        (tmp_path / "generation_config.json").write_text(json.dumps(LLAMA_3), encoding="utf-8")
        model = load_model(tmp_path)
        assert model.end_ids == {11, 18, 19}
        save_model(model, tmp_path / "again")
        assert written(tmp_path / "again", "generation_config.json") == LLAMA_3

    def test_ours_end_with_the_message_and_with_the_text(self, tmp_path):
        save_model(tiny(eos_token_id=2, bos_token_id=0, pad_token_id=0), tmp_path)
        assert written(tmp_path, "generation_config.json")["eos_token_id"] == [2, 0]

    def test_what_begins_a_foreign_text_does_not_end_one(self, tmp_path):
        save_model(tiny(model_type="llama", eos_token_id=11, bos_token_id=10, pad_token_id=None), tmp_path)
        assert written(tmp_path, "generation_config.json")["eos_token_id"] == [11]

    def test_none_at_all(self, tmp_path):
        save_model(tiny(eos_token_id=None, bos_token_id=None, pad_token_id=None), tmp_path)
        assert load_model(tmp_path).end_ids == frozenset()

    @pytest.mark.parametrize("model_type, ends", [("qwen3", ()), ("llama", (2,)), ("mistral", (2,))])
    def test_what_config_json_leaves_out_is_what_transformers_takes(self, model_type, ends):
        """Not ours: token 2 of a foreign vocabulary may be any word."""
        config = ModelConfig.from_dict({"model_type": model_type, **SHAPE})
        assert config.end_ids == ends
        transformers = pytest.importorskip("transformers")
        theirs = transformers.AutoConfig.for_model(model_type)
        assert (config.bos_token_id, config.eos_token_id) == (theirs.bos_token_id, theirs.eos_token_id)

    def test_transformers_ends_where_we_do(self, tmp_path):
        transformers = pytest.importorskip("transformers")
        save_model(tiny(model_type="llama", eos_token_id=[11, 18, 19], bos_token_id=10, pad_token_id=None), tmp_path)
        config = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).generation_config
        assert config.eos_token_id == [11, 18, 19] and config.temperature == 0.7

    @pytest.mark.parametrize("ends", ["<|eot_id|>", [11, "<|eot_id|>"], [True], 1.5])
    def test_ends_that_are_no_ids_are_refused(self, tmp_path, ends):
        save_model(tiny(), tmp_path)
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}), encoding="utf-8")
        with pytest.raises(UserError, match=r"generation_config\.json.*eos_token_id"):
            load_model(tmp_path)

    def test_a_damaged_generation_config_is_named(self, tmp_path):
        save_model(tiny(), tmp_path)
        (tmp_path / "generation_config.json").write_text('{"eos_token_id": [11,', encoding="utf-8")
        with pytest.raises(UserError, match=r"generation_config\.json.*JSON"):
            load_model(tmp_path)


def test_an_answer_ends_at_every_end_token_of_the_folder():
    """Each of them alone would be met later, or never."""
    tokenizer = Tokenizer.train(["hello world"] * 20, 290)
    model = tiny(vocab_size=tokenizer.vocab_size, eos_token_id=None)
    prompts = [[5, 6, 7], [9, 9], [30]]
    free = Generator(model, tokenizer).generate(prompts, Sampling(max_new_tokens=12, temperature=0))
    ends = sorted({answer.ids[4] for answer in free})
    model.config.eos_token_id, model.generation_config = ends[:1], {"eos_token_id": ends[1:]}
    for answer, before in zip(
        Generator(model, tokenizer).generate(prompts, Sampling(max_new_tokens=12, temperature=0)), free
    ):
        first = next(i for i, token in enumerate(before.ids) if token in ends)
        assert answer.ids == before.ids[: first + 1] and answer.finish_reason == "stop"
        assert answer.text == tokenizer.decode(before.ids[:first])


class TestDtype:
    @pytest.mark.parametrize("changes", [{}, {"model_type": "llama", "tie_word_embeddings": False, "mlp_bias": True}])
    def test_weights_in_bf16_compute_what_fp32_weights_cast_at_every_call_compute(self, tmp_path, changes):
        save_model(tiny(**changes), tmp_path)
        kept, cast = load_model(tmp_path, dtype=torch.bfloat16), load_model(tmp_path)
        assert {parameter.dtype for parameter in kept.parameters()} == {torch.bfloat16}
        cast.compute_dtype = torch.bfloat16
        ids = torch.randint(300, (2, 20), generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            assert torch.equal(kept(ids), cast(ids))

    def test_what_is_loaded_for_training_is_fp32_whatever_the_file(self, tmp_path):
        save_model(tiny().bfloat16(), tmp_path)
        assert {parameter.dtype for parameter in load_model(tmp_path).parameters()} == {torch.float32}

    def test_the_public_call_keeps_the_weights_in_the_precision_asked_for(self, tmp_path):
        tokenizer = Tokenizer.train(["hello world"] * 20, 290)
        save_model(tiny(vocab_size=tokenizer.vocab_size), tmp_path)
        tokenizer.save(tmp_path)
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            lm = fledge.load(tmp_path, device="cpu", precision=precision)
            assert {parameter.dtype for parameter in lm.model.parameters()} == {dtype} == {lm.model.compute_dtype}
        assert fledge.load(tmp_path, device="cpu").model.compute_dtype == torch.float32, "scores are exact by default"
        with pytest.raises(UserError, match="fp64"):
            fledge.load(tmp_path, device="cpu", precision="fp64")
