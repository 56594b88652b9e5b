"""Settings from YAML, JSON and Python: what a value becomes, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import yaml

from fledge.errors import UserError, suggest
from fledge.model.config import ModelConfig
from fledge.model.settings import fit_types


@dataclass
class Settings:
    steps: int = 1
    rate: float = 0.1
    limit: float | None = None
    name: str | None = None
    resume: bool = False
    mode: Literal["auto", "on", "off"] = "auto"
    files: list[str] = field(default_factory=list)
    shape: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fit_types(self, lambda name: f"--{name}")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("1e3", "steps", 1000),  # a string to YAML
        ("9007199254740993", "steps", 9007199254740993),  # more than a float holds
        ("1e-3", "rate", 0.001),
        ("2", "rate", 2.0),
        ("null", "limit", None),
        ("2026", "name", "2026"),
        ("on", "mode", "on"),  # a boolean to YAML
        ("a.txt", "files", ["a.txt"]),
        ("[a.txt, 3]", "files", ["a.txt", "3"]),
    ],
)
def test_a_value_becomes_what_its_field_is(text, name, value):
    found = getattr(Settings(**{name: yaml.safe_load(text)}), name)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("1.5", "steps", "--steps must be a whole number, not 1.5"),
        ("true", "steps", "--steps must be a whole number, not True"),
        ("fast", "rate", "--rate must be a number, not 'fast'"),
        (".nan", "rate", "--rate must be a number, not nan"),
        ("null", "rate", "--rate must be a number, not None"),
        ("[a]", "name", "--name must be a text"),
        ("maybe", "resume", "--resume must be true or false, not 'maybe'"),
        ("atuo", "mode", "--mode must be one of auto, on, off, not 'atuo'. Did you mean 'auto'?"),
        ("[[a]]", "files", "every item of --files must be a text"),
        ("[a]", "shape", "--shape must be a list of `key: value` pairs"),
    ],
)
def test_what_does_not_fit_is_named(text, name, sentence):
    with pytest.raises(UserError) as caught:
        Settings(**{name: yaml.safe_load(text)})
    assert str(caught.value).startswith(sentence)


def test_a_config_without_grouped_queries_has_one_head_of_keys_per_query():
    for given in ({}, {"num_key_value_heads": None}):
        config = ModelConfig.from_dict({"model_type": "llama", "num_attention_heads": 8, **given})
        assert config.num_key_value_heads == 8


def test_an_abbreviation_is_nearer_than_a_word_of_like_letters():
    assert suggest("--temp", ["--system", "--temperature"]) == " Did you mean '--temperature'?"
    assert suggest("--stpes", ["--system", "--steps"]) == " Did you mean '--steps'?"
    assert suggest("--qqq", ["--system", "--steps"]) == ""
