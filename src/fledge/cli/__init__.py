"""`fledge VERB`: a table of verbs, each a module that is imported only when it is called (`--help` answers at once)."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

from fledge.device import out_of_memory
from fledge.errors import UserError, suggest
from fledge.lang import Text, say, use_utf8

VERBS: dict[str, tuple[str, Text]] = {  # verb -> (module, help); a module has main(argv: list[str]) -> int
    "quickstart": (
        "fledge.cli.quickstart",
        Text("从零开始，几分钟后和自己训练的模型聊天", "from nothing to a chat with a model you trained, in minutes"),
    ),
    "doctor": (
        "fledge.cli.doctor",
        Text(
            "这台机器是什么配置、能训练多大的模型、有没有毛病",
            "what this machine is, what it can train, and what is wrong with it",
        ),
    ),
    "world": (
        "fledge.cli.world",
        Text(
            "把小世界写成文本、对话和任务；看它的统计",
            "write the small world's texts, conversations and tasks; show its statistics",
        ),
    ),
    "data": ("fledge.cli.data", Text("下载、检查、清洗训练数据", "get, check and clean training data")),
    "tokenizer": (
        "fledge.cli.tokenizer",
        Text("训练分词器、比较几个分词器、看文字怎么切", "train, compare and look into tokenizers"),
    ),
    "plan": (
        "fledge.cli.plan",
        Text(
            "开始训练之前先算内存、时间和花费，并推荐设置",
            "predict memory, minutes and cost of a training run, and propose settings",
        ),
    ),
    "train": ("fledge.cli.train", Text("训练模型：pretrain、sft", "train a model: pretrain, sft")),
    "chat": ("fledge.cli.chat", Text("和模型聊天", "talk with a model")),
    "generate": ("fledge.cli.generate", Text("让模型接着一段文字往下写", "continue a text with a model")),
    "eval": ("fledge.cli.eval", Text("测量一个模型", "measure a model")),
    "export": ("fledge.cli.export", Text("把模型写成其他程序能读的格式", "write a model in other programs' form")),
    "runs": (
        "fledge.cli.runs",
        Text("列出、查看、比较、画出、检查各次训练", "list, show, compare, plot and check runs"),
    ),
    "learn": (
        "fledge.cli.learn",
        Text(
            "课本：学习路径的下一步、课文、进度和报告", "the book: the next step of your path, pages, progress, report"
        ),
    ),
    "lab": ("fledge.cli.lab", Text("课本里的对照实验：列出、查看、运行", "the book's experiments: list, show, run")),
    "exercise": (
        "fledge.cli.exercise",
        Text("课本里的练习：开始、要提示、重来", "the book's exercises: start one, get a hint, begin again"),
    ),
    "check": ("fledge.cli.check", Text("批改你写的代码", "grade your code")),
    "quiz": (
        "fledge.cli.quiz",
        Text("一个主题的测验，每个答案都有理由", "questions on a topic, every answer with its reason"),
    ),
    "parts": (
        "fledge.cli.parts",
        Text("让你写的、通过了的代码去训练你的模型", "let code of yours that passed train your models"),
    ),
    "log": (
        "fledge.cli.log",
        Text("从训练记录写出一份注明日期的实验记录", "write the dated record of an experiment from its runs"),
    ),
    "new": (
        "fledge.cli.new",
        Text(
            "给课本或引擎添一个实验、练习或训练：写骨架、验收",
            "add a lab, an exercise or a job: its skeleton, its gate",
        ),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fledge VERB …`. Exit codes: 0 done, 1 a check failed, 2 a mistake in the request, 130 Ctrl-C."""
    words = list(sys.argv[1:] if argv is None else argv)
    use_utf8()
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(overview())
            return 0
        if words[0] in ("--version", "-V"):
            from fledge import __version__

            print(f"fledge {__version__}")
            return 0
        if words[0] not in VERBS:
            near = suggest(words[0], VERBS)
            raise UserError(
                say(
                    f"fledge 没有 '{words[0]}' 这个命令。{near or '用 `fledge --help` 查看全部命令。'}",
                    f"'{words[0]}' is not a fledge verb.{near or ' See `fledge --help`.'}",
                )
            )
        return importlib.import_module(VERBS[words[0]][0]).main(words[1:])
    except SystemExit as stop:  # --help of a verb
        return stop.code if isinstance(stop.code, int) else 0
    except UserError as error:
        if os.environ.get("FLEDGE_DEBUG"):
            raise
        print(f"{say('出错：', 'error: ')}{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(say("\n已停下。", "\nstopped."), file=sys.stderr)
        return 130
    except BrokenPipeError:  # `fledge runs list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError, RuntimeError) as error:
        sentence = outside(error)
        if not sentence or os.environ.get("FLEDGE_DEBUG"):
            raise
        print(f"{say('出错：', 'error: ')}{sentence}", file=sys.stderr)
        return 2


def outside(error: Exception) -> str:
    """What is wrong with the machine and not with the program, in one sentence; "" for a bug."""
    name = getattr(error, "filename", None)
    if isinstance(error, PermissionError):
        where = name or say("要写的文件", "the file that is written")
        return say(
            f"没有权限使用 '{where}'：请改好它的权限，或者换一个地方。",
            f"there is no permission to use '{where}': mend its rights, or name another place.",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = name or say("写文件时", "while writing")
        return say(
            f"磁盘满了（{where}）：请腾出空间，再运行一次这条命令。",
            f"the disk is full ({where}): make room and run the command again.",
        )
    if out_of_memory(error):
        return say(
            "内存不够：请换小一点的模型、短一点的文本，或者一次少算几行。",
            "there is not enough memory: use a smaller model, shorter texts, or fewer rows at a time.",
        )
    return ""


def overview() -> str:
    """What `fledge --help` prints."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {help}" for verb, (_, help) in VERBS.items()]
    foot = say(
        "`fledge VERB --help` 说得更细。FLEDGE_RUNS：训练存放在哪里（./runs）。FLEDGE_CACHE：准备好的数据。",
        "`fledge VERB --help` says more. FLEDGE_RUNS: where runs lie (./runs). FLEDGE_CACHE: prepared data.",
    )
    debug = say(
        "FLEDGE_LANG=zh|en：用哪种语言。FLEDGE_DEBUG=1：出错时显示完整的 traceback。",
        "FLEDGE_LANG=zh|en: the language. FLEDGE_DEBUG=1: show tracebacks.",
    )
    return "\n".join([say("用法：fledge VERB …", "usage: fledge VERB …"), "", *lines, "", foot, debug])
