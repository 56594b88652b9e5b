"""What train_bpe must do. Oracle: the rules of the task, counted and compared position by position (Sennrich et al., 2016);
the replacing is `merge_pair` of our own tokenizer, whose tests hold it against Hugging Face's library.
"""

from __future__ import annotations

import torch

from fledge.course.grader.checking import Case, Text
from fledge.tokenizer.bpe import merge_pair


def oracle(text: str, num_merges: int) -> list[tuple[bytes, bytes]]:
    # numbers instead of bytes; joined[n] are the bytes of token n, and equal bytes have one number
    joined = [bytes([byte]) for byte in range(256)]
    ids = list(text.encode("utf-8"))
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(num_merges):
        count: dict[tuple[int, int], int] = {}
        for i in range(len(ids) - 1):
            count[ids[i], ids[i + 1]] = count.get((ids[i], ids[i + 1]), 0) + 1
        most = max(count.values(), default=0)
        if most < 2:
            break
        best = sorted((pair for pair in count if count[pair] == most), key=lambda pair: [joined[id] for id in pair])[0]
        merges.append((joined[best[0]], joined[best[1]]))
        token = b"".join(merges[-1])
        if token not in joined:
            joined.append(token)
        ids = merge_pair(ids, best, joined.index(token))
    return merges


def random_text(rng: torch.Generator, alphabet: str, length: int) -> str:
    return "".join(alphabet[int(i)] for i in torch.randint(0, len(alphabet), (length,), generator=rng))


def random_words(rng: torch.Generator, words: str, length: int, between: str = " ") -> str:
    listed = words.split()
    return between.join(listed[int(i)] for i in torch.randint(0, len(listed), (length,), generator=rng))


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, text: str, num_merges: int, zh: str, en: str) -> Case:
        return Case(name, (text, num_merges), about=Text(zh, en))

    english = random_words(rng, "the theme then other mother lower lowest newer newest wide wider", 60)
    chinese = random_words(rng, "小鸡 小鸟 大鸟 小猫 大猫 飞了 跑了 飞走了 跑走了", 40, "，") + "。"
    return [
        case("banana", "banana", 5, "题目里的例子", "the example of the task"),
        case("overlaps", "aaaa aaa aaaaa", 4, "重叠的对：aaa", "overlapping pairs: aaa"),
        case("odd_runs", "baaa caaa baaa caaa aaab", 6, "奇数个相同的字母", "odd runs of a letter"),
        case("ties", "zyzy xwxw abab dcdc", 4, "次数相同的对", "pairs with equal counts"),
        case("tied_left", "acab acab adae", 3, "左边相同，比右边", "equal on the left: the right side decides"),
        case("words", "low low low lower newest newest newest widest", 12, "一行英文", "a line of English"),
        case("english", english, 30, "随机的英文单词", "random English words"),
        case("spaces", random_words(rng, "a b c d", 40), 8, "跨过空格的对", "pairs that reach over a space"),
        case("lines", "one\r\ntwo\r\none\r\ntwo\r\n\r\none two", 10, "换行是 \\r\\n", "lines that end in \\r\\n"),
        case("chinese", chinese, 25, "中文：一个字三个字节", "Chinese: three bytes a character"),
        case("emoji", "😀😀😁😀 😁😁 é è é", 12, "表情符号和带重音的字母", "emoji and accents"),
        case("mixed", "The THE the ThE tHe the The", 8, "大小写不同", "upper and lower case"),
        case("many", "abcabcabc", 1000, "要的合并比有的多", "more merges wanted than there are"),
        case("no_pair_twice", "abcdef", 3, "没有出现两次的对", "no pair occurs twice"),
        case("one_merge", "xyxyxz", 1, "只要一个合并", "a single merge"),
        case("none", "abab", 0, "一个合并也不要", "no merges wanted"),
        case("one_letter", "a", 3, "只有一个字母", "a single letter"),
        case("empty", "", 3, "空文本", "empty text"),
        case("random", random_text(rng, "abc", 300), 25, "随机的字母", "random letters"),
    ]
