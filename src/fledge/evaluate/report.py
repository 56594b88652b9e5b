"""A world report as a table for people: every number beside its uncertainty, and beside the floor or chance."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from fledge.evaluate.interval import Rate
from fledge.evaluate.score import Score
from fledge.evaluate.world import HALLUCINATION, WorldReport
from fledge.lang import say

TEXTS = {
    "all": ("全部", "all"),
    "zh": ("中文", "Chinese"),
    "en": ("英文", "English"),
    "both": ("中英对照", "both languages"),
}
TAGS = {
    "template": ("句式", "template"),
    "choice": ("随意的选词", "free choice"),
    "name": ("名字", "name"),
    "common": ("常见的事实", "common fact"),
    "rare": ("少见的事实", "rare fact"),
    "arithmetic": ("算术", "arithmetic"),
    "state": ("前文的内容", "carried state"),
}
FAMILIES = {
    "fact_seen_form": ("事实，见过的问法", "facts, seen forms"),
    "fact_heldout_form": ("事实，没见过的问法", "facts, new forms"),
    "fact_unasked": ("只读过的事实", "facts only read"),
    "fact_cross_language": ("只在另一语言读过", "other language"),
    "two_hop": ("两个事实连起来", "two hops"),
    "arithmetic_seen": ("加法，见过的数", "sums, seen"),
    "arithmetic_heldout": ("加法，没见过的数", "sums, new"),
    "format": ("按要求的格式", "format"),
    HALLUCINATION: ("幻觉（越低越好）", "hallucination ↓"),
}


def print_world(report: WorldReport, console: Console | None = None) -> None:
    """Print a report in the learner's language."""
    console = console or Console()
    console.print(_bits_table(report))
    console.print(_rates_table(report))
    console.print(
        say(
            "[ ] 是 95% 置信区间；“瞎猜”是什么都不知道时的期望。幻觉：问到不存在的人，却没有说“不知道”。",
            "[ ] is the 95 % interval; 'chance' is what knowing nothing would get. Hallucination: asked about people who "
            "do not exist, it did not say that it does not know.",
        ),
        markup=False,
    )


def print_scores(scores: dict[str, Score], console: Console | None = None) -> None:
    """Print the scores of text files (path -> score)."""
    table = Table(title=say("文本上的惊讶程度", "Surprise over texts"))
    for heading in (
        say("文件", "file"),
        say("比特/字节", "bits/byte"),
        say("困惑度", "perplexity"),
        say("词元", "tokens"),
        say("字节", "bytes"),
    ):
        table.add_column(heading, justify="left" if not table.columns else "right")
    for name, score in scores.items():
        table.add_row(
            Path(name).name, f"{score.bpb:.4f}", f"{score.perplexity:.2f}", f"{score.tokens:,}", f"{score.bytes:,}"
        )
    (console or Console()).print(table)


def _bits_table(report: WorldReport) -> Table:
    table = Table(
        title=say("每字节比特数（验证文本），与下限相比", "Bits per byte on validation text, beside the floor")
    )
    for heading in ("", say("模型", "model"), "±", say("下限", "floor"), say("高出", "above"), say("字节", "bytes")):
        table.add_column(heading, justify="right" if table.columns else "left")
    for names, kinds in ((TEXTS, report.bits), (TAGS, report.bits_by_tag)):
        for key in [*(k for k in names if k in kinds), *(k for k in kinds if k not in names)]:
            bits = kinds[key]
            above = f"{bits.bpb / bits.floor - 1:+.1%}" if bits.floor > 0.05 else f"{bits.bpb - bits.floor:+.3f}"
            table.add_row(
                say(*names.get(key, (key, key))), f"{bits.bpb:.3f}", f"{bits.half_width:.3f}", f"{bits.floor:.3f}",
                above, f"{bits.bytes:,}",
            )  # fmt: skip
        table.add_section()
    return table


def _rates_table(report: WorldReport) -> Table:
    table = Table(title=say("回答问题", "Answers"))
    for heading in (
        "",
        say("答对", "right"),
        say("95% 区间", "95 % interval"),
        say("瞎猜", "chance"),
        "n",
        say("中文", "zh"),
        say("英文", "en"),
    ):
        table.add_column(heading, justify="right" if table.columns else "left")
    for key in [*(k for k in FAMILIES if k in report.rates), *(k for k in report.rates if k not in FAMILIES)]:
        rate = report.rates[key]
        low, high = rate.interval
        by_lang = [_percent(report.rates_by_lang.get(lang, {}).get(key)) for lang in ("zh", "en")]
        table.add_row(
            say(*FAMILIES.get(key, (key, key))), _percent(rate), f"[{low:.1%}, {high:.1%}]".replace("[", r"\["),
            f"{rate.chance:.1%}", str(rate.n), *by_lang,
        )  # fmt: skip
    return table


def _percent(rate: Rate | None) -> str:
    return "-" if rate is None or not rate.n else f"{rate.value:.1%}"
