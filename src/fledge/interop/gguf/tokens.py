"""The tokenizer of a GGUF as Hugging Face's, with llama.cpp's rules: the same text gives the same ids.

A GGUF holds tokens, merges, and the *name* of the rule that cuts text into words; llama.cpp knows the regular expressions.
They are applied one after the other, each to the pieces that the one before left. No Unicode normaliser: llama.cpp has none.
Source: ggml-org/llama.cpp, src/llama-vocab.cpp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models
from tokenizers.pre_tokenizers import ByteLevel, PreTokenizer, Sequence, Split
from tokenizers.processors import TemplateProcessing

from fledge.errors import UserError
from fledge.interop.gguf.file import GgufFile, damaged
from fledge.lang import _, commas
from fledge.tokenizer import Tokenizer
from fledge.tokenizer.bpe import BYTE_TO_CHAR

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SHORT = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{_REST}"
_LLAMA3 = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}{_REST}"
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])*(?:(?=\p{L})[^A-Z])+|[^\r\n\p{L}\p{N}]?(?:(?=\p{L})[^a-z])+(?:(?=\p{L})[^A-Z])*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Rule:
    """How text is cut; `whole`: a word that is a token is taken as it is, whatever the merges say; `bos`: texts begin with it."""

    cuts: tuple[str, ...]
    whole: bool = False
    bos: bool = False


_LLAMA_BPE = Rule((_LLAMA3,), whole=True, bos=True)
RULES = {  # tokenizer.ggml.pre
    "default": Rule((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
    "gpt-2": Rule((_GPT2,)),
    "smollm": Rule((r"\p{N}", _GPT2)),
    "qwen2": Rule((_QWEN2,)),
    "deepseek-r1-qwen": Rule((_QWEN2,)),
    "llama-bpe": _LLAMA_BPE,
    "llama3": _LLAMA_BPE,
    "llama-v3": _LLAMA_BPE,
    "smaug-bpe": Rule((_LLAMA3,)),
    "tekken": Rule((_TEKKEN,), whole=True, bos=True),
}
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4  # tokenizer.ggml.token_type
ROLES = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
ENDS = (
    *("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>"),
    *("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)
"""Tokens that end an answer by their name alone (llama.cpp knows more, of other families)."""
BY_NAME = {*ENDS, "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"}  # control tokens, whatever the file says


def read_tokenizer(file: GgufFile) -> tuple[Tokenizer, list[int]]:
    """The tokenizer with its chat template, and the ids that end an answer. UserError when llama.cpp's rule is not known here."""
    facts, path = file.facts, file.path
    if (model := facts.get("tokenizer.ggml.model")) != "gpt2":
        raise UserError(
            _("{path} has a tokenizer of kind '{model}'; byte-level BPE ('gpt2') can be imported.").format(
                path=path, model=model
            )
        )
    pre = facts.get("tokenizer.ggml.pre", "default")
    if pre not in RULES:
        raise UserError(
            _("{path} cuts text by the rule '{pre}'; {known} can be imported.").format(
                path=path, pre=pre, known=commas(RULES)
            )
        )
    tokens = [token or f"[EMPTY_{id}]" for id, token in enumerate(_listed(file, "tokens"))]
    kinds = facts.get("tokenizer.ggml.token_type", [NORMAL] * len(tokens))
    vocab = {token: id for id, token in enumerate(tokens)}
    if len(vocab) < len(tokens) or len(kinds) != len(tokens):
        raise damaged(path, _("its tokens are not all different, or not all of a kind"))
    core = _core(file, RULES[pre], vocab)
    special = {token for token, kind in zip(tokens, kinds) if kind in (UNKNOWN, CONTROL) or token in BY_NAME}
    added = [token for token, kind in zip(tokens, kinds) if kind == USER_DEFINED or token in special]
    core.add_tokens([AddedToken(token, special=token in special, normalized=False) for token in added])
    named = {role: _named(facts, tokens, f"{key}_token_id") for role, key in ROLES.items()}
    if facts.get("tokenizer.ggml.add_bos_token", RULES[pre].bos) and (bos := named["bos_token"]):
        core.post_processor = TemplateProcessing(f"{bos} $A", f"{bos} $A {bos} $B:1", [(bos, vocab[bos])])
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{role: token for role, token in named.items() if token},
        "model_max_length": facts.get(f"{facts.get('general.architecture')}.context_length"),
        "clean_up_tokenization_spaces": False,
    }
    tokenizer = Tokenizer(core, config, facts.get("tokenizer.chat_template"))
    ends = [named["eos_token"], _named(facts, tokens, "eot_token_id"), *(token for token in ENDS if token in vocab)]
    return tokenizer, [vocab[end] for end in dict.fromkeys(ends) if end]


def _core(file: GgufFile, rule: Rule, vocab: dict[str, int]) -> tokenizers.Tokenizer:
    """The library's tokenizer: BPE after the cuts of `rule`."""
    merges = [_pair(merge) for merge in _listed(file, "merges")]
    try:
        core = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=rule.whole))
    except Exception as error:  # the library raises plain Exception
        raise damaged(file.path, str(error)) from None
    cuts: list[PreTokenizer] = [Split(Regex(cut), behavior="isolated") for cut in rule.cuts]
    cuts.append(ByteLevel(add_prefix_space=False, use_regex=False))
    if lost := "".join(char for char in BYTE_TO_CHAR if char not in vocab):
        # A byte without a token vanishes, and nothing merges across the place; the library would merge its neighbours.
        cuts.append(Split(Regex(f"[{re.escape(lost)}]"), behavior="isolated"))
    core.pre_tokenizer = Sequence(cuts)  # type: ignore[assignment]
    core.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    return core


def _pair(merge: str) -> tuple[str, str]:
    space = merge.find(" ", 1)
    return merge[:space], merge[space + 1 :]


def _listed(file: GgufFile, name: str) -> list[str]:
    value = file.facts.get(f"tokenizer.ggml.{name}")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise damaged(file.path, _("it has no tokenizer.ggml.{name}").format(name=name))
    return value


def _named(facts: dict[str, Any], tokens: list[str], key: str) -> str | None:
    """The token that a fact names by its id; None where it names none."""
    id = facts.get(f"tokenizer.ggml.{key}")
    return tokens[id] if isinstance(id, int) and 0 <= id < len(tokens) else None
