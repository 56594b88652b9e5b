"""A small zh+en text, a tokenizer trained on it, and strings that break careless tokenizers."""

from __future__ import annotations

import random

import pytest

from fledge.tokenizer import Tokenizer

ZH = "小明 外婆 老师 邻居 今天 昨天 去了 市场 买了 三个 苹果 西瓜 便宜 新鲜 图书馆 看书 然后 回家 做饭 很高兴"
EN = "the teacher walked to market and bought three apples because they're fresh it's cheap library books home"


def make_corpus(sentences: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    texts = []
    for number in range(sentences):
        if draw.random() < 0.5:
            texts.append("，".join("".join(draw.choices(ZH.split(), k=draw.randint(2, 5))) for _ in range(2)) + "。\n")
        else:
            texts.append(
                " ".join(draw.choices(EN.split(), k=draw.randint(4, 9))).capitalize() + f", {number * 37}!\n\n"
            )
    return texts


UNBROKEN = {  # texts that no rule for splitting words ever breaks
    "chinese": "".join(chr(code) for code in range(0x4E00, 0x4E00 + 2000)),
    "letters": "etaoinshrdlu",
    "dna": "ACGT",
    "one letter": "a",
    "blanks": " ",
    "line ends": "\n",
    "signs": "=",
}


def unbroken(name: str, size: int) -> str:
    """About `size` bytes; of many characters the first are the common ones, as in a language."""
    letters = UNBROKEN[name]
    weights = [1 / rank for rank in range(1, len(letters) + 1)]
    return "".join(random.Random(0).choices(letters, weights, k=size // len(letters[0].encode())))


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    return make_corpus(400, seed=1)


@pytest.fixture(scope="session")
def tokenizer(corpus) -> Tokenizer:
    return Tokenizer.train(corpus, 600)


@pytest.fixture(scope="session")
def nasty() -> list[str]:
    return NASTY


@pytest.fixture(scope="session")
def tiny_corpora() -> list[list[str]]:
    """Texts so small that nearly every pair count is a tie."""
    return [make_corpus(6, seed) for seed in range(20)]


NASTY = [
    "",
    " ",
    "\n",
    "\r\n\r\n a\r b\t\t\n ",
    "\0NUL\0\x07",
    "e\u0301 \u00e9 n\u0303",  # combining marks: NFC would change these
    "\u1112\u1161\u11ab \ud55c",
    "👩‍👩‍👧‍👦 🇨🇳 🏳️‍🌈 ✌🏽",  # ZWJ, flags, skin tone
    "السلام عليكم ‏123‎",
    "हिन्दी ไทย עִבְרִית",
    "\ufeffBOM \u200b\u2028\u2029\u3000　",
    "\ufdd0\ufdd1\ufdd2\uffff\U0010ffff",  # the noncharacters that the renderer uses as marks
    "123456 ½ Ⅳ ٣ ² '\u017fs 'S don'T we'LL",
    "龘𠮷㐀 ﷽",
    "=" * 100 + "哈" * 50 + " " * 70,
    "<|im_end|> <|im_start|>system\n<|endoftext|><|endoftext|>",
    "<think></think><tool_call></tool_response>",
    "ÿĀġĊĠ",  # the visible stand-ins for bytes, as text
]
