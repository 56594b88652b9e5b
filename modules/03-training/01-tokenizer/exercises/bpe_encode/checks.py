"""What bpe_encode and bpe_decode must do. Oracles: one pass over the text for every merge in order, with `merge_pair` of our
own tokenizer (for trained merges this is the same as looking for the earliest pair), and a table of the bytes of every id.
"""

from __future__ import annotations

from itertools import pairwise

import torch

from fledge.course.grader.checking import Case, Text
from fledge.tokenizer.bpe import merge_pair

Merges = list[tuple[bytes, bytes]]
TEACHING = "low lower lowest new newer newest 小鸡飞了，小鸟飞走了。\r\nthe other mother 😀😀 😁 banana bandana"


def oracle_bpe_encode(text: str, merges: Merges) -> list[int]:
    number = {bytes([byte]): byte for byte in range(256)}
    ids = list(text.encode("utf-8"))
    for i, (left, right) in enumerate(merges):
        ids = merge_pair(ids, (number[left], number[right]), 256 + i)
        number[left + right] = 256 + i
    return ids


def oracle_bpe_decode(ids: list[int], merges: Merges) -> str:
    table = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        table.append(left + right)
    joined = bytearray()
    for id in ids:
        joined += table[id]
    return str(bytes(joined), "utf-8", "replace")


def trained(text: str, num_merges: int) -> Merges:
    """Merges as training gives them, with pairs that occur once as well, so that the list is long; no token is made twice."""
    tokens = [bytes([byte]) for byte in text.encode("utf-8")]
    merges: Merges = []
    while len(merges) < num_merges and len(tokens) > 1:
        count: dict[tuple[bytes, bytes], int] = {}
        for pair in pairwise(tokens):
            count[pair] = count.get(pair, 0) + 1
        left, right = min(count, key=lambda pair: (-count[pair], pair))
        if any(left + right == a + b for a, b in merges):
            break
        merges.append((left, right))
        tokens = merge_pair(tokens, (left, right), left + right)  # type: ignore[arg-type]
    return merges


def cases(rng: torch.Generator) -> list[Case]:
    def encode(name: str, text: str, merges: Merges, zh: str, en: str) -> Case:
        return Case(f"encode_{name}", (text, merges), function="bpe_encode", about=Text(f"编码：{zh}", f"encode: {en}"))

    def decode(name: str, ids: list[int], merges: Merges, zh: str, en: str) -> Case:
        return Case(f"decode_{name}", (ids, merges), function="bpe_decode", about=Text(f"解码：{zh}", f"decode: {en}"))

    fruit = [(b"a", b"n"), (b"an", b"a")]
    crossed = [(b"b", b"c"), (b"a", b"b"), (b"c", b"d"), (b"ab", b"cd")]
    runs = [(b"a", b"a"), (b"aa", b"aa"), (b"aa", b"b")]
    learned = trained(TEACHING, 60)
    words = TEACHING.split()
    some = " ".join(words[int(i)] for i in torch.randint(0, len(words), (30,), generator=rng))
    drawn = [int(i) for i in torch.randint(0, 256 + len(learned), (60,), generator=rng)]
    mixed = "你好, wörld!\t😀\r\n\n é 한국 \u200b end "
    return [
        encode("banana", "banana", fruit, "题目里的例子", "the example of the task"),
        encode(
            "rank", "abcd abc bcd ab", crossed, "先学到的先合并，不看位置", "earlier merges first, wherever they stand"
        ),
        encode(
            "two_ways",
            "xyz yz xy",
            [(b"x", b"y"), (b"y", b"z")],
            "两个合并争同一个字节",
            "two merges want the same byte",
        ),
        encode(
            "long_token",
            "abc bc ab",
            [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")],
            "最长的词元不一定对",
            "the longest token need not be the right one",
        ),
        encode(
            "late_start",
            "abc bc ab",
            [(b"b", b"c"), (b"a", b"b"), (b"a", b"bc")],
            "左边能合并，右边的却更早学到",
            "a pair on the left, and an earlier merge to the right of it",
        ),
        encode("runs", "a aa aaa aaaa aaaaa aab aaab", runs, "一串相同的字母", "runs of one letter"),
        encode("learned", some, learned, "六十个学到的合并", "sixty merges that were learned"),
        encode(
            "unseen", mixed, learned, "没见过的中文、重音、表情和空白", "Chinese, accents, emoji and blanks never seen"
        ),
        encode("crlf", "low\r\nlower\nnew\r\n", learned, "换行是 \\r\\n", "lines that end in \\r\\n"),
        encode(
            "composed",
            "é e\u0301 ﬁ",
            [(b"\xc3", b"\xa9")],
            "看起来一样、字节不同的字符",
            "characters that look alike, with other bytes",
        ),
        encode("no_merges", mixed, [], "没有合并：就是字节", "no merges: just the bytes"),
        encode("one_byte", "x", fruit, "只有一个字节", "a single byte"),
        encode("empty", "", learned, "空文本", "empty text"),
        decode("banana", [98, 256, 257], fruit, "题目里的例子", "the example of the task"),
        decode(
            "round", oracle_bpe_encode(mixed, learned), learned, "编码过的文本原样回来", "an encoded text comes back"
        ),
        decode("learned", oracle_bpe_encode(TEACHING, learned), learned, "用到很多合并", "with many merges"),
        decode(
            "split_character",
            [228, 189, 160, 229, 165, 189],
            [],
            "一个汉字分在三个词元里",
            "a character in three tokens",
        ),
        decode("half_character", [97, 228, 189, 98], [], "半个汉字变成 �", "half a character becomes �"),
        decode("no_utf8", [255, 254, 104, 105, 128], [], "不是 UTF-8 的字节", "bytes that are no UTF-8"),
        decode("drawn", drawn, learned, "随机的编号", "random ids"),
        decode("empty", [], learned, "空列表", "an empty list"),
    ]
