"""Text that went through a wrong encoding, or carries what nobody can see. A repair is made only when it is certain.

Mojibake is UTF-8 bytes read as something else; reading the wrong characters back into bytes and decoding those as UTF-8
is the repair. That the bytes of ordinary text happen to be valid UTF-8 is rare but possible, so more is asked:

- read as Latin-1 or Windows-1252 (`ä¸­æ–‡`, `donâ€™t`): one typographic mark or emoji, one accented letter inside a word
  (`rÃ©sumÃ©`), or two common Chinese characters are certain; then all that decodes is decoded (`20 Â°C` too). `é…»` of a
  French text is valid UTF-8 as well, but makes one rare character: it stays.
- read as GBK (`涓枃`): a stretch must decode whole, into common Chinese, and not have been common Chinese before.

Characters already lost (U+FFFD, 锟斤拷) cannot be brought back; `lost` counts them.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata

BYTE = {chr(byte): byte for byte in range(0x80, 0x100)}  # character -> the byte it was, Latin-1 …
for _byte in range(0x80, 0xA0):  # … and Windows-1252
    with contextlib.suppress(UnicodeDecodeError):
        BYTE[bytes([_byte]).decode("cp1252")] = _byte
_CONTINUES = "[" + "".join(re.escape(char) for char, byte in BYTE.items() if 0x80 <= byte <= 0xBF) + "]"
SEQUENCE = re.compile(f"[\u00f0-\u00f4]{_CONTINUES}{{3}}|[\u00e0-\u00ef]{_CONTINUES}{{2}}|[\u00c2-\u00df]{_CONTINUES}")
LEADS = re.compile("[\u00c2-\u00f4]" + _CONTINUES)

_HEADS = [bytes([lead, trail]) for lead in (*range(0xE3, 0xEA), 0xEF) for trail in range(0x80, 0xC0)]
GBK_SIGNS = re.compile(
    "[" + "".join(head.decode("gbk", "ignore") for head in _HEADS) + "]"
)  # 锛銆涓浠…: how UTF-8 begins
GBK_STRETCH = re.compile("[^\x00-\x7f]{4,}")

ANSI = re.compile("\x1b\\[[0-9;]*[A-Za-z]")  # colours of a terminal
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u200b\u2060\u00ad\ufff9-\ufffb]")
BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
SUSPECT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u200b\u2028\u2029\u2060\u00ad\ufff9-\ufffb]")
PLAIN = bytes([9, 10, *range(32, 127)])
LOST = re.compile("\ufffd+|(?:锟斤拷){2,}|烫{6,}|屯{6,}")
LOST_SIGNS = ("\ufffd", "锟斤拷", "烫烫", "屯屯")
MARKS = re.compile("[\u2010-\u203a\u20ac\u2122\U0001f300-\U0001faff]")


def repair(text: str) -> str:
    """The text with its encoding mended, `\\n` line ends, nothing invisible, in NFC. A second call changes nothing."""
    if text.isascii():
        return tidy(text)
    for _ in range(4):  # what is left of a repair may need one itself: until nothing changes
        before = text
        for _ in range(4):  # read wrongly twice, or in two ways
            mended = _gbk(_latin(text))
            if mended == text:
                break
            text = mended
        text = tidy(text)
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        if text == before:
            break
    return text


def tidy(text: str) -> str:
    """Without control and invisible characters (tab and line feed stay, and the joiners of emoji and of Indic scripts)."""
    suspect = text.encode().translate(None, PLAIN) if text.isascii() else SUSPECT.search(text)
    return CONTROL.sub("", ANSI.sub("", BREAKS.sub("\n", text))) if suspect else text


def lost(text: str) -> int:
    """How many characters can be seen to be lost for good."""
    if text.isascii() or not any(sign in text for sign in LOST_SIGNS):
        return 0
    return sum(map(len, LOST.findall(text)))


def _latin(text: str) -> str:
    if not LEADS.search(text):
        return text
    certainty = 0.0
    found: list[tuple[int, int, str]] = []
    for match in SEQUENCE.finditer(text):
        try:
            decoded = bytes(BYTE[char] for char in match[0]).decode("utf-8")
        except UnicodeDecodeError:
            continue
        certainty += _certainty(decoded, text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1])
        found.append((match.start(), match.end(), decoded))
    if certainty < 1:
        return text
    out, last = [], 0
    for start, end, decoded in found:
        out += [text[last:start], decoded]
        last = end
    return "".join(out) + text[last:]


def _certainty(decoded: str, before: str, after: str) -> float:
    """How much one sequence proves: 1 is proof."""
    if MARKS.match(decoded):
        return 1.0
    if decoded < "\u0180" and decoded.isalpha() and any(side.isascii() and side.islower() for side in (before, after)):
        return 1.0
    if decoded < "\u0100":  # `Ã¤Â¸Â­`: four in one text are what was read wrongly twice
        return 0.25
    return 0.5 if _common(decoded) == 1 else 0.0


def _gbk(text: str) -> str:
    return GBK_STRETCH.sub(_gbk_stretch, text) if GBK_SIGNS.search(text) else text


def _gbk_stretch(match: re.Match[str]) -> str:
    stretch = match[0]
    try:
        decoded = stretch.encode("gbk").decode("utf-8")
    except UnicodeError:
        return stretch
    return decoded if _common(decoded) >= 0.9 and _common(stretch) < 0.8 else stretch


def _common(text: str) -> float:
    """Share of characters that are common Chinese: GB 2312 level 1, or its punctuation."""
    leads = [char.encode("gb2312", "replace")[0] for char in text]
    return sum(0xB0 <= lead <= 0xD7 or 0xA1 <= lead <= 0xA3 for lead in leads) / len(leads)
