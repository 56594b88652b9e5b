"""Half a character, wherever a user can put one: on standard input, on the command line, in the name of a file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from fledge.lang import readable, use_utf8
from fledge.records import Run
from tests.bad_input.conftest import FAST, NEW, TEXT, lines, talk

HALF = b"ab\xe4\xbd"  # the beginning of 你, cut by a program that counts bytes
LOCALES = ({"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "utf-8:strict"})  # half pairs in the text; an error of Python's


def fledge(*words: str | bytes, given: bytes = b"", **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "fledge", *words], input=given, capture_output=True, env=os.environ | environment
    )
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


@pytest.mark.parametrize("environment", LOCALES, ids=lambda locale: next(iter(locale.items()))[0])
def test_half_a_character_on_standard_input_is_one_and_the_next_message_is_answered(environment):
    words = ["--max-new-tokens", "3", "--temperature", "0", "--device", "cpu"]
    code, out, err = fledge("chat", "tuned", *words, given=HALF + b"\nhello\n", **environment)
    assert code == 0 and "error" not in out + err and "Traceback" not in err
    assert "> ab\ufffd\n" in out and "> hello\n" in out
    code, out, err = fledge("generate", "mine", "-", *words, given=HALF, **environment)
    assert code == 0 and out.startswith("ab\ufffd") and not err


@pytest.mark.skipif(sys.platform == "win32", reason="words on its command line are UTF-16")
def test_half_a_character_on_the_command_line_is_one(runs):
    words = ["--max-new-tokens", "3", "--temperature", "0", "--device", "cpu"]
    code, out, err = fledge("generate", "mine", HALF, *words)
    assert code == 0 and out.startswith("ab\ufffd") and not err
    code, out, err = fledge("chat", "tuned", "--system", HALF, *words, given=b"hi\n")
    assert code == 0 and "error" not in out + err
    code, out, err = fledge("tokenizer", "show", str(runs / "mine/model"), HALF, "--json")
    assert code == 0 and json.loads(out)["bytes"] == len("ab\ufffd".encode())


@pytest.mark.parametrize("known", ["ascii", "utf-8", "cp936", "cp1252"])
def test_the_streams_of_every_console_take_every_character(known, monkeypatch):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=known) for name in ("stdout", "stderr")}
    typed = "café" if known == "cp1252" else "你好"
    data = typed.encode("utf-8" if known == "ascii" else known)
    streams["stdin"] = io.TextIOWrapper(io.BytesIO(data + b"\n" + data[:-1] + b"\n"), encoding=known)
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    use_utf8()
    assert sys.stdin.readline() == typed + "\n" and sys.stdin.readline()
    for stream in (sys.stdout, sys.stderr):
        stream.write("a name: \udcb2 中 😀")
        stream.flush()
        assert stream.buffer.getvalue().decode("utf-8") == "a name: ? 中 😀"
    use_utf8()  # a second time, after it was read from


def test_whole_characters_stay():
    assert readable("a中😀\ufeff") == "a中😀\ufeff"
    assert readable("\ud83d\ude00") == "😀", "two halves are a character"
    assert readable("a\ud83db\udcff") == "a\ufffdb\ufffd" and readable("a\udcff") == "a\ufffd"
    assert readable("\udce4\udcb8\udcad") == "中", "a command line of bytes"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_a_file_name_that_is_not_utf8(tmp_path):
    """As unzip leaves those of an archive that was made on a Chinese Windows."""
    name = "测试".encode("gbk")
    text, chats = os.fsdecode(name + b".txt"), os.fsdecode(name + b".jsonl")
    (tmp_path / text).write_bytes(TEXT.encode() + b"\xff and more\n")
    (tmp_path / chats).write_bytes(lines(*[talk(f"{i}?") for i in range(20)], {"no": 1}))
    commands = [
        ["train", "pretrain", "--data", text, "--run", "gbk", *FAST, *NEW],
        ["train", "sft", "--model", "gbk", "--data", chats, "--run", "gbk-sft", *FAST],
        ["data", "check", chats],
        ["data", "check", text, "--json"],
        ["eval", "gbk", "--text", text, "--device", "cpu"],
        ["data", "clean", chats, "--out", "clean.jsonl", "--no-near", "--no-exact", "--report", "report.json"],
        ["data", "clean", text, "--out", "text.jsonl", "--no-repetition", "--json"],
        ["tokenizer", "train", "--data", text, "--vocab-size", "300", "--out", "tok"],
        ["runs", "show", "gbk"],
        ["runs", "compare", "gbk", "gbk-sft"],
        ["runs", "check", "gbk-sft"],
    ]
    script = (
        f"import sys\nfrom fledge.cli import main\nfor words in {commands!r}: print('code', main(words), words[:2])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)  # streams as they really are
    out, err = done.stdout.decode(), done.stderr.decode()
    codes = [line for line in out.splitlines() if line.startswith("code ")]
    assert len(codes) == len(commands) and {code.split()[1] for code in codes[:-1]} == {"0"}, (codes, err[-2000:])
    assert "1 of 21 rows could not be read" in err and "bytes that are no character" in err
    run = Run.open("gbk")
    assert run.info["config"]["data"] == [text], "the name is read back as it is"
    assert "\\udcb2" in (run.path / "run.json").read_text(encoding="utf-8")
    dropped = [json.loads(line) for line in (tmp_path / "clean.dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    assert dropped[0]["line"] == 21
    code, _, err = fledge("data", "check", b"\xff.txt")
    assert code == 2 and err.startswith("error: there is no file") and err.count("\n") == 1
