"""Wrong and right ways to train a BPE. Every mistake is the right training with one thing changed."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from itertools import pairwise

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def counted(tokens):
    return Counter(pairwise(tokens))


def best_of(counts):
    return min(counts, key=lambda pair: (-counts[pair], pair))


def merged(tokens, pair):
    out, i = [], 0
    while i < len(tokens):
        hit = tuple(tokens[i : i + 2]) == pair
        out.append(pair[0] + pair[1] if hit else tokens[i])
        i += 1 + hit
    return out


def learn(text, num_merges, *, count=counted, choose=best_of, replace=merged, least=2):
    """The right training; every keyword replaces one piece of it."""
    tokens, merges = [bytes([byte]) for byte in text.encode("utf-8")], []
    while len(merges) < num_merges and (counts := count(tokens)):
        pair = choose(counts)
        if counts[pair] < least:
            break
        merges.append(pair)
        tokens = replace(tokens, pair)
    return merges


@mistake(
    Text(
        "次数相同时你选了文本里先出现的那一对（`max` 和 `most_common` 都这样）。应当选字节较小的。",
        "Among equal counts you take the pair that comes first in the text (as `max` and `most_common` do). Take the smaller one.",
    )
)
def first_seen_wins(text, num_merges):
    return learn(text, num_merges, choose=lambda counts: max(counts, key=counts.get))


@mistake(
    Text(
        "次数相同时你选了较大的一对（`max` 同时比较了次数和字节）。这里约定选较小的。",
        "Among equal counts you take the larger pair (`max` over count and bytes together). Here the smaller one wins.",
    )
)
def larger_pair_wins(text, num_merges):
    return learn(text, num_merges, choose=lambda counts: max(counts, key=lambda pair: (counts[pair], pair)))


@mistake(
    Text(
        "次数相同时你比较的是两个词元连起来的字节。应当先比左边，再比右边。",
        "Among equal counts you compare the joined bytes. Compare the left tokens first, then the right ones.",
    )
)
def joined_bytes_compared(text, num_merges):
    def choose(counts):
        return min(counts, key=lambda pair: (-counts[pair], pair[0] + pair[1], -len(pair[0])))

    return learn(text, num_merges, choose=choose)


@mistake(
    Text(
        "重叠的对你没有都数：`aaa` 里 (a, a) 应当算 2 次。",
        "You do not count overlapping pairs: in `aaa` the pair (a, a) occurs twice.",
    )
)
def overlaps_not_counted(text, num_merges):
    def count(tokens):
        counts, last = Counter(), {}
        for i, pair in enumerate(pairwise(tokens)):
            if last.get(pair) != i - 1:
                counts[pair] += 1
                last[pair] = i
        return counts

    return learn(text, num_merges, count=count)


@mistake(
    Text(
        "文本先被切成了单词，跨过空格的对丢了。这里空格也是普通的字节。",
        "The text is cut into words first, which loses the pairs that reach over a space. Here a space is an ordinary byte.",
    )
)
def cut_into_words(text, num_merges):
    words = [[bytes([byte]) for byte in word.encode("utf-8")] for word in re.findall(r"\s?\S+|\s+", text)]
    merges = []
    while len(merges) < num_merges and (counts := sum(map(counted, words), Counter())):
        pair = best_of(counts)
        if counts[pair] < 2:
            break
        merges.append(pair)
        words = [merged(word, pair) for word in words]
    return merges


@mistake(
    Text(
        "你从字符开始，而不是从字节开始：一个汉字是三个字节，最初的词元只有 256 种。",
        "You start from characters instead of bytes: a Chinese character is three bytes, and there are only 256 tokens to begin "
        "with.",
    )
)
def characters_first(text, num_merges):
    tokens, merges = [char.encode("utf-8") for char in text], []
    while len(merges) < num_merges and (counts := counted(tokens)):
        pair = best_of(counts)
        if counts[pair] < 2:
            break
        merges.append(pair)
        tokens = merged(tokens, pair)
    return merges


@mistake(
    Text(
        "只出现一次的对也被合并了。最高次数小于 2 时应当停下：再合并就只是在背这段文本。",
        "Pairs that occur only once are merged too. Stop when the highest count is below 2: beyond that it learns the text by "
        "heart.",
    )
)
def never_stops_early(text, num_merges):
    return learn(text, num_merges, least=1)


@mistake(
    Text(
        "停得太早：出现 2 次的对还应当合并。",
        "It stops too early: a pair that occurs twice is still merged.",
    )
)
def twice_is_not_enough(text, num_merges):
    return learn(text, num_merges, least=3)


@mistake(
    Text(
        "256 个字节被算进了 `num_merges`。它只数合并。",
        "The 256 bytes are counted into `num_merges`. It counts merges only.",
    )
)
def bytes_counted_as_merges(text, num_merges):
    return learn(text, num_merges - 256)


@mistake(
    Text(
        "每次只替换了第一处。一次合并要替换这一对的所有出现。",
        "Only the first occurrence is replaced. A merge replaces every occurrence of the pair.",
    )
)
def first_occurrence_only(text, num_merges):
    def replace(tokens, pair):
        i = next(i for i in range(len(tokens)) if tuple(tokens[i : i + 2]) == pair)
        return [*tokens[:i], pair[0] + pair[1], *tokens[i + 2 :]]

    return learn(text, num_merges, replace=replace)


@mistake(
    Text(
        "你只在最初数了一次，然后取了次数最多的几对。每次合并之后都要重新数，新词元也能再合并。",
        "You count once at the beginning and take the most frequent pairs. Count again after every merge: new tokens merge too.",
    )
)
def counted_once(text, num_merges):
    counts = counted([bytes([byte]) for byte in text.encode("utf-8")])
    ordered = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return [pair for pair in ordered if counts[pair] >= 2][:num_merges]


@mistake(
    Text(
        "你从右往左替换：`aaa` 变成了 `a`、`aa`。约定从左往右，得到 `aa`、`a`。",
        "You replace from the right: `aaa` becomes `a`, `aa`. From the left it is `aa`, `a`.",
    )
)
def from_the_right(text, num_merges):
    def replace(tokens, pair):
        backwards = merged([token[::-1] for token in tokens[::-1]], (pair[1][::-1], pair[0][::-1]))
        return [token[::-1] for token in backwards[::-1]]

    return learn(text, num_merges, replace=replace)


@mistake(
    Text(
        "你返回的是合并后的词元。要返回成对的 `(左, 右)`。",
        "You return the merged tokens. Return the pairs `(left, right)`.",
    )
)
def joined_tokens_returned(text, num_merges):
    return [left + right for left, right in learn(text, num_merges)]


@mistake(
    Text(
        "换行被改动了（`splitlines` 或读文件时的转换）：`\\r\\n` 是两个字节，都要留下。",
        "Line ends are changed (by `splitlines`, or while reading a file): `\\r\\n` is two bytes, and both stay.",
    )
)
def line_ends_changed(text, num_merges):
    return learn(text.replace("\r\n", "\n"), num_merges)


@mistake(Text("文本被转成了小写：不要改动文本。", "The text is turned into lower case: leave it as it is."))
def lower_case(text, num_merges):
    return learn(text.lower(), num_merges)


@mistake(
    Text(
        "次数相同时你比较的是词元的编号（先学到的较小）。应当比较字节：先比左边，再比右边。",
        "Among equal counts you compare the tokens' ids (earlier ones are smaller). Compare their bytes: the left tokens, "
        "then the right.",
    )
)
def ties_by_id(text, num_merges):
    ids = {bytes([byte]): byte for byte in range(256)}

    def choose(counts):
        pair = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))
        ids.setdefault(pair[0] + pair[1], len(ids))
        return pair

    return learn(text, num_merges, choose=choose)


@variant
def with_latin1_strings(text, num_merges):
    """Characters 0 to 255 stand for the bytes."""
    line = [chr(byte) for byte in text.encode("utf-8")]
    merges = []
    for _ in range(num_merges):
        counts = Counter(pairwise(line))
        (left, right), times = min(counts.items(), key=lambda item: (-item[1], item[0]), default=(("", ""), 0))
        if times < 2:
            break
        merges.append((left.encode("latin-1"), right.encode("latin-1")))
        joined, i = [], 0
        while i < len(line):
            step = 2 if line[i] == left and line[i + 1 : i + 2] == [right] else 1
            joined.append("".join(line[i : i + step]))
            i += step
        line = joined
    return merges


@variant
def with_a_heap(text, num_merges):
    """Counts are kept; a heap gives the best pair, and entries that are out of date are thrown away when they come up."""
    tokens, merges = [bytes([byte]) for byte in text.encode("utf-8")], []
    counts = counted(tokens)
    heap = [(-times, pair) for pair, times in counts.items()]
    heapq.heapify(heap)
    while heap and len(merges) < num_merges:
        times, pair = heapq.heappop(heap)
        if counts.get(pair, 0) != -times:
            continue
        if -times < 2:
            break
        merges.append(pair)
        tokens = merged(tokens, pair)
        renewed = counted(tokens)
        for other in renewed:
            if renewed[other] != counts.get(other, 0):
                heapq.heappush(heap, (-renewed[other], other))
        counts = renewed
    return merges


@variant
def by_places(text, num_merges):
    """Every pair's places instead of its count; the text itself is a list with holes."""
    tokens, merges = [bytes([byte]) for byte in text.encode("utf-8")], []
    while len(merges) < num_merges:
        places = defaultdict(list)
        for i, pair in enumerate(pairwise(tokens)):
            places[pair].append(i)
        often = sorted(((-len(where), pair) for pair, where in places.items() if len(where) > 1))
        if not often:
            break
        pair = often[0][1]
        merges.append(pair)
        taken = -1
        for i in places[pair]:
            if i > taken:
                tokens[i : i + 2] = [pair[0] + pair[1], None]
                taken = i + 1
        tokens = [token for token in tokens if token is not None]
    return merges
