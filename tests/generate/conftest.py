"""A tiny random model, a tokenizer whose tokens are bytes, and a model that says what a script tells it to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE


class ByteTokenizer:
    """Three control tokens, then one token per byte."""

    endoftext_id, im_start_id, im_end_id = 0, 1, 2
    vocab_size = 259

    def token_bytes(self, id: int) -> bytes:
        return b"" if id < 3 else bytes([id - 3])

    def encode(self, text: str) -> list[int]:
        return [byte + 3 for byte in text.encode("utf-8")]


class ScriptedModel(torch.nn.Module):
    """Says token `script[p]` after position p, whatever was said before. Records the shape of every call."""

    end_ids: frozenset[int] = frozenset()

    def __init__(self, script: list[int], context: int = 1000):
        super().__init__()
        self.config = SimpleNamespace(
            num_hidden_layers=1, window_of=lambda layer: None, max_position_embeddings=context
        )
        self.parts = REFERENCE
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.script = torch.tensor(script)
        self.shapes: list[tuple[int, ...]] = []

    def hidden(self, ids_BT, *, positions_BT, cache):
        self.shapes.append(tuple(ids_BT.shape))
        nothing = torch.zeros(*ids_BT.shape, 1, 1).transpose(1, 2)
        cache.update(0, nothing, nothing)
        return self.script[positions_BT.clamp(max=len(self.script) - 1)][..., None]

    def head(self, x_BT1):
        return torch.nn.functional.one_hot(x_BT1[..., 0], 259) * 50.0


def random_model(seed: int = 0, **changes) -> Transformer:
    """Large random weights everywhere, so that attention and positions matter to what comes out."""
    shape = {
        "vocab_size": 259, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 64,
    }  # fmt: skip
    model = Transformer(ModelConfig(**{**shape, **changes}))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("norm.weight"):
                parameter.normal_(0, 0.3, generator=generator)
    return model


@pytest.fixture(scope="session")
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def scripted():
    return ScriptedModel


@pytest.fixture(scope="session")
def make_model():
    return random_model


@pytest.fixture(scope="session")
def model() -> Transformer:
    return random_model()


@pytest.fixture(scope="session")
def prompts() -> list[list[int]]:
    """Twelve prompts of 1 to 20 tokens."""
    generator = torch.Generator().manual_seed(1)
    lengths = (5, 1, 9, 20, 5, 3, 14, 2, 7, 7, 11, 4)
    return [torch.randint(3, 259, (length,), generator=generator).tolist() for length in lengths]
