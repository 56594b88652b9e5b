"""The filters, with what they must drop and, above all, what they must not."""

from __future__ import annotations

import pytest

from fledge.data.clean.filters import counts_of, language, repetition, wrong_language, wrong_length

FUYI = (
    "采采芣苢，薄言采之。采采芣苢，薄言有之。\n采采芣苢，薄言掇之。采采芣苢，薄言捋之。\n"
    "采采芣苢，薄言袺之。采采芣苢，薄言襭之。"
)
SHUSHU = (
    "硕鼠硕鼠，无食我黍！三岁贯女，莫我肯顾。逝将去女，适彼乐土。乐土乐土，爰得我所。\n"
    "硕鼠硕鼠，无食我麦！三岁贯女，莫我肯德。逝将去女，适彼乐国。乐国乐国，爰得我直。\n"
    "硕鼠硕鼠，无食我苗！三岁贯女，莫我肯劳。逝将去女，适彼乐郊。乐郊乐郊，谁之永号？"
)
SHULI = "".join(
    f"彼黍离离，彼稷之{word}。行迈靡靡，中心{heart}。知我者，谓我心忧；不知我者，谓我何求。悠悠苍天，此何人哉？\n"
    for word, heart in (("苗", "摇摇"), ("穗", "如醉"), ("实", "如噎"))
)
SONG = "\n".join(
    f"{verse}\nOld MacDonald had a farm, E-I-E-I-O\nWith a {noise} here and a {noise} there"
    for verse, noise in (
        ("On that farm he had a cow", "moo"),
        ("On that farm he had a pig", "oink"),
        ("On that farm he had a duck", "quack"),
    )
)
CODE = """#include <stdio.h>
#define MAX 10
int clamp(int x, int low, int high) {
    if (x < low) {
        return low;
    }
    if (x > high) {
        return high;
    }
    return x;
}

int main(void) {
    int total = 0;
    for (int i = 0; i < MAX; i++) {
        total += clamp(i, 2, 7);
    }
    for (int i = MAX; i > 0; i--) {
        total -= i;
    }
    printf("%d\\n", total);
    return 0;
}
"""
TABLE = "| name | q1 | q2 | q3 |\n|------|----|----|----|\n" + "\n".join(
    f"| item {i} | {i} | {i * 7} | 0 |" for i in range(12)
)
PRODUCTS = "\n".join(f"{a} × {b} = {a * b}" for a in range(1, 10) for b in range(1, 10))
DIVISIONS = "\n".join(
    f"{n} ÷ 2 = {n // 2} ... {n % 2}" for n in (6699, 3349, 1674, 837, 418, 209, 104, 52, 26, 13, 6, 3)
)
EMPERORS = "、".join(
    f"唐{name}宗李{own}"
    for name, own in zip("高太中睿玄肃代德顺宪穆敬文武宣懿僖昭", "渊民显旦基亨豫适诵纯恒湛昂炎忱漼儇晔")
)
PLAY = """ROMEO:
Can I go forward when my heart is here?

JULIET:
O Romeo, wherefore art thou Romeo?

ROMEO:
Shall I hear more, or shall I speak at this?

JULIET:
What man art thou that thus bescreen'd in night?

ROMEO:
By a name I know not how to tell thee who I am.

JULIET:
Art thou not Romeo and a Montague?

ROMEO:
Neither, fair saint, if either thee dislike.

JULIET:
How camest thou hither, tell me, and wherefore?
"""
FOODS = ("butter", "eggs", "tofu", "bread", "rice", "salt", "sugar", "milk", "tea", "flour", "oil", "honey")
LIST = "\n".join(f"- {food}: could be found in the kitchen" for food in FOODS)
BOARD = (
    "- - - - - - - -\n" * 2 + "扫雷的棋盘如上所示，每个格子要么是地雷，要么是周围地雷的数目，请先点击左上角的格子开始。"
)

