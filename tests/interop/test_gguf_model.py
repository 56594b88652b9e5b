"""A GGUF that llama.cpp's converter would write of a model of transformers comes back as that model."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import torch
from safetensors import safe_open

from fledge.interop.gguf.folder import import_gguf
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model
from tests.interop.gguf_files import gguf, random_model, trained, transformers, write_gguf

LLAMA3 = dict(
    rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192
)
MODELS = {
    "llama": dict(kind="llama"),
    "llama-tied": dict(kind="llama", tie_word_embeddings=True),
    "llama-biases": dict(kind="llama", attention_bias=True, mlp_bias=True),
    "llama-wide-heads": dict(kind="llama", head_dim=32, rope_parameters={"rope_theta": 5e5, "rope_type": "default"}),
    "mistral": dict(kind="mistral", sliding_window=None),
    "qwen2": dict(kind="qwen2"),
    "qwen2-tied": dict(kind="qwen2", tie_word_embeddings=True),
    "qwen3": dict(kind="qwen3", head_dim=32),
}


@pytest.fixture(scope="module")
def core():
    return trained()


@pytest.fixture(scope="module")
def ids():
    return torch.randint(0, 640, (2, 60), generator=torch.Generator().manual_seed(1))


def difference(folder, expected, ids) -> float:
    """The largest difference of a logit, of Fledge's model and of transformers', over the largest logit."""
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32, attn_implementation="eager"
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    with torch.no_grad():
        logits = [load_model(folder)(ids), theirs(ids).logits]
    return max((logit - expected).abs().max().item() for logit in logits) / max(1.0, expected.abs().max().item())


def logits(model, ids) -> torch.Tensor:
    with torch.no_grad():
        return model(ids).logits


@pytest.mark.parametrize("name", MODELS)
def test_logits_equal_those_of_the_model_it_was_written_from(name, core, ids, tmp_path):
    model = random_model(**MODELS[name])
    import_gguf(write_gguf(tmp_path / "a.gguf", model, core), tmp_path / "out")
    assert difference(tmp_path / "out", logits(model, ids), ids) <= 1e-5


@pytest.mark.parametrize(
    ("kind", "limit"), [("F16", 0.01), ("BF16", 0.06), ("Q8_0", 0.06), ("Q4_0", 0.7), ("Q4_1", 0.7)]
)
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_rounded_weights_are_near_and_are_exactly_the_rounded_ones(family, kind, limit, core, ids, tmp_path):
    model = random_model(family)
    before = logits(model, ids)
    import_gguf(write_gguf(tmp_path / "a.gguf", model, core, kind=kind), tmp_path / "out")
    quantisation = gguf.GGMLQuantizationType[kind]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:  # a block lies in a row, so the order of the rows makes no difference
                rounded = gguf.quants.dequantize(gguf.quants.quantize(parameter.numpy(), quantisation), quantisation)
                parameter.copy_(torch.from_numpy(rounded))
    after = logits(model, ids)
    assert difference(tmp_path / "out", after, ids) <= 1e-5
    assert 0 < (after - before).norm() / before.norm() < limit


def test_a_half_precision_file_stays_one(core, tmp_path):
    for kind, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
        model = random_model("llama").to(dtype)
        import_gguf(write_gguf(tmp_path / f"{kind}.gguf", model, core, kind=kind), tmp_path / kind)
        with safe_open(tmp_path / kind / "model.safetensors", "pt") as tensors:
            for name, tensor in model.state_dict().items():
                own = tensors.get_tensor(name)
                assert own.dtype == (dtype if tensor.dim() > 1 else torch.float32)
                assert torch.equal(own.to(dtype), tensor)
        config = json.loads((tmp_path / kind / "config.json").read_text(encoding="utf-8"))
        assert config["dtype"] == str(dtype).removeprefix("torch.")


@pytest.mark.parametrize("kind", ["Q4_K", "Q6_K"])
def test_k_quants(kind, core, tmp_path):
    """The package cannot write them: a matrix of random blocks, whose rows are put into Hugging Face's order."""
    model = random_model("llama", hidden_size=256)
    quantisation = gguf.GGMLQuantizationType[kind]
    size = gguf.GGML_QUANT_SIZES[quantisation][1]
    blocks = np.random.default_rng(0).integers(0, 100, (256, size), dtype=np.uint8)  # no exponent of inf or nan
    path = write_gguf(
        tmp_path / "a.gguf", model, core, drop=["blk.1.attn_q.weight"], raw={"blk.1.attn_q.weight": (blocks, kind)}
    )
    import_gguf(path, tmp_path / "out")
    with safe_open(tmp_path / "out" / "model.safetensors", "np") as tensors:
        rows = tensors.get_tensor("model.layers.1.self_attn.q_proj.weight")
    expected = gguf.quants.dequantize(blocks, quantisation)
    for head in range(4):
        for pair in range(32):
            assert np.array_equal(rows[64 * head + pair], expected[64 * head + 2 * pair])
            assert np.array_equal(rows[64 * head + 32 + pair], expected[64 * head + 2 * pair + 1])


def test_long_context_scaling(core, tmp_path):
    """Llama 3.1's is in a tensor of factors; linear and YaRN are facts."""
    model = random_model(
        "llama", head_dim=64, rope_parameters={"rope_theta": 5e5, **LLAMA3}, max_position_embeddings=16384
    )
    plain = 5e5 ** -(np.arange(0, 64, 2) / 64)
    factors = (plain / model.model.rotary_emb.inv_freq.numpy()).astype(np.float32)
    assert factors.min() == pytest.approx(1) and factors.max() == pytest.approx(32)
    import_gguf(write_gguf(tmp_path / "a.gguf", model, core, extra={"rope_freqs.weight": factors}), tmp_path / "llama3")
    assert ModelConfig.load(tmp_path / "llama3").rope_scaling == LLAMA3
    ids = torch.randint(0, 640, (1, 300), generator=torch.Generator().manual_seed(1))
    assert difference(tmp_path / "llama3", logits(model, ids), ids) <= 1e-5
    for kind, further in (("linear", {}), ("yarn", {"original_max_position_embeddings": 64})):
        model = random_model("qwen3", rope_parameters={"rope_theta": 1e4, "rope_type": kind, "factor": 4.0, **further})
        facts = {"qwen3.rope.scaling.type": kind, "qwen3.rope.scaling.factor": 4.0}
        if further:
            facts["qwen3.rope.scaling.original_context_length"] = 64
        import_gguf(write_gguf(tmp_path / "a.gguf", model, core, facts=facts), tmp_path / kind)
        assert difference(tmp_path / kind, logits(model, ids[:, :200]), ids[:, :200]) <= 1e-5


def test_memory_holds_a_tensor_and_not_the_model(core, tmp_path):
    model = random_model("llama", hidden_size=256, intermediate_size=512, num_hidden_layers=8)
    path = write_gguf(tmp_path / "a.gguf", model, core, kind="Q8_0")
    import_gguf(path, tmp_path / "warm")
    tracemalloc.start()
    try:
        import_gguf(path, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = (tmp_path / "out" / "model.safetensors").stat().st_size
    assert size > 18e6 and peak < size / 4
