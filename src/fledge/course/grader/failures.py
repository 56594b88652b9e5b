"""The outcomes of grading, and what a learner reads when their code raises or their process dies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fledge.errors import suggest
from fledge.lang import Text

OUTCOMES = {
    "NOT_ATTEMPTED": Text("还没写", "not attempted"),
    "IMPORT": Text("文件无法载入", "the file does not load"),
    "CONTRACT": Text("不符合约定", "breaks the contract"),
    "WRONG_VALUE": Text("数值不对", "wrong value"),
    "WRONG_GRAD": Text("梯度不对", "wrong gradient"),
    "UNSTABLE": Text("数值不稳定", "unstable"),
    "TOO_SLOW": Text("太慢", "too slow"),
    "TOO_BIG": Text("太费", "too costly"),
    "PASS": Text("通过", "passed"),
}


@dataclass(frozen=True)
class Problem:
    """Why one case is not passed."""

    outcome: str
    message: Text
    case: str | None = None


class Died(Exception):
    """The learner's process gave no answer."""

    def __init__(self, outcome: str, message: Text) -> None:
        super().__init__(message.en)
        self.problem = Problem(outcome, message)


def raised(error: dict[str, Any], function: str, wanted: str = "") -> Problem:
    """The problem that an exception of the learner's code is; `wanted` lists the arguments of the call."""
    kind, message = error["type"], error["message"]
    at = _where(error)
    if kind == "NotImplementedError":
        return Problem("NOT_ATTEMPTED", Text(f"`{function}` 还没有写。", f"`{function}` is not written yet."))
    if kind == "Missing":
        return Problem("CONTRACT", _missing(function, message.split()))
    if kind == "Signature":
        zh = f"`{function}` 的参数不对：你写的是 {message}，调用时给的是 ({wanted})。参数的名字和个数请保持 starter 里的样子。"
        en = f"`{function}` has the wrong parameters: yours are {message}, it is called with ({wanted}). Keep the starter's."
        return Problem("CONTRACT", Text(zh, en))
    if kind == "NotPortable":
        what = Text(error.get("zh", message), message)
        zh = f"`{function}` 返回的东西无法检查：{what.zh}。"
        return Problem("CONTRACT", Text(zh, f"what `{function}` returns cannot be checked: {what.en}."))
    if kind == "MemoryError" or any(
        words in message for words in ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")
    ):
        zh, en = f"内存用得太多{at.zh}。", f"it needs too much memory{at.en}."
        return Problem("TOO_BIG", Text(zh, en))
    if kind == "SystemExit":
        zh = f"你的代码调用了 exit{at.zh}：函数应当返回结果，而不是结束程序。"
        en = f"your code calls exit{at.en}: a function returns its result, it does not end the program."
        return Problem("CONTRACT", Text(zh, en))
    if kind == "RecursionError":
        zh = f"函数不停地调用自己{at.zh}：递归没有终点。"
        en = f"a function calls itself without end{at.en}: the recursion never stops."
        return Problem("CONTRACT", Text(zh, en))
    if kind == "Refused":
        return Problem(
            "CONTRACT", Text(f"你的代码做了这里不允许的事{at.zh}：{message}", f"not allowed here{at.en}: {message}")
        )
    said = f"{kind}: {message}" if message else kind
    return Problem("CONTRACT", Text(f"你的代码抛出了异常{at.zh}：{said}", f"your code raises{at.en}: {said}"))


def not_loaded(error: dict[str, Any]) -> Problem:
    """The problem when the file itself does not run."""
    if error["type"] in ("SystemExit", "RecursionError", "Refused", "MemoryError"):
        problem = raised(error, "")
        return Problem("TOO_BIG" if problem.outcome == "TOO_BIG" else "IMPORT", problem.message)
    at, said = _where(error), f"{error['type']}: {error['message']}"
    return Problem("IMPORT", Text(f"文件无法载入{at.zh}：{said}", f"the file does not load{at.en}: {said}"))


def died(code: int | None) -> Died:
    """What to say of a process that ended by itself with this exit code."""
    import signal

    if code is not None and code < 0:
        names = {int(member): member.name for member in signal.Signals}
        name = names.get(-code, str(-code))
        if name == "SIGKILL":
            zh = "你的代码的进程被系统结束了，多半是因为内存用得太多。"
            return Died(
                "TOO_BIG",
                Text(zh, "the system ended your code's process, most likely because it used too much memory."),
            )
        zh = f"你的代码让 Python 崩溃了（{name}）。没有终点的递归、越界写内存都会这样。"
        en = f"your code crashes Python ({name}). Recursion without end or writing beyond the end of memory does that."
        return Died("CONTRACT", Text(zh, en))
    zh = f"你的代码结束了自己的进程（退出码 {code}），没有返回结果：调用 os._exit、改动 torch、关闭别人的文件都会这样。"
    en = (
        f"your code ends its process (exit code {code}) and returns no result: os._exit does that, and so does changing "
        "torch, or closing files that are not yours."
    )
    return Died("CONTRACT", Text(zh, en))


def too_slow(seconds: float) -> Died:
    zh = f"{seconds:g} 秒之内没有做完：有没有不会结束的循环？"
    en = f"not finished within {seconds:g} seconds: is there a loop that never ends?"
    return Died("TOO_SLOW", Text(zh, en))


def too_big(megabytes: int) -> Died:
    zh = f"用的内存超过了 {megabytes} MB 的上限。"
    return Died("TOO_BIG", Text(zh, f"it uses more memory than the limit of {megabytes} MB."))


def too_talkative(megabytes: int) -> Died:
    zh = f"打印的内容超过了 {megabytes} MB：循环里是不是有 print？"
    return Died("TOO_BIG", Text(zh, f"it prints more than {megabytes} MB: is there a print in a loop?"))


def unreadable() -> Died:
    """The bytes that came are not an answer: something else wrote into the channel, or the answer is too long."""
    zh = "你的代码的进程给出的回答无法读取。"
    return Died("CONTRACT", Text(zh, "the answer of your code's process cannot be read."))


def _missing(function: str, found: list[str]) -> Text:
    there = ", ".join(f"`{name}`" for name in found)
    if not there:
        return Text(
            f"文件里没有函数 `{function}`，一个函数也没有。", f"your file has no function `{function}`, nor any other."
        )
    said = suggest(function, found)  # in the user's language: the name in it is what is needed here
    near = next((name for name in found if f"'{name}'" in said), None)
    if near is None:
        return Text(
            f"文件里没有函数 `{function}`，只有：{there}。", f"your file has no function `{function}`; it has: {there}."
        )
    return Text(
        f"文件里没有函数 `{function}`，只有：{there}。是不是想写 '{near}'？",
        f"your file has no function `{function}`; it has: {there}. Did you mean '{near}'?",
    )


def _where(error: dict[str, Any]) -> Text:
    if error.get("line") is None:
        return Text("", "")
    text = f" `{error['text']}`" if error.get("text") else ""
    return Text(f"（第 {error['line']} 行{text}）", f" (line {error['line']}{text})")
