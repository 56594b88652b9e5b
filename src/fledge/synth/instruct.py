"""New instructions from a few: Self-Instruct (Wang et al., 2023) and Evol-Instruct (Xu et al., WizardLM, 2024)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from fledge.data.clean.answers import refuses
from fledge.data.clean.filters import counts_of, language
from fledge.endpoint import Endpoint
from fledge.lang import _
from fledge.synth.answers import Harvest, Progress, quiet, replies
from fledge.synth.similar import Novel, rouge_l, units

SHOWN, OWN = 8, 2  # examples in a request, and how many of them the model wrote itself (both as in the paper)
ROUNDS_WITHOUT = 5  # that bring nothing new, and then it is over
LEAST, MOST = 3, 150  # units of an instruction (words; Chinese characters)

NEW = {
    "en": "Below are tasks that people gave to an assistant. Write {count} more that are unlike them and unlike each other in "
    "topic, verb and form. Each must be solvable by text alone, without images, files or the web, and in one or two sentences. "
    "Go on with the numbers, one task a line, nothing else.\n\n{examples}\n{next}.",
    "zh": "下面是人们交给助手的任务。请再写 {count} 个，题材、动作和形式都要和它们不同，彼此也不同。"
    "每个任务只靠文字就能完成，不需要图片、文件或上网，用一两句话写完。接着编号写，一行一个，不要写别的。"
    "\n\n{examples}\n{next}.",
}
EVOLVE = {
    "en": {
        "constraint": "Rewrite the task below so that it is a little harder: add one constraint or requirement.",
        "deepen": "Rewrite the task below so that it is a little harder: ask for more depth about what it asks for.",
        "concrete": "Rewrite the task below so that it is a little harder: replace general notions by specific ones.",
        "steps": "Rewrite the task below so that solving it takes several steps of reasoning.",
        "breadth": "Write a new task of the same field as the one below, about something rarer, of the same length and difficulty.",
    },
    "zh": {
        "constraint": "改写下面的任务，让它难一点：增加一个限制或要求。",
        "deepen": "改写下面的任务，让它难一点：对它所问的内容要求更深入。",
        "concrete": "改写下面的任务，让它难一点：把笼统的概念换成具体的。",
        "steps": "改写下面的任务，使它需要几步推理才能解决。",
        "breadth": "写一个和下面的任务同一领域的新任务，题材更少见，长度和难度相当。",
    },
}
ONLY = {
    "en": " It must stay understandable and answerable by a person, and at most 20 words longer. Write the task only.\n\n{task}",
    "zh": "改写后仍要看得懂、能回答，最多比原来长 30 个字。只写任务本身。\n\n{task}",
}
_NUMBERED = re.compile(r"^\s*(?:\d{1,3}\s*[.)、．：:]|[-*•])\s*(.+?)\s*$", re.M)
_NEEDS_MORE = re.compile(
    r"\b(?:image|picture|photo|graph|diagram|attached|file|video|audio|website|link)s?\b"
    r"|图片|照片|图像|附件|视频|音频|网页|链接",
    re.I,
)
_LEAKED = re.compile(
    r"given (?:prompt|task)|rewritten (?:prompt|task)|task below|the (?:new|rewritten) task"
    r"|改写后|下面的任务|原任务|给定的任务",
    re.I,
)


def language_of(texts: Sequence[str]) -> str:
    """zh or en, whichever most letters are."""
    shares = language(counts_of("\n".join(texts)))
    return "zh" if shares["zh"] > shares["en"] else "en"


def tasks_in(text: str) -> list[str]:
    """The tasks of a numbered list; the first may go on a number that the request ended with."""
    begun = text if _NUMBERED.match(text) else f"1. {text}"
    return [match[1].strip("“”\"' ") for match in _NUMBERED.finditer(begun)]


def unusable(task: str) -> str:
    """Why a task is not kept; "" for a good one."""
    size = len(units(task))
    if not LEAST <= size <= MOST:
        return _("too short or too long for an instruction")
    if _NEEDS_MORE.search(task):
        return _("the instruction needs more than text")
    return _("the instruction is none") if refuses(task) or _LEAKED.search(task) else ""


def self_instruct(
    endpoint: Endpoint,
    seeds: Sequence[str],
    count: int,
    *,
    harvest: Harvest,
    most_alike: float = 0.7,
    each: int = 8,
    seed: int = 0,
    progress: Progress = quiet,
) -> list[str]:
    """`count` instructions unlike the seeds and each other, or fewer when several rounds bring nothing new.

    A request shows eight examples, of which two are the model's own once there are some, and asks for `each` more; the
    requests of a round are on their way together. Which examples are drawn depends on the seed and on the answers only, so
    that the same command asks the same questions again.
    """
    rng, lang = random.Random(seed), language_of(seeds)
    novel, made, idle, number = Novel(most_alike), list[str](), 0, 0
    for text in seeds:
        novel.add(text, always=True)
    while len(made) < count and idle < ROUNDS_WITHOUT:
        payloads = []
        for _request in range(min(endpoint.at_once, -(-(count - len(made)) // each))):
            own = rng.sample(made, min(OWN, len(made)))
            shown = rng.sample(list(seeds), min(SHOWN - len(own), len(seeds))) + own
            rng.shuffle(shown)
            examples = "\n".join(f"{i}. {' '.join(task.split())}" for i, task in enumerate(shown, 1))
            text = NEW[lang].format(count=each, examples=examples, next=len(shown) + 1)
            payloads.append(endpoint.payload([{"role": "user", "content": text}], seed=number))
            number += 1
        before = len(made)
        for reply in replies(endpoint, payloads, harvest):
            for task in tasks_in(reply.text) if reply else ():
                wrong = unusable(task) or ("" if novel.add(task) else _("too much like another instruction"))
                if wrong:
                    harvest.lost[wrong] += 1
                elif len(made) < count:
                    made.append(task)
        idle = 0 if len(made) > before else idle + 1
        progress(len(made), count)
    return made


def evolve(
    endpoint: Endpoint,
    tasks: Sequence[str],
    rounds: int,
    *,
    harvest: Harvest,
    seed: int = 0,
    progress: Progress = quiet,
) -> list[list[str]]:
    """[task, its first evolution, the next …] of every task. An evolution that says the same, is none, or speaks of the request
    itself is thrown away, and the next round tries again from the task before (the paper's elimination)."""
    chains = [[task] for task in tasks]
    for number in range(rounds):
        rng = random.Random(f"{seed} {number}")
        payloads = []
        for chain in chains:
            lang = language_of([chain[-1]])
            way = rng.choice(sorted(EVOLVE[lang]))
            text = EVOLVE[lang][way] + ONLY[lang].format(task=chain[-1])
            payloads.append(endpoint.payload([{"role": "user", "content": text}], seed=number))
        for chain, reply in zip(chains, replies(endpoint, payloads, harvest, progress)):
            if reply is None:
                continue
            task = reply.text.strip().strip("“”\"'")
            wrong = unusable(task)
            if not wrong and rouge_l(units(task), units(chain[-1])) > 0.95:
                wrong = _("the instruction did not change")
            if wrong:
                harvest.lost[wrong] += 1
            else:
                chain.append(task)
    return chains
