"""What changes a text: encoding repair and masks; and the texts that they must leave alone."""

from __future__ import annotations

from collections import Counter

import pytest

from fledge.data.clean.pii import is_card, is_identity, mask
from fledge.data.clean.repair import lost, repair

SENTENCES = (
    "中文也可以，欢迎使用。今天的天气很好，我们去公园吧！",
    "The “quick” brown fox – it’s 20 °C at the café… naïve résumé, £5.",
    "Ünïcödé straße déjà vu 你好，世界 🙂",
)


@pytest.mark.parametrize("text", SENTENCES)
@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
@pytest.mark.parametrize("times", [1, 2])
def test_utf8_read_as_western_is_read_back(text, wrong, times):
    """As software really does it: the few bytes that Windows-1252 has not become control characters."""
    broken = text
    for _ in range(times):
        data = broken.encode("utf-8")
        broken = "".join(
            bytes([byte]).decode(wrong)
            if wrong == "latin-1" or byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
            else chr(byte)
            for byte in data
        )
    assert broken != text
    assert repair(broken) == text


def test_utf8_read_as_gbk_is_read_back():
    texts = (
        "人工智能技术的应用与发展",
        "我们去公园散步",
        "今天天气很好我很高兴",
        "春天来了",
        "学习语言",
        "你好世界",
    )
    whole = [
        text for text in texts if text.encode("utf-8").decode("gbk", "ignore").encode("gbk") == text.encode("utf-8")
    ]
    assert len(whole) >= 2, "GBK has not every pair of bytes: what is lost cannot be read back"
    for text in whole:
        broken = text.encode("utf-8").decode("gbk")
        assert broken != text and repair(broken) == text
        assert repair(f"title: {broken} (ok)") == f"title: {text} (ok)"


def test_mojibake_inside_good_text_is_read_back():
    assert repair("The word cafÃ© and donâ€™t, 20Â°C.") == "The word café and don’t, 20°C."
    assert repair("标题：ä¸­æ–‡æ•™ç¨‹，完") == "标题：中文教程，完"


GOOD = (
    "résumé, naïve, façade, São Paulo, Ångström, Übung, piñata, crème brûlée",
    "Il a mangé…» dit-elle. « À la carte » ; déjà… où ?",
    "„Spaß“ – groß… „JÄ“ Ä“ ß“",
    "Ação, coração, não; IRMÃ; ARTESÃO",
    "涓涓细流，鐨、鏄、锛是生僻字。",
    "联通 移动 电信，锛 銆 鐨",
    "潞城市在山西。她说：“好的……”（笑）——《论语》",
    "ÄÖÜ äöü ß é è ê ë ô œ Œ æ",
    "5 × 3 ÷ 2 = 7.5 ± 0.1 µm, ½ £ € ¥ © ® ™ § ¶ °C",
    "👩‍👩‍👧 नमस्ते क्‍ष می‌خواهم",
    "def f(x):\n\treturn x  # Ã?\n",
    "繁體中文與日本語のテキスト、한국어도",
)


@pytest.mark.parametrize("text", GOOD)
def test_good_text_stays(text):
    assert repair(text) == text


def test_what_nobody_can_see_goes():
    assert repair("\ufeffa\u200bb\u00adc\x00d\x07e\x7f") == "abcde"
    assert repair("a\r\nb\rc\x0cd\u2028e\x85f") == "a\nb\nc\nd\ne\nf"
    assert repair("\x1b[31mred\x1b[0m") == "red"
    assert repair("cafe\u0301 한") == "café 한"
    assert repair("tab\there\n") == "tab\there\n"
    assert repair("\u200b\ufeff") == ""


@pytest.mark.parametrize("text", [*GOOD, *SENTENCES, "Ã\u200b©lan rÃ\u00ad©sumÃ©", "ï»¿ä¸­æ–‡", "涓\u200b枃缂栫爜闂"])
def test_a_second_repair_changes_nothing(text):
    for broken in (text, text.encode("utf-8").decode("latin-1"), text.encode("utf-8").decode("gbk", "replace")):
        once = repair(broken)
        assert repair(once) == once


def test_lost_characters_are_counted():
    assert lost("a\ufffdb\ufffd\ufffd") == 3
    assert lost("锟斤拷锟斤拷 烫烫烫烫烫烫") == 12
    assert lost("什么是“锟斤拷”？汤很烫烫的。Plain.") == 0


# Masks


def masked(text):
    found = Counter()
    return mask(text, found), dict(found)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("写信给 li.ming+2@mail.tsinghua.edu.cn。", "写信给 <EMAIL>。"),
        ("联系我：someone@qq.com，谢谢", "联系我：<EMAIL>，谢谢"),
        ("电话13812345678，或 +86 139-1234-5678 转。", "电话<PHONE>，或 <PHONE> 转。"),
        ("身份证号11010519491231002X。", "身份证号<ID_CARD>。"),
        ("card 4111 1111 1111 1234? no; 4539 1488 0343 6467 yes", "card 4111 1111 1111 1234? no; <CREDIT_CARD> yes"),
        ("amex 378282246310005.", "amex <CREDIT_CARD>."),
        ("from 39.156.66.10:8080 to 192.168.0.1", "from <IP>:8080 to 192.168.0.1"),
        ("key sk-proj4Hf82kLq0ZtY7vWxB3nM9aR1.", "key <API_KEY>."),
        ("token ghp_16C7e42F292c6912E7710c838347Ae178B4a", "token <API_KEY>"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "<API_KEY>"),
    ],
)
def test_what_points_to_a_person_is_masked(text, expected):
    got, found = masked(text)
    assert got == expected
    assert sum(found.values()) == sum(
        got.count(tag) for tag in ("<EMAIL>", "<PHONE>", "<ID_CARD>", "<CREDIT_CARD>", "<IP>", "<API_KEY>")
    )
    assert masked(got) == (got, {})


@pytest.mark.parametrize(
    "text",
    [
        "圆周率 3.14159265358979323846，e = 2.718281828459045",
        "123456789012345678 + 1 = 123456789012345679; 2**64 = 18446744073709551616",
        "订单号 110105194912310021，ISBN 978-7-111-12345-6, 2023-11-22 08:30:15",
        "版本 1.2.3.4、3.1.4.3 和 v10.11.12.13；第 2.10.3.1 节；300.10.20.30",
        "电话 010-12345678、12345678901、23812345678，时间戳 1700000000000，价格 13812345678.5 元",
        "user@example.com, @someone, a @ b, foo@bar, print(x@y)",
        "sk-your-secret-key-goes-here-please, hf_model, risk-averse-and-long-hyphenated-compounds",
        "1111 1111 1111 1111 and 0000 0000 0000 0000 and 4111111111111112",
        "MAC 00:1A:2B:3C:4D:5E, 127.0.0.1, 10.20.30.40, 0.0.0.0, 255.255.255.0",
        "1380013800 1380013800138 x13800138000y",
    ],
)
def test_other_numbers_and_signs_stay(text):
    assert masked(text) == (text, {})


def test_check_digits():
    assert is_identity("11010519491231002X") and is_identity("440524188001010014") is False  # before 1900
    assert not is_identity("110105194912310021") and not is_identity("11010519491331002X")
    assert is_card("5555555555554444") and is_card("6011111111111117") and not is_card("5555555555554445")
    assert not is_card("5712345678901239"), "Luhn holds, but nobody issues 57"
    assert masked("5712345678901239")[1] == {}
