"""Weights in several files: found, refused when one is missing, and loaded without holding model and files at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.transformer import Transformer
from fledge.model.weights import INDEX

SHAPE = dict(
    vocab_size=90,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=2,
    num_key_value_heads=1,
)


def sharded(folder: Path, count: int = 3, dtype: torch.dtype = torch.float32, **changes) -> Transformer:
    """A model folder of `count` files with an index, as large models are published; returns the model."""
    torch.manual_seed(0)
    model = Transformer(ModelConfig(**{**SHAPE, **changes}))
    save_model(model, folder)
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    index = {}
    for shard in range(count):
        name = f"model-{shard + 1:05d}-of-{count:05d}.safetensors"
        own = {key: tensors[key] for key in sorted(tensors)[shard::count]}
        save_file(own, folder / name, metadata={"format": "pt"})
        index |= dict.fromkeys(own, name)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}), encoding="utf-8")
    return model


@pytest.mark.parametrize("index", [True, False])
def test_shards_give_the_model(index, tmp_path):
    model = sharded(tmp_path)
    if index:  # a second copy beside them, as Mistral publishes
        save_file({"layers.0.wq": torch.zeros(2)}, tmp_path / "consolidated.safetensors")
    else:
        (tmp_path / INDEX).unlink()
    back = load_model(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor)
    assert back.lm_head.weight is back.model.embed_tokens.weight


def test_the_model_does_not_hang_on_its_files(tmp_path):
    """Training writes into the weights, and on Windows a file that is mapped cannot be replaced."""
    sharded(tmp_path)
    model = load_model(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"\0" * path.stat().st_size)
    assert all(parameter.isfinite().all() and parameter.abs().sum() > 0 for parameter in model.parameters())


def change(path: Path, name: str, to) -> None:
    """Put `to` (None: nothing) in the place of a tensor, in whichever shard it is."""
    for file in path.glob("*.safetensors"):
        tensors = {key: tensor.clone() for key, tensor in load_file(file).items()}
        if name in tensors:
            del tensors[name]
            save_file(tensors | ({} if to is None else {name: to}), file, metadata={"format": "pt"})


NORM = "model.layers.1.input_layernorm.weight"
SPOILT = {
    "'model-00002-of-00003.safetensors' is missing: download or copy it again": lambda path: (
        path / "model-00002-of-00003.safetensors"
    ).unlink(),
    "model-00003-of-00003.safetensors is damaged or incomplete": lambda path: (
        path / "model-00003-of-00003.safetensors"
    ).write_bytes((path / "model-00003-of-00003.safetensors").read_bytes()[:-100]),
    f"tensor '{NORM}' is missing": lambda path: change(path, NORM, None),
    f"tensor '{NORM}' has shape [31] but config.json says [32]": lambda path: change(path, NORM, torch.ones(31)),
    f"tensor '{NORM}' holds nan or infinity": lambda path: change(path, NORM, torch.full((32,), torch.nan)),
    f"{INDEX} is not valid JSON": lambda path: (path / INDEX).write_text("{", encoding="utf-8"),
    f"{INDEX} does not say which tensor is in which file": lambda path: (path / INDEX).write_text(
        "{}", encoding="utf-8"
    ),
}


@pytest.mark.parametrize("said", SPOILT)
def test_what_is_wrong_with_a_shard_is_one_sentence(said, tmp_path):
    sharded(tmp_path)
    SPOILT[said](tmp_path)
    with pytest.raises(UserError) as refused:
        load_model(tmp_path)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_missing_shard_without_an_index(tmp_path):
    sharded(tmp_path)
    (tmp_path / INDEX).unlink()
    (tmp_path / "model-00003-of-00003.safetensors").unlink()
    with pytest.raises(UserError, match=r"'model-00003-of-00003\.safetensors' is missing"):
        load_model(tmp_path)


CHILD = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file
from fledge.model.folder import load_model

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

load_model(sys.argv[1])  # what the first load of all brings along
before = peak()
if sys.argv[3] == "ours":
    model = load_model(sys.argv[2])
else:  # all files first, then the model
    found = {}
    for file in sorted(Path(sys.argv[2]).glob("*.safetensors")):
        found |= load_file(file)
    model = {name: tensor.float() for name, tensor in found.items()}
print(peak() - before)
"""


@pytest.mark.slow  # two processes that import torch
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak of a process is read from Linux's /proc")
def test_loading_shards_takes_the_memory_of_the_model_and_not_of_its_files(tmp_path):
    """Half-precision shards as a model in fp32. Beside the model there may be its largest tensor with what checking it makes
    (a copy and a mask: 2 of it), and 16 MB for the allocator; holding the files too adds half of the model, and the other
    way of loading shows that this is seen."""
    shape = dict(hidden_size=768, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=12, vocab_size=4000)
    sharded(tmp_path / "small")
    model = sharded(tmp_path / "large", dtype=torch.float16, **shape)
    size = sum(parameter.nbytes for parameter in model.parameters())
    largest = max(parameter.nbytes for parameter in model.parameters())
    bound = size + 2 * largest + (16 << 20)
    assert size > 150e6 and 2 * largest + (16 << 20) < size / 3
    del model

    def taken(way: str) -> int:
        words = [sys.executable, "-c", CHILD, str(tmp_path / "small"), str(tmp_path / "large"), way]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    assert taken("ours") <= bound < taken("all at once")
