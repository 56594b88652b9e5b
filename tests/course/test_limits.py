"""A learner's process that loops, swallows memory, writes, starts programs or dies: a clear outcome, and nothing else harmed."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import pytest

from fledge.course.exercise import find_exercise
from fledge.course.grader import limits, process
from fledge.course.grader.failures import Died
from fledge.course.grader.grade import Grade, grade
from fledge.course.grader.process import Child
from tests.course.learner_files import HEAD, RIGHT, before

pytestmark = pytest.mark.slow  # every attempt here is a process of its own


@pytest.fixture
def graded(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")

    def run(source: str, **changes) -> Grade:
        file = tmp_path / "rms_norm.py"
        file.write_text(source, encoding="utf-8")
        return grade(dataclasses.replace(find_exercise("rms_norm"), **changes), file, seed=1)

    return run


def test_an_endless_loop(graded):
    result = graded(before("while x.shape[0] == 4: pass"), seconds=3.0)
    assert (result.outcome, result.case) == ("TOO_SLOW", "shifted")
    assert "within 3 seconds" in result.message.en
    status = {case.name: case.outcome for case in result.cases}
    assert (status["plain"], status["shifted"], status["cost"]) == ("PASS", "TOO_SLOW", "NOT_RUN")


def test_an_endless_loop_at_the_top_and_one_that_swallows_everything(graded):
    assert graded(RIGHT + "while True: pass\n", seconds=0.5).outcome == "TOO_SLOW"
    stubborn = "while True:\n    try:\n        import time; time.sleep(9)\n    except BaseException: pass"
    assert graded(before(stubborn), seconds=0.5).outcome == "TOO_SLOW"


@pytest.mark.parametrize(
    "hunger",
    [
        "keep = torch.ones(30 * 2**30 // 4)",  # 30 GB
        "keep = bytearray(30 * 2**30)",
        "keep = []\nwhile True: keep.append(torch.ones(2**22))",  # bit by bit
        "keep = []\nwhile True: keep.append('x' * 2**24)",
    ],
    ids=["at once", "at once in Python", "bit by bit", "bit by bit in Python"],
)
def test_too_much_memory(graded, hunger):
    result = graded(before(hunger), memory_mb=512)
    assert (result.outcome, result.case) == ("TOO_BIG", "plain"), result.message
    assert "memory" in result.message.en


def test_memory_that_no_limit_of_the_system_stops(tmp_path, monkeypatch):
    """macOS knows no limit on the address space: there the parent looks at what is resident."""
    file = tmp_path / "rms_norm.py"
    file.write_text("import torch, time\nkeep = torch.ones(2**26)\ntime.sleep(60)\n", encoding="utf-8")
    looks: list[int | None] = []
    resident = limits.resident

    def smaller_at_first(pid: int) -> int | None:
        """As if the bare process were 900 MB smaller: its own limit is far away, and the parent's is not."""
        held = resident(pid)
        looks.append(held)
        return held if held is None or len(looks) > 1 else held - 900 * 2**20

    monkeypatch.setattr(limits, "resident", smaller_at_first)
    with Child(file, seconds=30, memory_mb=1000) as child, pytest.raises(Died) as death:
        child.load(file.read_bytes())
    assert death.value.problem.outcome == "TOO_BIG" and len(looks) > 1


@pytest.mark.skipif(not sys.platform.startswith(("linux", "darwin", "win")), reason="no way to look at memory here")
def test_what_is_resident():
    own = limits.resident(os.getpid())
    assert own is not None and 2**24 < own < 2**40
    assert limits.resident(2**22 + 12345) is None


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("ps") is None, reason="compares with Linux's own number")
def test_what_is_resident_as_a_mac_tells_it(monkeypatch):
    own = limits.resident(os.getpid())
    monkeypatch.setattr(limits.sys, "platform", "darwin")
    told = limits.resident(os.getpid())
    assert own is not None and told is not None and 0.5 < told / own < 2
    assert limits.resident(2**22 + 12345) is None


def test_prints(graded):
    lines = graded(before("print('Zeile', x.dtype)\nimport sys; print('err', file=sys.stderr)")).printed.splitlines()
    assert len(lines) == 20 and "err" in lines and "Zeile torch.float32" in lines
    result = graded(before("while True: print('x' * 10**6)"))
    assert result.outcome == "TOO_BIG" and "prints more than 16 MB" in result.message.en
    assert graded(before("print('\\udc80 羽')")).passed


