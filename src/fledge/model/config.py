"""ModelConfig is `config.json`, field for field; nothing here needs torch."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fledge.adapt.format import plain_folder
from fledge.errors import UserError, suggest
from fledge.lang import _, commas
from fledge.model.settings import fit_types

ARCHITECTURES = {
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
}
GEMMA = {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "query_pre_attn_scalar": 256, "sliding_window": 4096}
"""What Gemma 3's config.json may leave out, and transformers fills in."""


@dataclass
class ModelConfig:
    """Shape of a model, with Hugging Face's field names. `head_dim` None means hidden_size / num_attention_heads."""

    model_type: str = "qwen3"
    vocab_size: int = 2048
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: dict[str, Any] | None = None  # {"rope_type": "llama3" | "yarn" | "linear", "factor": …}
    tie_word_embeddings: bool = True
    attention_bias: bool = False
    mlp_bias: bool = False
    sliding_window: int | None = None
    # Gemma 3: some layers look through the window, with angles of their own, the others at everything
    layer_types: list[str] | None = None  # "sliding_attention" or "full_attention"; None: one kind, by sliding_window
    rope_local_base_freq: float | None = None  # rope_theta of the layers with a window, which is not scaled
    query_pre_attn_scalar: int | None = None  # scores are divided by its root; None: head_dim
    initializer_range: float = 0.02
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 2  # Llama 3 has several
    pad_token_id: int | None = 0
    # Qwen3-MoE
    num_experts: int = 0
    num_experts_per_tok: int = 2
    moe_intermediate_size: int = 0
    norm_topk_prob: bool = True
    decoder_sparse_step: int = 1
    mlp_only_layers: list[int] = dataclasses.field(default_factory=list)
    router_aux_loss_coef: float = 0.001

    def __post_init__(self) -> None:
        fit_types(self)
        sizes = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"]
        for name in (*sizes, "num_key_value_heads", "max_position_embeddings"):
            if getattr(self, name) < 1:
                size = getattr(self, name)
                raise UserError(_("{name} is {size}; it must be at least 1.").format(name=name, size=size))
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if self.head_dim < 2 or self.head_dim % 2:
            raise UserError(
                _("head_dim is {head_dim}; it must be even, because RoPE turns pairs of numbers.").format(
                    head_dim=self.head_dim
                )
            )
        if self.model_type not in ARCHITECTURES:
            raise UserError(
                _("model_type '{model_type}' is not one of {architectures}.").format(
                    model_type=self.model_type, architectures=commas(ARCHITECTURES)
                )
                + suggest(self.model_type, ARCHITECTURES)
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise UserError(
                _(
                    "num_attention_heads ({num_attention_heads}) must be a multiple of num_key_value_heads ({num_key_value_heads})."
                ).format(num_attention_heads=self.num_attention_heads, num_key_value_heads=self.num_key_value_heads)
            )
        if self.model_type == "qwen3_moe" and not 1 <= self.num_experts_per_tok <= self.num_experts:
            raise UserError(
                _(
                    "num_experts_per_tok ({num_experts_per_tok}) must be between 1 and num_experts ({num_experts})."
                ).format(num_experts_per_tok=self.num_experts_per_tok, num_experts=self.num_experts)
            )
        if self.layer_types and (
            len(self.layer_types) != self.num_hidden_layers
            or {*self.layer_types} - {"sliding_attention", "full_attention"}
        ):
            raise UserError(
                _("layer_types must say sliding_attention or full_attention for each of the {layers} layers.").format(
                    layers=self.num_hidden_layers
                )
            )

    @property
    def qk_norm(self) -> bool:
        """Qwen3 and Gemma 3 normalise every query and key head before RoPE."""
        return self.model_type.startswith(("qwen3", "gemma3"))

    @property
    def norm_offset(self) -> float:
        """What is added to the weight of every norm: Gemma keeps its distance from 1."""
        return 1.0 if self.model_type == "gemma3_text" else 0.0

    @property
    def sandwich_norm(self) -> bool:
        """Whether there are norms behind attention and feed-forward too (Gemma 3)."""
        return self.model_type == "gemma3_text"

    @property
    def hidden_act(self) -> str:
        """What the gate of the feed-forward layer goes through."""
        return "gelu_pytorch_tanh" if self.model_type == "gemma3_text" else "silu"

    @property
    def embedding_scale(self) -> float:
        """What embeddings are multiplied with on their way in (not as the head): Gemma's by the root of their size."""
        return math.sqrt(self.hidden_size) if self.model_type == "gemma3_text" else 1.0

    @property
    def norms_a_block(self) -> int:
        """Of the size of the hidden states."""
        return 4 if self.sandwich_norm else 2

    def window_of(self, layer: int) -> int | None:
        """How many tokens back a layer looks, its own counted; None: as many as there are."""
        everywhere = self.layer_types is None or self.layer_types[layer] == "sliding_attention"
        return self.sliding_window if everywhere else None

    @property
    def qkv_bias(self) -> bool:
        """Qwen2 adds biases to queries, keys and values, always; the others when `attention_bias` says so."""
        return self.model_type == "qwen2" or self.attention_bias

    @property
    def output_bias(self) -> bool:
        """Whether attention's last projection has a bias: Qwen2's never has."""
        return self.model_type != "qwen2" and self.attention_bias

    @property
    def attention_biases(self) -> int:
        """Numbers in the biases of one layer's attention."""
        hd = self.head_dim or 0
        inner = (self.num_attention_heads + 2 * self.num_key_value_heads) * hd
        return inner * self.qkv_bias + self.hidden_size * self.output_bias

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end a text, by config.json alone: one, several, or none."""
        eos = self.eos_token_id
        return () if eos is None else tuple(eos) if isinstance(eos, list) else (eos,)

    def is_sparse(self, layer: int) -> bool:
        """Whether this layer's MLP is a mixture of experts."""
        return (
            self.model_type == "qwen3_moe"
            and layer not in self.mlp_only_layers
            and (layer + 1) % self.decoder_sparse_step == 0
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """Read a config.json of transformers v4 or v5; unsupported features are refused rather than ignored."""
        data = dict(data)
        rope = data.get("rope_parameters") or {}
        if "full_attention" in rope:
            data["rope_local_base_freq"] = (rope.get("sliding_attention") or {}).get("rope_theta")
            rope = rope["full_attention"] or {}
        if rope:
            data["rope_theta"] = rope.get("rope_theta", data.get("rope_theta", 10000.0))
            if rope.get("rope_type", "default") != "default":
                data["rope_scaling"] = {k: v for k, v in rope.items() if k != "rope_theta"}
        scaling = data.get("rope_scaling")
        if scaling:
            scaling = {("rope_type" if k == "type" else k): v for k, v in scaling.items()}
            data["rope_scaling"] = None if scaling.get("rope_type", "default") == "default" else scaling
        if data.get("num_key_value_heads") is None and data.get("num_attention_heads"):
            data["num_key_value_heads"] = data["num_attention_heads"]  # Llama 1: no grouped queries
        if not data.get("num_experts") and data.get("num_local_experts"):
            data["num_experts"] = data["num_local_experts"]
        kind = data.get("model_type", "qwen3")
        gemma = str(kind).startswith("gemma")
        if gemma:
            _as_gemma(data)
        elif data.get("hidden_act", "silu") != "silu":
            act = data["hidden_act"]
            raise UserError(_("hidden_act is '{act}'; only silu models can be loaded.").format(act=act))
        else:
            data |= {"layer_types": None, "rope_local_base_freq": None, "query_pre_attn_scalar": None}
        if data.get("use_sliding_window"):
            raise UserError(_("use_sliding_window is not supported; set it to false."))
        if not gemma and kind != "mistral":
            data["sliding_window"] = None
        ids = {"llama": (1, 2, None), "mistral": (1, 2, None), "gemma3_text": (2, 1, 0)}.get(kind, (None, None, None))
        for name, usual in zip(("bos_token_id", "eos_token_id", "pad_token_id"), ids):  # of transformers
            data.setdefault(name, usual)
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in data.items() if k in known and (v is not None or k != "num_experts")})

    @classmethod
    def load(cls, folder: str | Path) -> ModelConfig:
        """Read `config.json` from a model folder; for an adapter's that of its base."""
        folder = plain_folder(Path(folder))
        path = folder / "config.json"
        if not path.is_file():
            raise UserError(_("{folder} has no config.json, so it is not a model folder.").format(folder=folder))
        data = read_object(path)
        try:
            return cls.from_dict(data)
        except UserError as error:
            raise UserError(_("{path}: {error}").format(path=path, error=error)) from None

    def to_dict(self) -> dict[str, Any]:
        """config.json for transformers v4 and v5 alike: both spellings of the RoPE and expert fields are written."""
        data = dataclasses.asdict(self)
        scaling = data.pop("rope_scaling")
        rope = data["rope_parameters"] = {"rope_theta": self.rope_theta, **(scaling or {"rope_type": "default"})}
        if scaling:
            data["rope_scaling"] = scaling
        data |= {
            "architectures": [ARCHITECTURES[self.model_type]],
            "hidden_act": self.hidden_act,
            "attention_dropout": 0.0,
            "use_cache": True,
            "dtype": "float32",
            "torch_dtype": "float32",
        }
        if self.model_type == "qwen3_moe":
            data["num_local_experts"] = self.num_experts
            data["output_router_logits"] = False
        else:
            for name in ("num_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"):
                del data[name]
            for name in ("decoder_sparse_step", "mlp_only_layers", "router_aux_loss_coef"):
                del data[name]
        if self.model_type.startswith("qwen"):
            data["use_sliding_window"] = False
            data["max_window_layers"] = self.num_hidden_layers
        if self.model_type == "qwen2":
            del data["attention_bias"]
        if self.model_type != "llama":
            del data["mlp_bias"]
        if self.model_type == "gemma3_text":
            data["hidden_activation"] = data.pop("hidden_act")
            data["query_pre_attn_scalar"] = self.query_pre_attn_scalar or self.head_dim
            data["sliding_window"] = self.sliding_window or GEMMA["sliding_window"]  # it must have one
            windows = [self.window_of(layer) for layer in range(self.num_hidden_layers)]
            data["layer_types"] = ["full_attention" if window is None else "sliding_attention" for window in windows]
            local = {"rope_theta": self.rope_local_base_freq or self.rope_theta, "rope_type": "default"}
            data["rope_parameters"] = {"full_attention": rope, "sliding_attention": local}
        else:
            for name in ("layer_types", "rope_local_base_freq", "query_pre_attn_scalar"):
                del data[name]
        return data

    def initial_loss(self) -> float:
        """Expected loss of new weights (`Transformer.init_weights`), nats a token. ln V where the head starts from 0. A tied
        head is the embedding, and blocks begin as the identity, so every token first predicts itself: logit s D, the others
        N(0, s² D), of embedding rows N(0, s²) of width D."""
        if not self.tie_word_embeddings:
            return math.log(self.vocab_size)
        own, others = self.initializer_range * self.hidden_size, self.initializer_range**2 * self.hidden_size
        return own + math.log1p((self.vocab_size - 1) * math.exp(others / 2 - own))

    def num_parameters(self) -> dict[str, int]:
        """Exact parameter counts: embedding (and head, when untied), body, total, and active (MoE: per token)."""
        d, hd = self.hidden_size, self.head_dim or 0
        q, kv = self.num_attention_heads * hd, self.num_key_value_heads * hd
        attention = d * (q + 2 * kv) + q * d + (2 * hd if self.qk_norm else 0)
        attention += self.attention_biases
        body = active = 0
        for layer in range(self.num_hidden_layers):
            common = attention + self.norms_a_block * d
            if self.is_sparse(layer):
                expert = 3 * d * self.moe_intermediate_size
                body += common + d * self.num_experts + self.num_experts * expert
                active += common + d * self.num_experts + self.num_experts_per_tok * expert
            else:
                mlp = 3 * d * self.intermediate_size
                if self.mlp_bias:
                    mlp += 2 * self.intermediate_size + d
                body += common + mlp
                active += common + mlp
        embedding = self.vocab_size * d * (1 if self.tie_word_embeddings else 2)
        return {
            "embedding": embedding,
            "body": body + d,
            "total": embedding + body + d,
            "active": embedding + active + d,
        }


