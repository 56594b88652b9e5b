"""Instruction checkers: what keeps to the instruction passes, a near miss does not."""

from __future__ import annotations

import pytest

from fledge.world.checks import list_items, passes

CASES = [
    (
        {"check": "one_sentence"},
        ["林娜住在青石镇。", "She lives in Mill Town.", "It costs 3.5 coins.", "“好！”", "Really?!"],
        ["", "林娜住在青石镇", "她来了。她走了。", "Yes. She does.", "。", "First. then more", "One.\nTwo"],
    ),
    (
        {"check": "items", "count": 3},
        [
            "苹果、面包、牛奶",
            "苹果、面包和牛奶。",
            "apples, bread and milk",
            "apples, bread, and milk.",
            "1. apples\n2. bread\n3. milk",
            "- 苹果\n- 面包\n- 牛奶",
        ],
        ["苹果、面包", "苹果、面包、牛奶、茶", "苹果、面包、苹果", "apples, bread, Apples", "", "apples bread milk"],
    ),
    (
        {"check": "items", "count": 2, "options": ["rice", "green tea"]},
        ["rice, green tea", "Green tea and rice."],
        ["rice, tea", "rice, rice", "the rice, green tea"],
    ),
    (
        {"check": "json_keys", "keys": ["name", "job"]},
        ['{"name": "林娜", "job": "医生"}', '{"job": "cook", "name": 3}'],
        [
            '{"name": "林娜"}',
            '{"name": "林娜", "job": "医生", "age": 3}',
            '["name", "job"]',
            'Sure: {"name": "a", "job": "b"}',
            '{"name": "", "job": "b"}',
            "{'name': 'a', 'job': 'b'}",
            '{"name": null, "job": "b"}',
            '{"name": true, "job": "b"}',
            "",
        ],
    ),
    (
        {"check": "language", "lang": "zh"},
        ["林娜住在青石镇。"],
        ["Lin Na 住在青石镇。", "She lives there.", "中文：鱼", "42。", ""],
    ),
    (
        {"check": "language", "lang": "en"},
        ["Lin Na lives there."],
        ["林娜 lives there.", "林娜。", "English: fish", "12.", ""],
    ),
    ({"check": "max_chars", "limit": 5}, ["青石镇。", "1234.", " 1234。\n"], ["", "  ", "。", "青石镇", "12345."]),
    (
        {"check": "begins", "word": "Sure"},
        ["Sure, it is rice.", "Sure: rice."],
        ["Sure: rice", "Surely it is rice.", "sure, rice.", "Well, sure.", "Sure", "Sure."],
    ),
    (
        {"check": "begins", "word": "好的"},
        ["好的，是米饭。", "好的米饭。"],
        ["是的，好的。", "好，米饭。", "好的，是米饭", "好的。"],
    ),
    (
        {"check": "not_known"},
        [
            "我不认识王小七。",
            "对不起，我没听说过这个人。",
            "Sorry, I don't know anyone called Tom.",
            "I have never heard of Tom.",
        ],
        ["他不知道。", "You know Tom.", "I know Tom.", "王小七住在青石镇。", "", "Tom never heard of it."],
    ),
]


@pytest.mark.parametrize(
    "spec, right, wrong", CASES, ids=lambda value: str(value.get("check")) if isinstance(value, dict) else ""
)
def test_check_accepts_right_and_rejects_near_misses(spec, right, wrong):
    assert [answer for answer in right if not passes(answer, spec)] == []
    assert [answer for answer in wrong if passes(answer, spec)] == []


def test_list_items_keeps_the_words_of_an_item_together():
    assert list_items("1. green tea\n2. sandwich") == ["green tea", "sandwich"]
    assert list_items("- 和平鸽\n- 茶") == ["和平鸽", "茶"]


def test_an_unknown_check_is_a_programming_error():
    with pytest.raises(KeyError):
        passes("text", {"check": "no_such_check"})
