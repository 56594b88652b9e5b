"""What sft_targets must do. Oracle: position by position, as the task says it."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text


def oracle(ids_T: Tensor, answer_T: Tensor) -> Tensor:
    ids, answer = ids_T.tolist(), answer_T.tolist()
    T = len(ids)
    return torch.tensor([ids[t + 1] if t + 1 < T and answer[t + 1] else -100 for t in range(T)], dtype=torch.int64)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, answer: str, zh: str, en: str, ids: list[int] | None = None) -> Case:
        """`answer` is written as one letter a token: a for an answer, . for anything else."""
        drawn = torch.randint(3, 1000, (len(answer),), generator=rng)
        given = drawn if ids is None else torch.tensor(ids)
        return Case(name, (given, torch.tensor([letter == "a" for letter in answer])), about=Text(zh, en))

    random = "".join("a."[int(i)] for i in torch.randint(0, 2, (40,), generator=rng))
    pairs = case("", "....aaaa..aaa...aaaa", "", "").args
    return [
        case("example", "..aa", "题目里的例子", "the example of the task", [7, 8, 9, 2]),
        case("turns", "....aaaa..aaa...aaaa", "三轮问答", "three questions and answers"),
        case("ends_with_question", "...aaaa...", "最后是问题", "it ends with a question"),
        case("answer_first", "aaaa....aa", "第一个词元就属于回答", "the very first token belongs to an answer"),
        case("all_answers", "aaaaaa", "全部是回答", "everything is an answer"),
        case("no_answer", "......", "没有回答", "no answer at all"),
        case("single_tokens", ".a.a..a.a", "回答只有一个词元", "answers of a single token"),
        case("zero_ids", ".aa.aaa.", "编号里有 0，也有重复的", "ids of 0, and repeated ones", [5, 0, 0, 5, 0, 7, 0, 0]),
        case("two", ".a", "只有两个词元", "two tokens only"),
        case("one_answer_token", "a", "只有一个词元，属于回答", "a single token, part of an answer"),
        case("one_token", ".", "只有一个词元，不属于回答", "a single token, not part of an answer"),
        case("random", random, "随机的标记", "random marks"),
        Case(
            "strided",
            tuple(torch.stack((tensor, tensor), dim=1)[:, 0] for tensor in pairs),
            about=Text("内存不连续的输入", "inputs that are not contiguous in memory"),
        ),
    ]
