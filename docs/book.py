"""The book's figures, numbers, translations and generated pages; nothing there is typed by hand.

    python docs/book.py                     list what is out of date (exit code 1 when something is)
    python docs/book.py --write [PAGE …]    put numbers, code and drawings into the pages, make the quiz pages, the index
    python docs/book.py --stamp PAGE …      say that the English pages are a translation of the Chinese as it is now
    python docs/book.py --record LAB …      run labs in full, keep their numbers, proofs and pictures (`all`: minutes;
                                            `changed`: those whose file, or what it imports, is not what was recorded)
    python docs/book.py --gate              grade the graders, and keep how many mistakes they kill and variants they accept

A page is made of blocks: a line `<!-- block: NAME -->` begins one. The English page has the same blocks, each with the
hash of the Chinese block that it translates: `<!-- block: NAME zh=1a2b3c4d -->`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fledge.course.book import Topic, book_root, find_lab, load_file, topics

HERE = Path(__file__).resolve().parent
PAGES = ("README", "teaching", "code_guide")
BLOCK = re.compile(r"^<!-- block: (?P<name>[\w-]+)(?: zh=(?P<hash>\w+))? -->\n", re.MULTILINE)


numbers: Any = load_file(HERE / "fill_numbers.py", "docs_fill_numbers")
excerpts: Any = load_file(HERE / "excerpts.py", "docs_excerpts")
drawings: Any = load_file(HERE / "drawings.py", "docs_drawings")


@dataclass(frozen=True)
class Block:
    name: str
    hash: str | None  # of the Chinese block, as the English page states it
    text: str

    def digest(self) -> str:
        """Of the words alone: a number that was measured again, or code that changed, makes no translation stale."""
        words = excerpts.without(numbers.NUM.sub(lambda found: found["path"], self.text))
        return hashlib.sha256(" ".join(words.split()).encode()).hexdigest()[:8]


def blocks(text: str) -> list[Block]:
    """The blocks of a page; ValueError when words stand before the first."""
    found = list(BLOCK.finditer(text))
    if not found or text[: found[0].start()].strip():
        raise ValueError("a page begins with a block")
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [Block(match["name"], match["hash"], text[match.end() : end]) for match, end in zip(found, ends)]


def stale(zh: str, en: str) -> list[str]:
    """What is wrong with the English page beside the Chinese one."""
    chinese, english = blocks(zh), blocks(en)
    names = [block.name for block in chinese]
    if names != [block.name for block in english]:
        return [f"the blocks differ: {names} and {[block.name for block in english]}"]
    return [
        f"block '{source.name}': the Chinese has changed since it was translated"
        for source, target in zip(chinese, english)
        if target.hash != source.digest()
    ]


def stamped(zh: str, en: str) -> str:
    """The English page with the hashes of the Chinese blocks as they are now."""
    hashes = {block.name: block.digest() for block in blocks(zh)}
    return BLOCK.sub(lambda found: f"<!-- block: {found['name']} zh={hashes[found['name']]} -->\n", en)


def pages(topic: Topic) -> Iterator[tuple[Path, Path]]:
    """The written pages of a topic, (Chinese, English); a topic of exercises alone has none."""
    if (topic.path / "teaching.md").exists():
        for name in PAGES:
            yield topic.path / f"{name}.md", topic.path / f"{name}.en.md"


def filled(topic: Topic, text: str) -> str:
    """A page of the topic with every number as the records of its labs have it, and code as it stands in the source."""
    return excerpts.fill(numbers.fill(text, topic.path / "experiments" / "results"))


def generated() -> dict[Path, str]:
    """Every page and drawing that is made and not written, with what it should hold."""
    from fledge.course import quiz

    made = {book_root() / "README.md": index("zh"), book_root() / "README.en.md": index("en")}
    made |= drawings.all_drawings()
    for topic in topics():
        if (topic.path / "quiz.yaml").exists():
            items = quiz.load(topic)
            made |= {topic.path / "quiz.md": quiz.page(items, "zh"), topic.path / "quiz.en.md": quiz.page(items, "en")}
    return made


INDEX = {
    "zh": """# 课本

每个主题先用一组对照实验提出问题，再讲为什么、是什么、怎么写，最后由你自己写出来，由程序来批改。实验的结论由这一次的数字决定；
每个数字旁边是瞎猜能得多少、不同种子之间差多少。

```bash
fledge learn go              # 一步接一步地做
fledge learn                 # 下一步做什么
fledge learn path quick      # 三条路径：quick、system、deep
fledge lab run 01-normalization
fledge exercise start rms_norm
fledge check rms_norm
fledge quiz 01-normalization
```

也可以直接运行实验：先激活环境，再 `python modules/01-foundation/01-normalization/experiments/exp1_gradient_vanishing.py`。
""",
    "en": """# The book

Every topic opens with experiments that compare, explains why, what and how, and then has you write the code yourself,
which is graded automatically. What an experiment concludes is decided by the numbers of that very run; next to every
number you see what guessing would give, and how far the seeds differ.

```bash
fledge learn go              # do one step after the other
fledge learn                 # what to do next
fledge learn path quick      # three paths: quick, system, deep
fledge lab run 01-normalization
fledge exercise start rms_norm
fledge check rms_norm
fledge quiz 01-normalization
```

