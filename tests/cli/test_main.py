"""`fledge VERB`: every mistake is one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

import fledge
from fledge import cli
from fledge.errors import UserError


@pytest.fixture
def verb(monkeypatch):
    """Give `fledge try` a body."""

    def install(body) -> None:
        module = types.ModuleType("fledge_try")
        module.main = body
        monkeypatch.setitem(sys.modules, "fledge_try", module)
        monkeypatch.setitem(cli.VERBS, "try", ("fledge_try", "a verb of this test"))

    return install


def failing(error: BaseException):
    def body(argv):
        raise error

    return body


def test_help_lists_every_verb(capsys):
    assert cli.main([]) == cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out and str(help) in out for name, (_, help) in cli.VERBS.items())


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fledge {fledge.__version__}\n"


def test_an_unknown_verb_names_the_nearest(capsys):
    assert cli.main(["trian"]) == 2
    assert capsys.readouterr().err == "error: 'trian' is not a fledge verb. Did you mean 'train'?\n"


def test_words_and_exit_code_go_through(verb):
    seen = []
    verb(lambda argv: seen.append(argv) or 3)
    assert cli.main(["try", "--x", "a b"]) == 3
    assert seen == [["--x", "a b"]]


def test_a_user_error_is_one_line(verb, capsys, monkeypatch):
    verb(failing(UserError("no such file.")))
    assert cli.main(["try"]) == 2
    assert capsys.readouterr() == ("", "error: no such file.\n")
    monkeypatch.setenv("FLEDGE_DEBUG", "1")
    with pytest.raises(UserError):
        cli.main(["try"])


def test_ctrl_c_is_130(verb, capsys):
    verb(failing(KeyboardInterrupt()))
    assert cli.main(["try"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_what_the_machine_lacks_is_a_sentence_and_other_os_errors_are_bugs(verb, capsys):
    verb(failing(OSError(28, "No space left on device", "metrics.jsonl")))
    assert cli.main(["try"]) == 2
    assert "the disk is full (metrics.jsonl)" in capsys.readouterr().err
    verb(failing(PermissionError(13, "Permission denied", "runs/x")))
    assert cli.main(["try"]) == 2
    assert "there is no permission to use 'runs/x'" in capsys.readouterr().err
    verb(failing(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")))
    assert cli.main(["try"]) == 2
    assert "there is not enough memory" in capsys.readouterr().err
    verb(failing(OSError(5, "Input/output error")))
    with pytest.raises(OSError):
        cli.main(["try"])


def test_python_m_fledge_and_a_pipe_without_utf8():
    done = subprocess.run(
        [sys.executable, "-c", "from fledge.cli import main\nmain(['--help'])\nprint('羽翼')"],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert done.returncode == 0 and "羽翼" in done.stdout.decode("utf-8")
    done = subprocess.run([sys.executable, "-m", "fledge", "rums"], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (2, "error: 'rums' is not a fledge verb. Did you mean 'runs'?\n")