GOOD = {
    "fuyi": FUYI, "shushu": SHUSHU, "shuli": SHULI, "song": SONG, "code": CODE, "table": TABLE, "products": PRODUCTS,
    "divisions": DIVISIONS, "emperors": EMPERORS, "play": PLAY, "list": LIST, "board": BOARD,
    "title": "# Title\n## Author\n## Year\n-------\n## Chapter 1\n### The beginning\n# A\n# B\n# C\n# D\n# E",
    "csharp": "C# 和 F# 哪个好？C# 更常用，C# 的工具多，C# 的资料多，C# 的岗位多；F# 更简洁，F# 更安全，F# 更函数式，F# 更小众。",
    "laugh": "哈哈哈哈哈哈哈哈哈哈", "short": "是的。", "yes": "Yes.",
    "prose": "春天来了，花园里的花都开了。孩子们在树下读书，老师说今天的作业不多。" * 2,
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_texts_stay(name):
    assert repetition(GOOD[name], counts_of(GOOD[name])) is None


WORDS = [
    f"{a}{b}"
    for a in ("bright", "calm", "dark", "early", "fresh", "golden", "hidden", "inner", "joyful", "kind")
    for b in FOODS
]
STORY = "从前有一个小村庄，村里住着一位老木匠，他每天清晨都会到山上去砍柴，傍晚再背着柴回家。"
BAD = {
    "repeated lines": "\n".join(
        [f"第{i}行的内容各不相同，讲的是另一件事" for i in range(6)] + ["点击这里查看更多精彩内容，关注我们"] * 6
    ),
    "repeated sentences": STORY + "他觉得这件事很有意思。" * 30,
    "one phrase fills the text": STORY + "有意思的" * 60,
    "repeats itself (by its compressed size)": "他走过长长的街道，看见一只白猫，又看见一只黑狗，" * 30,
    "mostly symbols": "░░▀███░░░░▀██░░░░██▀░░░░██░░" * 4,
    "too many hashtags": "Nice day " + " ".join(f"#tag{i} #weather" for i in range(12)),
    "lines that break off": "\n".join(" ".join(words) + "…" for words in zip(*[iter(WORDS[:80])] * 8)),
}


@pytest.mark.parametrize(
    "loop", ["buy now " * 80, "我不知" * 60, "ha ha ha, he said. " * 30, "好的，" * 50 + "我们出发吧。"]
)
def test_loops_of_any_period_are_phrases(loop):
    text = STORY + loop if loop[0] > "z" else "This is a short introduction to our shop. " + loop
    found = repetition(text, counts_of(text))
    assert found is not None and found[0] in ("one phrase fills the text", "repeated sentences")


@pytest.mark.parametrize("reason", BAD)
def test_bad_texts_go_for_the_right_reason(reason):
    found = repetition(BAD[reason], counts_of(BAD[reason]))
    assert found is not None and found[0] == reason


def test_the_bound_of_lines_is_where_it_is_said_to_be():
    unique = [" ".join(words) for words in zip(*[iter(WORDS)] * 8)][:14]
    for copies, dropped in ((5, False), (9, True)):  # 4 of 18 lines stood before: 22 %; 8 of 22: 36 %
        text = "\n".join(unique[1:] + [unique[0]] * copies)
        assert (repetition(text, counts_of(text)) is not None) == dropped


@pytest.mark.parametrize(
    "text, shares",
    [
        ("今天天气很好", (1, 0, 0)),
        ("The weather is fine", (0, 1, 0)),
        ("用 Python 写函数", (12 / 18, 6 / 18, 0)),
        ("Сегодня хорошая погода", (0, 0, 1)),
        ("今日は天気がいいですね", (0, 0, 1)),
        ("動画《となり》的中文介紹很長很長很長很長很長很長很長", (21 / 24, 0, 3 / 24)),
        ("한국어 문장입니다", (0, 0, 1)),
        ("12345 + 67890 = ?", (0, 0, 0)),
        ("café naïve Übung", (0, 1, 0)),
        ("《捣练子・□□》楼上鼓", (1, 0, 0)),
    ],
)
def test_language_by_script(text, shares):
    assert tuple(language(counts_of(text)).values()) == pytest.approx(shares)


def test_the_language_filter_needs_a_majority():
    wanted = ("zh", "en")
    assert wrong_language(language(counts_of("Сегодня хорошая погода")), wanted)
    assert wrong_language(language(counts_of("这句话的俄语是 Сегодня 吗？请翻译成中文")), wanted) is None
    assert wrong_language(language(counts_of("1 + 1 = 2")), wanted) is None
    assert wrong_language(language(counts_of("The weather")), ("zh",)) and not wrong_language(
        language(counts_of("天气")), ("zh",)
    )


def test_length_counts_what_can_be_seen():
    assert wrong_length(counts_of("  \n"), 0, 0) == ("too short", 0)
    assert wrong_length(counts_of("a b"), 2, 0) is None and wrong_length(counts_of("a b"), 3, 0) == ("too short", 2)
    assert wrong_length(counts_of("中文字符"), 1, 3) == ("too long", 4)


@pytest.mark.parametrize("text", [*GOOD.values(), *BAD.values(), "a\tb\x0b c 1２ Ａ é"])
def test_ascii_is_counted_as_the_rest(text):
    """ASCII text takes a shorter way, which must come to the same."""
    plain = text.encode("ascii", "ignore").decode()
    with_more = counts_of(plain + "中")
    with_more[4] -= 1
    assert counts_of(plain) == with_more