You can also run an experiment as a script: activate the environment, then
`python modules/01-foundation/01-normalization/experiments/exp1_gradient_vanishing.py`.
""",
}


def index(lang: str) -> str:
    """modules/README: every topic with its labs, every exercise with what its grader was graded with."""
    from fledge.cli.lab import load
    from fledge.course.exercise import exercises

    zh = lang == "zh"
    graders = json.loads((book_root() / "graders.json").read_text(encoding="utf-8"))
    text = [INDEX[lang], "## 实验\n" if zh else "## Labs\n"]
    rows = []
    for topic in topics():
        name = f"[{topic.name}]({topic.path.relative_to(book_root()).as_posix()}/README{'' if zh else '.en'}.md)"
        for path in topic.labs:
            rows.append([name, f"`{path.stem}`", getattr(load(path).title, lang)])
            name = ""
    text.append(numbers.table(["主题", "实验", "问题"] if zh else ["topic", "lab", "question"], rows))
    text.append("## 练习\n" if zh else "## Exercises\n")
    text.append(
        "批改程序自己也被批改：它必须抓住每一种已知的错误写法，接受每一种不同的正确写法。\n"
        if zh
        else "The graders are graded too: each must catch every known mistake and accept every known correct solution.\n"
    )
    head = ["主题", "练习", "内容", "分钟", "抓住的错误", "接受的写法"]
    rows = [
        [
            exercise.topic,
            f"`{exercise.name}`",
            getattr(exercise.title, lang),
            str(exercise.minutes),
            "{killed}/{mistakes}".format(**graders[exercise.name]),
            "{accepted}/{variants}".format(**graders[exercise.name]),
        ]
        for exercise in exercises()
    ]
    text.append(
        numbers.table(
            head if zh else ["topic", "exercise", "what", "minutes", "mistakes killed", "variants accepted"], rows
        )
    )
    return "\n".join(text)


def gate_all() -> None:
    """Grade every grader and write modules/graders.json."""
    from fledge.course.exercise import exercises
    from fledge.course.grader.gate import gate, proof_files
    from fledge.proofs import content_hash
    from fledge.records import dumps, write_atomic

    found = {}
    for exercise in exercises():
        result = gate(exercise)
        counts = {name: getattr(result, name) for name in ("killed", "mistakes", "accepted", "variants")}
        found[exercise.name] = counts | {"hash": "" if result.problems else content_hash(proof_files(exercise))}
        print(f"{exercise.name}: {found[exercise.name]}", *result.problems, flush=True)
    write_atomic(book_root() / "graders.json", dumps(found, indent=1) + "\n")


def record(words: list[str]) -> None:
    """Run labs in full; write results/<stem>.json and the picture in both languages beside them."""
    from fledge import device
    from fledge.cli.lab import load
    from fledge.lab import figure, proof
    from fledge.lab.script import landmarks
    from fledge.records import dumps, git_commit, write_atomic

    labs = [path for topic in topics() for path in topic.labs]
    if words == ["changed"]:
        labs = stale_labs()
    elif words != ["all"]:
        labs = [find_lab(word)[1] for word in words]
    commit = git_commit()  # before the first record is written: it makes the checkout another one
    for number, path in enumerate(labs, 1):
        lab = load(path)
        results, kept = proof.prove(lab)
        found = {
            "lab": lab.id,
            "commit": commit,
            "machine": device.machine(),
            "settings": vars(lab.settings) | {"seeds": results.seeds},
            "seconds": round(results.seconds, 2),
            **kept,
            "metrics": results.summary(),
            "landmarks": landmarks(results),
        }
        folder = path.parent / "results"
        folder.mkdir(exist_ok=True)
        write_atomic(folder / f"{path.stem}.json", dumps(found, indent=1) + "\n")
        for lang in ("zh", "en"):
            write_atomic(folder / f"{path.stem}.{lang}.svg", figure.in_language(lang, results))
        said = "; ".join(proof.problems(lab, found)) or "proven"
        print(f"[{number}/{len(labs)}] {lab.id}: {results.seconds:.1f} s, {said}", flush=True)


def stale_labs() -> list[Path]:
    from fledge.lab import proof

    return [path for topic in topics() for path in topic.labs if not proof.is_fresh(path)]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", nargs="*", metavar="PAGE")
    parser.add_argument("--stamp", nargs="+", metavar="PAGE", default=[])
    parser.add_argument("--record", nargs="+", metavar="LAB", default=[])
    parser.add_argument("--gate", action="store_true")
    flags = parser.parse_args(argv)
    if flags.gate:
        gate_all()
    if flags.record:
        record(flags.record)
    wanted = generated()
    problems = [
        f"{path}: recorded before it changed; run python docs/book.py --record changed" for path in stale_labs()
    ]
    for topic in topics():
        for zh, en in pages(topic):
            source, target = (path.read_text(encoding="utf-8") for path in (zh, en))
            if any(word in en.as_posix() for word in flags.stamp):
                target = stamped(source, target)
            problems += [f"{en}: {problem}" for problem in stale(source, target)]
            for path, text in ((zh, source), (en, target)):
                try:
                    wanted[path] = filled(topic, text)
                except KeyError as error:  # a number without a record, code that is no longer there
                    problems.append(f"{path}: {error.args[0]}")
    words = flags.stamp if flags.write is None else flags.write or [""]
    for path, text in wanted.items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if text != old and any(word in path.as_posix() for word in words):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {path}")
        elif text != old:
            problems.append(f"{path}: out of date; run python docs/book.py --write")
        if path.suffix == ".md" and ">?<" in text:
            problems.append(f"{path}: {text.count('>?<')} numbers that no lab has recorded")
    print("\n".join(problems))
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