def _as_gemma(data: dict[str, Any]) -> None:
    """Fill in what a config.json of Gemma 3's text models leaves out; UserError for other Gemmas, and what they compute."""
    if data["model_type"] == "gemma3":
        raise UserError(
            _("this Gemma 3 reads pictures too (model_type gemma3): only the text models (gemma3_text) can be loaded.")
        )
    if data["model_type"] in ("gemma", "gemma2"):
        raise UserError(
            _("Gemma 1 and 2 cannot be loaded: they compute otherwise (2 caps its scores); take Gemma 3 (gemma3_text).")
        )
    for name in ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"):
        if data.get(name):
            raise UserError(_("{name} is set, and such Gemma models cannot be loaded.").format(name=name))
    if (act := data.get("hidden_activation", "gelu_pytorch_tanh")) != "gelu_pytorch_tanh":
        raise UserError(_("hidden_activation is '{act}'; a Gemma has gelu_pytorch_tanh.").format(act=act))
    for name, usual in GEMMA.items():
        if data.get(name) is None:
            data[name] = usual
    if not data.get("layer_types"):
        every = data.get("sliding_window_pattern") or 6
        data["layer_types"] = [
            "sliding_attention" if (layer + 1) % every else "full_attention"
            for layer in range(data.get("num_hidden_layers", 26))
        ]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model folder; UserError when there is none in it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            _("{path} is not valid JSON ({error}); copy the model folder again.").format(path=path, error=error)
        ) from None
    if not isinstance(data, dict):
        raise UserError(_("{path} holds no JSON object; copy the model folder again.").format(path=path))
    return data
