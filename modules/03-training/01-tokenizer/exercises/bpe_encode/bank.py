"""Wrong and right ways to encode and decode with BPE."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def merged(tokens, pair):
    out, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == pair
        out.append(pair[0] + pair[1] if hit else tokens[i])
        i += 1 + hit
    return out


def numbered(tokens, merges, first=256):
    ids = {left + right: first + i for i, (left, right) in enumerate(merges)}
    return [token[0] if len(token) == 1 else ids[token] for token in tokens]


def split(text):
    return [bytes([byte]) for byte in text.encode("utf-8")]


def joined(text, merges, choose=min, replace=merged):
    """The tokens of the right encoding; the keywords replace one piece of it."""
    rank = {pair: i for i, pair in enumerate(merges)}
    tokens = split(text)
    while known := [pair for pair in pairwise(tokens) if pair in rank]:
        tokens = replace(tokens, choose(known, key=rank.get))
    return tokens


def table(merges):
    return [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]


@mistake(
    Text(
        "你合并的是从左边最先碰到的一对。应当先用 `merges` 里排在前面的，不看它在文本的什么位置。",
        "You merge the first pair that you meet from the left. Apply what stands earliest in `merges`, wherever it is in the text.",
    ),
    function="bpe_encode",
)
def leftmost_first(text, merges):
    return numbered(joined(text, merges, choose=lambda known, key: known[0]), merges)


@mistake(
    Text(
        "你每次都取能匹配的最长词元。BPE 按学到的先后合并，结果常常不是最长的。",
        "You always take the longest token that matches. BPE merges in the order of learning, which often gives another cut.",
    ),
    function="bpe_encode",
)
def longest_match(text, merges):
    known, data, tokens = set(table(merges)), text.encode("utf-8"), []
    while data:
        size = max(n for n in range(1, len(data) + 1) if data[:n] in known)
        tokens.append(data[:size])
        data = data[size:]
    return numbered(tokens, merges)


@mistake(
    Text(
        "你先用了排在最后的合并。顺序反了：名次小的（先学到的）先用。",
        "You apply the latest merge first. It is the other way round: what was learned first is applied first.",
    ),
    function="bpe_encode",
)
def latest_first(text, merges):
    return numbered(joined(text, merges, choose=max), merges)


@mistake(
    Text(
        "只合并了一轮：合并出的词元还可能继续合并，要循环到没有可合并的对为止。",
        "Only one round of merging: new tokens may merge again, so go on until no pair is left.",
    ),
    function="bpe_encode",
)
def one_round(text, merges):
    rank, tokens, out, i = {pair: i for i, pair in enumerate(merges)}, split(text), [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) in rank
        out.append(tokens[i] + tokens[i + 1] if hit else tokens[i])
        i += 1 + hit
    return numbered(out, merges)


@mistake(
    Text(
        "每个合并只用了一次。一个合并要作用于它的所有出现。",
        "Every merge is applied at one place only. A merge applies to all its occurrences.",
    ),
    function="bpe_encode",
)
def every_merge_once(text, merges):
    tokens = split(text)
    for pair in merges:
        i = next((i for i in range(len(tokens)) if tuple(tokens[i : i + 2]) == pair), None)
        if i is not None:
            tokens[i : i + 2] = [pair[0] + pair[1]]
    return numbered(tokens, merges)


@mistake(
    Text(
        "编号错开了一个：第 0 个合并的编号是 256，你从 257 数起。",
        "The ids are off by one: merge 0 has the id 256, yours begin with 257.",
    ),
    function="bpe_encode",
)
def ids_from_257(text, merges):
    return numbered(joined(text, merges), merges, first=257)


@mistake(
    Text(
        "合并的编号没有加 256：0 到 255 已经给了字节。",
        "256 is not added to the merges' ids: 0 to 255 belong to the bytes.",
    ),
    function="bpe_encode",
)
def ids_from_0(text, merges):
    return numbered(joined(text, merges), merges, first=0)


@mistake(
    Text(
        "你用了字符的编号（`ord`）而不是 UTF-8 的字节：汉字的 `ord` 远大于 255。",
        "You use the numbers of characters (`ord`) instead of UTF-8 bytes: the `ord` of a Chinese character is far beyond 255.",
    ),
    function="bpe_encode",
)
def characters_instead_of_bytes(text, merges):
    return (
        [ord(char) for char in text] if max(map(ord, text), default=0) > 127 else numbered(joined(text, merges), merges)
    )


@mistake(
    Text(
        "换行被改动了：`\\r\\n` 变成了 `\\n`，编码再解码就回不到原文。",
        "Line ends are changed: `\\r\\n` has become `\\n`, and the text does not come back.",
    ),
    function="bpe_encode",
)
def line_ends_changed(text, merges):
    return numbered(joined(text.replace("\r\n", "\n"), merges), merges)


@mistake(
    Text(
        "首尾的空白被去掉了（strip）：空格和换行也是文本。",
        "Blanks at the ends are cut off (strip): spaces and line ends are text too.",
    ),
    function="bpe_encode",
)
def stripped(text, merges):
    return numbered(joined(text.strip(), merges), merges)


@mistake(
    Text(
        "文本先做了 Unicode 规范化：看起来一样，字节却变了，解码回不到原文。",
        "The text is normalised (Unicode) first: it looks the same but its bytes are others, and it does not come back.",
    ),
    function="bpe_encode",
)
def normalised(text, merges):
    return numbered(joined(unicodedata.normalize("NFKC", text), merges), merges)


@mistake(
    Text(
        "文本先按空格切成了单词，空格丢了。",
        "The text is split at blanks first, and the blanks are lost.",
    ),
    function="bpe_encode",
)
def blanks_lost(text, merges):
    return [id for word in text.split() for id in numbered(joined(word, merges), merges)]


@mistake(
    Text(
        "你把每个词元单独解码：一个汉字的字节分在几个词元里时，就变成了几个 �。先接起来，再解码。",
        "You decode every token by itself: a character whose bytes lie in several tokens becomes several �. Join first, then "
        "decode.",
    ),
    function="bpe_decode",
)
def token_by_token(ids, merges):
    return "".join(table(merges)[id].decode("utf-8", errors="replace") for id in ids)


@mistake(
    Text(
        '不成字符的字节被丢掉了（errors="ignore"）。应当变成 �（errors="replace"）。',
        'Bytes that make no character are dropped (errors="ignore"). They become � (errors="replace").',
    ),
    function="bpe_decode",
)
def bad_bytes_ignored(ids, merges):
    return b"".join(table(merges)[id] for id in ids).decode("utf-8", errors="ignore")


@mistake(
    Text(
        '遇到不成字符的字节时会抛出异常。加上 errors="replace"：模型可能在一个字的中间停下。',
        'Bytes that make no character raise an exception. Add errors="replace": a model may stop in the middle of a character.',
    ),
    function="bpe_decode",
)
def bad_bytes_raise(ids, merges):
    return b"".join(table(merges)[id] for id in ids).decode("utf-8")


@mistake(
    Text(
        "你把字节当成 Latin-1 解码了：每个字节变成了一个字符。",
        "The bytes are decoded as Latin-1: every byte has become a character.",
    ),
    function="bpe_decode",
)
def as_latin1(ids, merges):
    return b"".join(table(merges)[id] for id in ids).decode("latin-1")


@mistake(
    Text(
        "编号错开了一个：256 是第 0 个合并，你用成了别的合并。",
        "The ids are off by one: 256 is merge 0, you take another one.",
    ),
    function="bpe_decode",
)
def off_by_one(ids, merges):
    tokens = [bytes([byte]) for byte in range(256)] + [b""] + [left + right for left, right in merges]
    return b"".join(tokens[id] for id in ids).decode("utf-8", errors="replace")


@mistake(
    Text(
        "词元之间多了空格。BPE 的词元里已经含有空格，直接相接就是原文。",
        "There are blanks between the tokens. Blanks are inside BPE tokens already: joined, they are the text.",
    ),
    function="bpe_decode",
)
def blanks_between(ids, merges):
    return b" ".join(table(merges)[id] for id in ids).decode("utf-8", errors="replace")


@mistake(
    Text(
        "你从左往右，一碰到能合并的一对就合并，接着看它和前一个能不能再合并。应当先用 `merges` 里排在前面的，不看它在文本"
        "的什么位置。",
        "You go from left to right and merge every pair as soon as you meet it. Apply what stands earliest in `merges`, "
        "wherever it is in the text.",
    ),
    function="bpe_encode",
)
def merged_while_reading(text, merges):
    known, tokens = set(merges), []
    for byte in split(text):
        tokens.append(byte)
        while tuple(tokens[-2:]) in known:
            tokens[-2:] = [tokens[-2] + tokens[-1]]
    return numbered(tokens, merges)


@mistake(
    Text(
        "每一轮你从左往右把碰到的对都合并了，再来一轮。应当先用 `merges` 里排在前面的，不看它在文本的什么位置。",
        "Round after round you merge whatever pair comes next from the left. Apply what stands earliest in `merges`, "
        "wherever it is in the text.",
    ),
    function="bpe_encode",
)
def round_after_round(text, merges):
    known, tokens = set(merges), split(text)
    while any(pair in known for pair in pairwise(tokens)):
        out, i = [], 0
        while i < len(tokens):
            hit = tuple(tokens[i : i + 2]) in known
            out.append(tokens[i] + tokens[i + 1] if hit else tokens[i])
            i += 1 + hit
        tokens = out
    return numbered(tokens, merges)


@mistake(
    Text(
        "编号错开了一个：第 0 个合并的编号是 256，你从 255 数起，而 255 已经是一个字节。",
        "The ids are off by one: merge 0 has the id 256; yours begin with 255, which is a byte already.",
    ),
    function="bpe_encode",
)
def ids_from_255(text, merges):
    return numbered(joined(text, merges), merges, first=255)


@mistake(
    Text(
        "文本先切成了单词，跨过空格的合并就用不上了。这里空格是普通的字节，整段文本一起合并。",
        "The text is cut into words first, and merges that reach over a space are never applied. Here a space is an "
        "ordinary byte: merge the text as a whole.",
    ),
    function="bpe_encode",
)
def cut_into_words(text, merges):
    words = re.findall(r"\s?\S+|\s+", text)
    return [id for word in words for id in numbered(joined(word, merges), merges)]


@mistake(
    Text(
        "空白被改动了：`split` 再用空格接起来，换行、制表符和连续的空格都成了一个空格。",
        "Blanks are changed: `split`, then joined with spaces, turns line ends, tabs and runs of blanks into one space.",
    ),
    function="bpe_encode",
)
def blanks_evened(text, merges):
    return numbered(joined(" ".join(text.split()), merges), merges)


@variant(function="bpe_encode")
def merge_after_merge(text, merges):
    """One pass over the text for every merge, in order."""
    tokens = split(text)
    for pair in merges:
        tokens = merged(tokens, pair)
    return numbered(tokens, merges)


@variant(function="bpe_encode")
def one_place_at_a_time(text, merges):
    def first_place(tokens, pair):
        i = next(i for i in range(len(tokens)) if tuple(tokens[i : i + 2]) == pair)
        return [*tokens[:i], pair[0] + pair[1], *tokens[i + 2 :]]

    return numbered(joined(text, merges, replace=first_place), merges)


@variant(function="bpe_encode")
def with_ids(text, merges):
    number, pairs = {token: id for id, token in enumerate(table([]))}, {}
    for i, (left, right) in enumerate(merges):
        pairs[number[left], number[right]] = number[left + right] = 256 + i
    ids = list(text.encode("utf-8"))
    while new := min((pairs[pair] for pair in pairwise(ids) if pair in pairs), default=0):
        i = 0
        while i < len(ids) - 1:
            if pairs.get((ids[i], ids[i + 1])) == new:
                ids[i : i + 2] = [new]
            i += 1
    return ids


@variant(function="bpe_decode")
def from_integers(ids, merges):
    data = []
    for id in ids:
        data.extend([id] if id < 256 else merges[id - 256][0] + merges[id - 256][1])
    return bytes(data).decode(errors="replace")


@variant(function="bpe_decode")
def with_a_dictionary(ids, merges):
    tokens = {256 + i: left + right for i, (left, right) in enumerate(merges)}
    return str(b"".join(tokens.get(id, id.to_bytes(1, "big") if id < 256 else b"") for id in ids), "utf-8", "replace")
