"""Plots that any machine can show: Chinese with a font that has it, else English, never empty boxes."""

from __future__ import annotations

import functools
from typing import Any

from fledge.lang import Text

CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Hiragino Sans GB", "Heiti SC", "Heiti TC", "STHeiti", "SimHei", "SimSun", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Noto Sans CJK JP", "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip


@functools.cache
def cjk_font() -> str | None:
    """The name of an installed font that has Chinese, or None."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CJK_FONTS if name in installed), None)


def bitmap_settings() -> dict[Any, Any]:
    """matplotlib's settings for a picture whose letters are drawn here (PNG)."""
    font = cjk_font()
    return {"font.sans-serif": [*([font] if font else []), "DejaVu Sans"], "axes.unicode_minus": False}


def vector_settings() -> dict[Any, Any]:
    """matplotlib's settings for an SVG whose letters stay letters: the reader's own fonts draw them."""
    fonts = ["DejaVu Sans", "Arial", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC"]
    return {"font.family": fonts, "svg.fonttype": "none", "svg.hashsalt": "fledge", "axes.unicode_minus": False}


def drawable(text: Text) -> str:
    """The words that a bitmap can show: the learner's language, or English where no font has Chinese."""
    return str(text) if cjk_font() else text.en
