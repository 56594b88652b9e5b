"""A tokenizer as Gemma 3's: text spelled as it is, ▁ for the space, bytes for what no token has."""

from __future__ import annotations

import json

import pytest
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

from fledge.errors import UserError
from fledge.tokenizer import Tokenizer
from fledge.tokenizer.extend import extend
from tests.interop.nasty import NASTY

CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TEXTS = ["The cat sat on the mat. 小明住在海边。", "She has  three cats and a mat."] * 9


def gemma() -> tokenizers.Tokenizer:
    learner = tokenizers.Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁[^▁]*"), "isolated")
    learner.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=90, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    tokens = [*CONTROL, *(f"<0x{byte:02X}>" for byte in range(256)), *sorted(learnt["vocab"], key=learnt["vocab"].get)]
    merges = [tuple(pair) for pair in learnt["merges"]]
    vocab = {token: id for id, token in enumerate(tokens)}
    core = tokenizers.Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    core.normalizer = normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    core.post_processor = processors.TemplateProcessing("<bos> $A", "<bos> $A <bos> $B:1", [("<bos>", 2)])
    return core


@pytest.fixture
def folder(tmp_path):
    config = {f"{role}_token": f"<{role}>" for role in ("pad", "eos", "bos", "unk")}
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    Tokenizer(gemma(), config, TEMPLATE).save(tmp_path)
    return tmp_path


def test_every_string_comes_back_byte_for_byte(folder):
    tokenizer = Tokenizer.load(folder)
    for text in [*TEXTS[:2], *NASTY]:
        ids = tokenizer.encode(text)
        assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode() and tokenizer.decode(ids) == text
    assert tokenizer.decode(tokenizer.encode("a▁b")) == "a b"  # as Gemma reads it
    assert tokenizer.im_end_id == 5 and tokenizer.byte_lengths()[:6].sum() == 0


@pytest.mark.slow  # transformers
def test_ids_and_prompts_are_those_of_transformers(folder):
    transformers = pytest.importorskip("transformers")
    theirs, ours = transformers.AutoTokenizer.from_pretrained(folder), Tokenizer.load(folder)
    for text in [*TEXTS[:2], *NASTY]:
        assert theirs.encode(text, add_special_tokens=False) == ours.encode(text)
    talk = [
        {"role": "user", "content": "The mat?"},
        {"role": "assistant", "content": "小明"},
        {"role": "user", "content": "cat"},
    ]
    prompt = theirs.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    assert ours.prompt_ids(talk) == theirs.encode(prompt, add_special_tokens=False)
    ids, mask = ours.render_ids(talk[:2])
    assert ours.decode([id for id, own in zip(ids, mask) if own], skip_special=False).strip() == "小明<end_of_turn>"


def test_others_that_fall_back_on_bytes_are_refused(folder):
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    prepend = {"type": "Prepend", "prepend": "▁"}
    content["normalizer"] = {"type": "Sequence", "normalizers": [prepend, content["normalizer"]]}  # Llama 2
    with pytest.raises(UserError, match="only byte-level BPE can be extended"):
        extend(Tokenizer.load(folder), TEXTS, 10)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="is not a byte-level BPE tokenizer"):
        Tokenizer.load(folder)