FORBIDDEN = [  # what the learner's code tries, and what it is told
    ("open(outside, 'w')", "writing {outside}"),
    ("pathlib.Path(outside).write_text('x')", "writing {outside}"),
    ("os.open(outside, os.O_CREAT | os.O_WRONLY)", "writing {outside}"),
    ("os.remove(precious)", "writing {precious}"),
    ("os.rename(precious, 'mine')", "writing {precious}"),
    ("os.symlink(precious, outside)", "writing {outside}"),
    ("shutil.rmtree(folder)", "writing {folder}"),
    ("os.remove('precious.txt', dir_fd=os.open(folder, os.O_RDONLY))", "writing {precious}"),
    ("os.chdir(folder), os.remove('precious.txt')", "writing precious.txt"),
    ("os.mkdir(outside)", "writing {outside}"),
    ("torch.save(x, outside)", "writing {outside}"),
    ("numpy.save(outside, x.numpy())", "writing {outside}"),
    ("sqlite3.connect(outside)", "writing {outside}"),
    ("subprocess.run(['true'])", "starting or ending other programs"),
    ("os.system('true')", "starting or ending other programs"),
    ("os.kill(os.getppid(), 9)", "starting or ending other programs"),
    ("multiprocessing.Process(target=print).start()", "starting or ending other programs"),
    ("socket.socket()", "using the network"),
    ("ctypes.CDLL(None)", "calling C directly"),
]
if sys.platform == "win32":  # has no descriptors of folders, and asks for a right to make links
    FORBIDDEN = [row for row in FORBIDDEN if "dir_fd" not in row[0] and "symlink" not in row[0]]


@pytest.fixture
def places(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "precious.txt").write_text("precious", encoding="utf-8")
    return {"outside": tmp_path / "outside.npy", "precious": folder / "precious.txt", "folder": folder}


def test_what_is_not_allowed(graded, places):
    attempt = "    try:\n        {0}\n        print({1}, 'done')\n    except RuntimeError as error:\n        print({1}, error)"
    tries = "\n".join(attempt.format(action, number) for number, (action, _) in enumerate(FORBIDDEN))
    names = "".join(f"{name} = {str(path)!r}\n" for name, path in places.items())
    source = "import ctypes, multiprocessing, numpy, os, pathlib, shutil, socket, sqlite3, subprocess\n"
    source += f"{RIGHT}\n{names}\ndef misbehave(x):\n{tries}\n\nmisbehave(torch.ones(2))\n"
    result = graded(source)
    for number, (action, words) in enumerate(FORBIDDEN):
        assert f"{number} {words.format(**places)}" in result.printed, (action, result.printed)
    assert not places["outside"].exists() and places["precious"].read_text(encoding="utf-8") == "precious"
    assert result.passed  # nothing was done, and the function is right


def test_what_is_not_allowed_is_told_with_its_line(graded, places):
    result = graded(before(f"open({str(places['outside'])!r}, 'w')"))
    assert result.outcome == "CONTRACT" and not places["outside"].exists()
    assert "not allowed here (line 5 `open(" in result.message.en and "writing" in result.message.en


def test_its_own_folder_is_open_to_it(graded):
    lines = "import tempfile, os\nopen('note.txt', 'w').write('x')\ntorch.save(x, 'x.pt')\n"
    lines += "f = tempfile.NamedTemporaryFile(); f.write(b'x')\nassert os.listdir('.')\nopen(os.devnull, 'w')"
    result = graded(before(lines))
    assert result.passed, result.message


def test_there_is_nobody_to_ask(graded):
    result = graded(before("input('name? ')"))
    assert result.outcome == "CONTRACT" and "EOFError" in result.message.en


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("import sys; sys.setrecursionlimit(10**9)\ndef f(g): return g(g)\nf(f)", ""),
        ("import os; os.abort()", "crashes Python"),
        ("import os; os.close(1); os.close(2); os._exit(7)", "exit code 7"),
        ("import os\nfor i in range(3, 30):\n    try: os.close(i)\n    except OSError: pass", ""),
        ("torch.save = None", ""),
    ],
    ids=["recursion", "abort", "closed", "all files closed", "torch broken"],
)
def test_a_process_that_dies_is_a_failure(graded, lines, words):
    result = graded(before(lines), seconds=5.0)
    assert result.outcome in ("CONTRACT", "TOO_BIG", "TOO_SLOW") and not result.passed
    assert words in result.message.en and result.message.zh


def test_what_an_attempt_did_to_torch_ends_with_it(graded):
    assert not graded(
        RIGHT + "torch.Tensor.float = torch.rsqrt = None\ntorch.set_default_dtype(torch.float16)\n"
    ).passed
    assert graded(RIGHT).passed


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_process_is_left(graded):
    graded(HEAD + "import time\ntime.sleep(100)\n", seconds=0.5)
    mine = f"PPid:\t{os.getpid()}\n"
    left = [
        folder
        for folder in Path("/proc").glob("[0-9]*")
        if mine in _read(folder / "status") and "fledge.course.grader.child" in _read(folder / "cmdline")
    ]
    assert left == []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # gone meanwhile
        return ""


def test_a_process_that_was_started_ahead_serves_one_check(graded, monkeypatch):
    """Every check has a process of its own, warm or not; one that died while it waited is replaced."""
    started = []

    class Counted(process.Fresh):
        def __init__(self) -> None:
            super().__init__()
            started.append(self.process)

    monkeypatch.setattr(process, "Fresh", Counted)
    source = before("import os; print(os.getpid())")
    process.warm_up()
    process.warm_up()
    assert len(started) == 1
    first, second = graded(source), graded(source)
    assert first.passed and second.passed and len(started) == 2
    assert first.printed.split()[0] != second.printed.split()[0]
    process.warm_up()
    started[-1].kill()
    started[-1].wait(timeout=10)
    assert graded(RIGHT).passed and len(started) == 4
    process.warm_up()
    process.cool_down()
    assert all(child.poll() is not None for child in started)
