"""The experiment notebook: a dated record of a run, made from what the run itself wrote down.

Numbers come from run.json and metrics.jsonl alone. What only the learner knows, the hypothesis and the conclusion, is a
line to fill in when it is not given: nothing is invented. Two runs beside each other prove something about one setting
only when that is all they differ in, so what they differ in is computed from their configs and data, not asked for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fledge.course.comparing import changes, told
from fledge.course.markdown import section, shown, table, words
from fledge.course.sources import read_yaml
from fledge.course.workspace import write_once
from fledge.errors import UserError
from fledge.lang import Text, say
from fledge.records import Run

NUMBERS = ("loss", "val_loss", "val_bpb")
SAMPLES, SAMPLE_CHARACTERS = 3, 300


def record(
    run: Run,
    against: Run | None = None,
    *,
    hypothesis: str | None = None,
    conclusion: str | None = None,
    today: date,
    beside: Path,
) -> str:
    """The record of a run as Markdown, in the learner's language; `beside` is the folder that it will lie in."""
    found = changes(against, run) if against else None
    what = "lab" if run.info.get("job") == "lab" else "run"
    if found is not None:  # a fair comparison, of one thing, is told apart: a learning path asks for one
        what = "comparison" if len(found.settings) == 1 else "against"
    names = say(f"{run.name}，对照 {against.name}", f"{run.name} against {against.name}") if against else run.name
    runs = [run] if against is None else [against, run]
    expected = hypothesis or say("我预计会发生什么，为什么：______", "What I expect, and why: ______")
    learnt = conclusion or say(
        "数字说明了什么，没有说明什么：______", "What the numbers say, and what they do not: ______"
    )
    parts = [
        f"<!-- fledge log {what}: {run.name} -->",
        "# " + say(f"实验记录：{names}", f"Experiment: {names}"),
        say(f"记录日期：{today}", f"written: {today}"),
        section(say("假设", "Hypothesis"), expected),
        *([section(say("改变的变量", "What was changed"), told(found, against, run))] if against and found else []),
        section(say("怎么做的", "How it was done"), "\n\n".join(_how(one, titled=len(runs) > 1) for one in runs)),
        section(say("结果", "Results"), _results(runs)),
        *_lab_parts(run, beside),
        *_samples(runs),
        section(say("结论", "Conclusion"), learnt),
        section(say("下一步", "Next"), say("下一次只改哪一个变量：______", "The one thing to change next: ______")),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def training_table(runs: Iterable[Run]) -> str:
    """Every training run as a row of Markdown: date, command, memory, loss, the last sample."""
    head = say("日期/命令/内存 (MB)/损失/样例", "date/command/memory (MB)/loss/sample")
    rows = [head.split("/")]
    for run in sorted(runs, key=lambda run: (run.info.get("started", ""), run.name)):
        if run.info.get("job") == "lab":
            continue
        said = [words(_sampled(row), 60) for row in run.samples()]
        rows.append(
            [
                str(run.info.get("started", ""))[:10],
                _command(run),
                shown(_memory(run)),
                _arrow(run, "loss"),
                said[-1] if said else "",
            ]
        )
    return table(rows)


def template(name: str) -> str:
    """An empty form in the learner's language."""
    found = templates()
    if name not in found:
        raise UserError(
            say(
                f"没有叫 '{name}' 的模板；模板有：{'、'.join(found)}。",
                f"there is no template '{name}'; there are {', '.join(found)}.",
            )
        )
    return f"<!-- fledge log {name} -->\n{found[name].strip()}\n"


def templates() -> dict[str, str]:
    said = read_yaml(Path(__file__).parent / "templates.yaml")
    return {name: str(Text(**text)) for name, text in said.items()}


def write_new(folder: Path, name: str, text: str, today: date) -> Path:
    """Write folder/YYYY-MM-DD-name.md, with -2, -3, … behind it when that is taken: nothing is overwritten."""
    base = re.sub(r"[^\w.-]+", "-", name).strip("-") or "record"
    for number in range(1, 1000):
        file = folder / f"{today.isoformat()}-{base}{'' if number == 1 else f'-{number}'}.md"
        if write_once(file, text):
            return file
    raise UserError(
        say(
            f"'{folder}' 里叫 '{base}' 的记录已经有一千份：先移走一些。",
            f"'{folder}' holds a thousand records called '{base}': move some away.",
        )
    )


# What one run says


def _how(run: Run, titled: bool) -> str:
    machine, versions = run.info.get("machine") or {}, run.info.get("versions") or {}
    parts = [machine.get("cpu"), machine.get("gpu")]
    cores, memory = machine.get("cores"), machine.get("ram_gb")
    parts += [say(f"{cores} 核", f"{cores} cores") if cores else None, f"{memory} GB" if memory else None]
    lines = [
        (say("命令", "command"), _command(run)),
        (say("数据", "data"), _data(run)),
        (say("随机种子", "seed"), shown(run.info.get("seed"))),
        (say("机器", "machine"), ", ".join(str(part) for part in parts if part)),
        (say("精度", "precision"), shown(run.info.get("precision"))),
        (say("版本", "versions"), ", ".join(f"{name} {versions[name]}" for name in ("fledge", "torch") if versions.get(name))),
        (say("代码版本", "commit"), (run.info.get("git_commit") or "")[:12]),
        (say("开始", "started"), str(run.info.get("started") or "")),
        (say("记录", "record"), f"`{run.path.as_posix()}`"),
    ]  # fmt: skip
    head = [f"**{run.name}**", ""] if titled else []
    return "\n".join([*head, *(f"- {name}: {value}" for name, value in lines if value and value != "-")])


def _command(run: Run) -> str:
    return f"`{run.info['command']}`" if run.info.get("command") else ""


def _data(run: Run) -> str:
    train = (run.info.get("data") or {}).get("train") or {}
    files = [f"{entry.get('file')} (sha256 {str(entry.get('sha256', ''))[:8]})" for entry in train.get("inputs") or []]
    tokens = train.get("tokens")
    return ", ".join(files) + (say(f"，{tokens:,} 词元", f", {tokens:,} tokens") if files and tokens else "")


def _results(runs: Sequence[Run]) -> str:
    rows = [["", *(run.name for run in runs)], [say("状态", "status"), *(str(run.info.get("status")) for run in runs)]]
    names = {
        "loss": say("训练损失，开始 → 最后", "training loss, first → last"),
        "val_loss": say("验证损失，开始 → 最后", "validation loss, first → last"),
        "val_bpb": say("每字节比特数，开始 → 最后", "bits per byte, first → last"),
    }
    rows += [[names[name], *(_arrow(run, name) for run in runs)] for name in NUMBERS]
    rows.append([say("步数", "steps"), *(shown(_last(run, "step")) for run in runs)])
    tokens = (_last(run, "tokens") for run in runs)
    rows.append([say("词元数", "tokens"), *("-" if count is None else f"{count:,}" for count in tokens)])
    rows.append([say("用时（秒）", "seconds"), *(shown(_seconds(run)) for run in runs)])
    rows.append([say("内存最高 (MB)", "peak memory (MB)"), *(shown(_memory(run)) for run in runs)])
    said = table([row for row in rows if any(cell not in ("-", "") for cell in row[1:])])
    unfinished = [run.name for run in runs if run.info.get("status") != "done"]
    if unfinished:
        said += "\n\n" + say(
            f"没有跑完：{'、'.join(unfinished)}，数字只到停下为止。",
            f"Not finished: {', '.join(unfinished)}; its numbers go as far as it got.",
        )
    return said


def _lab_parts(run: Run, beside: Path) -> list[str]:
    """Of a lab: what was predicted, the verdict on every claim, and the picture."""
    results, config = run.info.get("results") or {}, run.info.get("config") or {}
    if run.info.get("job") != "lab":
        return []
    words = {
        "SUPPORTED": say("成立", "supported"),
        "NOT SUPPORTED": say("不成立", "not supported"),
        "INCONCLUSIVE": say("无法判断", "inconclusive"),
    }
    lines = [f"- {name}: {words.get(word, word)}" for name, word in (results.get("verdicts") or {}).items()]
    arms = ", ".join(
        f"{arm} {json.dumps(change, ensure_ascii=False)}" for arm, change in (config.get("arms") or {}).items()
    )
    arms = say(f"各组：{arms}", f"arms: {arms}")
    parts = [section(say("实验", "Lab"), f"`{config.get('lab')}`\n\n{arms}")]
    if guess := results.get("prediction"):
        right = say("对了", "right") if guess.get("right") else say("不对", "wrong")
        choice, outcome = guess.get("choice"), guess.get("outcome")
        if (sure := guess.get("confidence")) is not None:
            choice = f"{choice} ({sure:.0%})"
        lines.insert(0, say(f"- 预测：{choice} → {outcome}，{right}", f"- prediction: {choice} → {outcome}, {right}"))
    parts.append(section(say("预测和结论", "Prediction and verdicts"), "\n".join(lines)))
    if (run.path / "figure.png").is_file():
        try:
            where = Path(os.path.relpath(run.path / "figure.png", beside)).as_posix()
        except ValueError:  # Windows: another drive
            where = (run.path / "figure.png").as_posix()
        parts.append(f"![{config.get('lab')}]({where})")
    return parts


def _samples(runs: Sequence[Run]) -> list[str]:
    """What each run wrote at its last sampling."""
    parts = []
    for run in runs:
        rows = run.samples()
        last = [row for row in rows if row.get("step") == rows[-1].get("step")][:SAMPLES] if rows else []
        if last:
            text = "\n".join(words(_sampled(row), SAMPLE_CHARACTERS) for row in last)
            fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
            title = f"**{run.name}**\n\n" if len(runs) > 1 else ""
            parts.append(f"{title}{fence}text\n{text}\n{fence}")
    return [section(say("样例输出", "Samples"), "\n\n".join(parts))] if parts else []


def _sampled(row: dict[str, Any]) -> str:
    return f"{row.get('prompt', '')}▸{row.get('text', '')}"


def _arrow(run: Run, name: str) -> str:
    """first → last of what was logged under that name."""
    values = [row[name] for row in run.metrics() if isinstance(row.get(name), (int, float))]
    return "-" if not values or run.info.get("job") == "lab" else f"{values[0]:.3f} → {values[-1]:.3f}"


def _last(run: Run, name: str) -> Any:
    values = [row[name] for row in run.metrics() if isinstance(row.get(name), (int, float))]
    return values[-1] if values and run.info.get("job") != "lab" else None


def _seconds(run: Run) -> float | None:
    seconds = (run.info.get("results") or {}).get("seconds", _last(run, "seconds"))
    return round(seconds, 1) if isinstance(seconds, (int, float)) else None


def _memory(run: Run) -> float | None:
    values = [row["memory_mb"] for row in run.metrics() if isinstance(row.get("memory_mb"), (int, float))]
    return max(values, default=None)
