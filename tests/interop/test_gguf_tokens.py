"""The tokenizer of a GGUF gives the ids of the one it was written from, by llama.cpp's rules; in transformers too."""

from __future__ import annotations

import pytest
from tokenizers.pre_tokenizers import ByteLevel

from fledge.interop.gguf.file import GgufFile
from fledge.interop.gguf.folder import import_gguf
from fledge.interop.gguf.tokens import read_tokenizer
from fledge.tokenizer import Tokenizer
from fledge.tokenizer.bpe import BYTE_TO_CHAR
from tests.interop.gguf_files import ADDED, CUTS, NASTY, SPECIAL, random_model, trained, transformers, write_gguf


@pytest.fixture(scope="module")
def model():
    return random_model("llama")


def imported(folder, model, core, pre, **options) -> Tokenizer:
    return read_tokenizer(GgufFile(write_gguf(folder / "a.gguf", model, core, pre, **options)))[0]


def words(core, text) -> list[str]:
    return [word for word, _ in core.pre_tokenizer.pre_tokenize_str(text)]


@pytest.mark.parametrize("pre", CUTS)
def test_nasty_strings_give_the_same_ids(pre, model, tmp_path):
    core = trained(pre)
    tokenizer = imported(tmp_path, model, core, pre)
    core.encode_special_tokens = True  # control tokens written in text stay text
    for text in NASTY:
        if pre == "tekken":  # llama.cpp has its own classes of letters, which differ for marks and for É
            text = "".join(char for char in text if char.isascii() or "一" <= char <= "龥")
        assert words(tokenizer.core, text) == words(core, text)  # sharper: few merges of a small vocabulary cross a cut
        ids = tokenizer.encode(text)
        assert ids == core.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text
    core.encode_special_tokens = False
    text = NASTY[-1]
    assert tokenizer.encode(text, special=True) == core.encode(text, add_special_tokens=False).ids
    assert tokenizer.vocab_size == core.get_vocab_size()


def test_the_rules_differ():
    """Or the test above would show nothing."""
    found = {pre: str([trained(pre).encode(text).tokens for text in NASTY]) for pre in CUTS}
    assert len(set(found.values())) == len(CUTS)


def test_transformers_reads_the_same(model, tmp_path):
    core = trained("qwen2")
    import_gguf(write_gguf(tmp_path / "a.gguf", model, core), tmp_path / "out")
    theirs, ours = transformers.AutoTokenizer.from_pretrained(tmp_path / "out"), Tokenizer.load(tmp_path / "out")
    for text in NASTY[:-1]:
        assert theirs.encode(text, add_special_tokens=False) == ours.encode(text) == core.encode(text).ids
    messages = [{"role": "user", "content": "Hello 123"}]
    prompt = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert prompt == "<|im_start|>user\nHello 123<|im_end|>\n<|im_start|>assistant\n"
    assert theirs.encode(prompt, add_special_tokens=False) == ours.prompt_ids(messages)
    assert (theirs.bos_token, theirs.eos_token, theirs.pad_token) == ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


@pytest.mark.parametrize("pre", ["default", None])
def test_default_has_llama_cpp_s_own_cuts(pre, model, tmp_path):
    """No model of Hugging Face has them: punctuation stands alone first, digits in threes from the left at last."""
    core = imported(tmp_path, model, trained("gpt-2"), pre).core
    found = words(core, "Hi, it's 12345 €5+ok  x")
    assert found == ["Hi", ",", "Ġit", "'", "s", "Ġ", "123", "45", "ĠâĤ¬", "5", "+", "ok", "Ġ", "Ġx"]


def test_a_whole_word_is_taken_before_the_merges_only_where_the_rule_says_so(model, tmp_path):
    core, word = trained("qwen2"), "Ġzqxjkv"
    core.add_tokens([word])
    facts = {
        "tokenizer.ggml.token_type": [3] * 3 + [1] * (core.get_vocab_size() - 3)
    }  # an ordinary token, no merge makes it
    for pre, whole in (("llama-bpe", True), ("qwen2", False), ("smaug-bpe", False)):
        ids = imported(tmp_path, model, core, pre, facts=facts).encode(" zqxjkv")
        assert (ids == [core.token_to_id(word)]) == whole


def test_nothing_merges_across_a_byte_without_a_token(model, tmp_path):
    lost = BYTE_TO_CHAR[4]
    core = trained("smollm", alphabet=[char for char in ByteLevel.alphabet() if char != lost])
    tokenizer = imported(tmp_path, model, core, "smollm")
    assert core.token_to_id(lost) is None and len(tokenizer.encode("--")) == 1
    assert tokenizer.encode("-\x04-") == tokenizer.encode("-") * 2


def test_kinds_of_tokens_and_where_an_answer_ends(model, tmp_path):
    core = trained("qwen2")
    tokenizer, ends = read_tokenizer(GgufFile(write_gguf(tmp_path / "a.gguf", model, core)))
    added = {token.content: token.special for token in tokenizer.core.get_added_tokens_decoder().values()}
    assert added == dict.fromkeys(SPECIAL, True) | dict.fromkeys(ADDED, False)
    assert ends == [core.token_to_id("<|im_end|>"), core.token_to_id("<|endoftext|>")]
    core.add_tokens(["<|fim_prefix|>"])
    facts = {"tokenizer.ggml.token_type": [1] * core.get_vocab_size()}
    tokenizer, _ = read_tokenizer(GgufFile(write_gguf(tmp_path / "b.gguf", model, core, facts=facts)))
    added = set(tokenizer.core.get_added_tokens_decoder())  # by their names, whatever the file says
    assert added == {*ends, core.token_to_id("<|fim_prefix|>")}


@pytest.mark.parametrize(("pre", "said", "bos"), [("llama-bpe", None, 1), ("llama-bpe", False, 0), ("qwen2", True, 1)])
def test_where_texts_begin_with_bos_transformers_writes_it(pre, said, bos, model, tmp_path):
    facts = {} if said is None else {"tokenizer.ggml.add_bos_token": said}
    import_gguf(write_gguf(tmp_path / "a.gguf", model, trained(pre), pre, facts=facts), tmp_path / "out")
    theirs, ours = transformers.AutoTokenizer.from_pretrained(tmp_path / "out"), Tokenizer.load(tmp_path / "out")
    assert theirs.encode("Hello") == [ours.im_start_id] * bos + ours.encode("Hello")
