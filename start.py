"""Set Fledge up beside this file and start it. Needs nothing but Python 3.10 or newer.

    python start.py              set up, then train a small model and chat with it
    python start.py test         set up, then run the tests (further words go to pytest)
    python start.py VERB ...     set up, then `fledge VERB ...`, for example: python start.py doctor

The packages go into `.venv` beside this file, by uv when it is there, else by pip, with your own settings and mirrors.
A second call finds them there and starts at once. (This file also parses on Python 3.6, to say that it is too old.)
"""

import hashlib
import importlib.util
import locale
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "fledge-installed.txt"  # what is installed; a second call compares it and installs nothing
UNFINISHED = VENV / "fledge-unfinished.txt"  # there while an install runs: a killed one is made anew
LOG = VENV / "fledge-install.log"
OLDEST = (3, 10)
NEED_GB = 2.0

# What pip calls it -> what uv calls it: uv reads none of pip's settings.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}

# What the installers print when …
NO_SPACE = r"No space left|Errno 28|not enough space|WinError 112"
NO_BUILD = r"(?i)no matching distribution found for torch|torch.* has no wheels"
NO_NETWORK = (
    r"(?i)failed to establish|name resolution|dns error|resolve host|getaddrinfo|timed out|unreachable|connection|"
    r"error sending request|certificate verify|SSLError|ProxyError|from versions: none"
)
NOT_TOLD = r"(?i)uninstall|existing installation|^warning|^\[notice"  # lines that say nothing to somebody who waits


class Stop(Exception):
    """Something the user can mend, in their language."""


def main(words: list) -> int:
    """Set up what is missing, run the job, return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console without Chinese must not stop the set-up
    if words[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    try:
        check_python()
        test = words[:1] == ["test"]
        set_up({"dev"} if test else set())
        if test:
            return run_job(["-m", "pytest", *words[1:]], cwd=ROOT)
        if not words or words[0].startswith("-"):
            words = ["quickstart", *words]
        return run_job(["-m", "fledge", *words])
    except Stop as stop:
        print("\n" + str(stop), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = say("已停止。再运行同一条命令就会把安装做完。", "Stopped. The same command will finish the set-up.")
        print("\n" + again, file=sys.stderr)
        return 130


def say(zh: str, en: str) -> str:
    """The sentence in the user's language: FLEDGE_LANG, else the locale variables, else the system."""
    for variable in ("FLEDGE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "").lower()
        if value and value not in ("c", "posix", "c.utf-8"):
            return zh if value.startswith(("zh", "chinese")) else en
    try:
        name = (locale.getlocale()[0] or "").lower()
    except ValueError:
        name = ""
    return zh if name.startswith(("zh", "chinese")) else en


def check_python() -> None:
    """Refuse a Python that is too old, or too narrow for torch."""
    have = "{}.{}".format(*sys.version_info)
    if sys.version_info < OLDEST:
        raise Stop(
            say(
                f"需要 Python 3.10 或更新的版本,现在是 {have}。请从 python.org 安装新版本,用它运行 start.py。",
                f"Python 3.10 or newer is needed, and this is {have}. Install one from python.org and use it here.",
            )
        )
    if sys.maxsize < 2**32:
        raise Stop(
            say(
                f"这个 Python {have} 是 32 位的,PyTorch 只有 64 位版本。请安装 64 位的 Python。",
                f"This Python {have} is a 32-bit build, and PyTorch needs 64 bits. Install the 64-bit Python.",
            )
        )


def set_up(extras: set) -> None:
    """Make `.venv` hold the package with at least `extras`; do nothing when it does already."""
    if UNFINISHED.exists():
        print(say("上次安装没有完成,现在重新安装。", "The last set-up did not finish: making it anew."), flush=True)
        remove_venv()
    version = venv_version()
    uv = shutil.which("uv") or shutil.which("uv", path=str(SCRIPTS))
    cuda = os.name == "nt" and bool(shutil.which("nvidia-smi"))  # PyPI's torch has CUDA on Linux only
    stamp = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else []
    if version and stamp[:1] == [stamp_key(version, cuda and uv)] and extras <= set(stamp[1:]):
        return

    free = shutil.disk_usage(str(ROOT)).free / 2**30
    if free < NEED_GB and not version:
        raise Stop(disk_full(free))
    started = time.monotonic()
    if not version:
        print(
            say("第一次运行,先安装软件包(只做一次)。", "First run: installing what is needed (only once)."), flush=True
        )
        make_venv(uv)
        version = venv_version()
    extras = extras | set(stamp[1:])
    if STAMP.exists():
        STAMP.unlink()
    UNFINISHED.write_text("", encoding="utf-8")
    install(uv, cuda, extras)
    STAMP.write_text("\n".join([stamp_key(version, cuda and uv), *sorted(extras)]) + "\n", encoding="utf-8")
    UNFINISHED.unlink()
    seconds = time.monotonic() - started
    print(say(f"安装完成,用时 {seconds:.0f} 秒。", f"Set up in {seconds:.0f} seconds."), flush=True)
    if cuda and not uv:
        command = f'"{PYTHON}" -m pip install uv'
        print(
            say(
                f"这台电脑有 NVIDIA 显卡,但 pip 只装得到 CPU 版的 PyTorch。要用显卡,运行一次:\n  {command}\n"
                "下次运行 start.py 时就会换成显卡版。",
                f"There is an NVIDIA card here, but pip finds only PyTorch's CPU build. Run once:\n  {command}\n"
                "and the next call of start.py brings the build that uses the card.",
            )
        )


def stamp_key(version: str, cuda_torch) -> str:
    """What an install depends on: where it lies, its Python, its kind of torch, what the project asks for."""
    asked = (str(ROOT), version, bool(cuda_torch), (ROOT / "pyproject.toml").read_bytes())
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def venv_version() -> str:
    """The version of the Python in `.venv`; empty when there is none that runs and is new enough."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])) if sys.version_info >= (3, 10) else '')"
    try:
        return output([str(PYTHON), "-c", code])
    except OSError:
        return ""


def output(command: list) -> str:
    """What `command` prints; its errors are not shown."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "replace").strip()


def make_venv(uv) -> None:
    """Make `.venv` from this Python."""
    remove_venv()
    VENV.mkdir()
    UNFINISHED.write_text("", encoding="utf-8")
    if uv:
        command = [uv, "venv", "--allow-existing", "--python", sys.executable, str(VENV)]
    elif importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        command = [sys.executable, "-m", "venv", str(VENV)]
    else:
        name = "python{}.{}-venv".format(*sys.version_info)
        remove_venv()
        raise Stop(
            say(
                f"这个 Python 缺少 venv 模块。Debian/Ubuntu 上先运行:sudo apt install {name},再运行 start.py。",
                f"This Python has no venv module. On Debian or Ubuntu: sudo apt install {name}, then start.py again.",
            )
        )
    code, lines = watch(command, say("创建 .venv", "making .venv"))
    if code or not venv_version():
        raise Stop(explain(lines))


def remove_venv() -> None:
    """Remove `.venv`, which holds nothing but what this file put there."""
    if VENV.exists():
        try:
            shutil.rmtree(str(VENV))
        except OSError as error:
            raise Stop(
                say(
                    f"无法删除 {VENV}:{error}。请关闭正在使用它的程序,再运行 start.py。",
                    f"Cannot remove {VENV}: {error}. Close the programs that use it and run start.py again.",
                )
            ) from error


def install(uv, cuda: bool, extras: set) -> None:
    """Install the package in place, with `extras`, into `.venv`."""
    target = ".[{}]".format(",".join(sorted(extras))) if extras else "."
    env = dict(os.environ, PIP_USER="0", PYTHONIOENCODING="utf-8", PIP_DISABLE_PIP_VERSION_CHECK="1")
    if uv:
        command = [uv, "pip", "install", "--python", str(PYTHON), "-e", target]
        if cuda:
            command += ["--torch-backend=auto", "--reinstall-package", "torch"]
        env.update(uv_settings())
    else:
        pip = [str(PYTHON), "-m", "pip"]
        have = re.match(r"pip (\d+)", output([*pip, "--version"]))
        if not have:  # a .venv that uv made
            watch([str(PYTHON), "-m", "ensurepip"], say("准备 pip", "preparing pip"))
        elif int(have.group(1)) < 22:  # the pip of early 3.10 cannot install in place from a pyproject.toml
            watch([*pip, "install", "--upgrade", "pip"], say("更新 pip", "updating pip"), env)
        command = [*pip, "install", "-e", target]
    code, lines = watch(command, say("安装软件包", "installing packages"), env)
    LOG.write_text("\n".join([shlex.quote(word) for word in command] + lines) + "\n", encoding="utf-8")
    if code:
        UNFINISHED.unlink()  # it ended by itself: what is there is whole, and the next call adds the rest
        raise Stop(explain(lines))


def uv_settings() -> dict:
    """The user's pip settings (files and PIP_ variables) in uv's words, where uv has been told nothing itself."""
    listed = output([sys.executable, "-m", "pip", "config", "list"])
    found = dict(re.findall(r"^(?:global|site|install|user)\.([\w-]+)='(.*)'", listed, flags=re.MULTILINE))
    for name in UV_NAMES:
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            found[name] = value
    told = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}  # the older names of the same
    settings = {}
    for name, value in found.items():
        variable = UV_NAMES.get(name)
        if variable and not os.environ.get(variable) and not os.environ.get(told.get(variable, variable)):
            words = value.replace("\\n", " ").split()
            settings[variable] = value if name == "cert" else ("," if name == "find-links" else " ").join(words)
    if "UV_INDEX" in settings:
        settings["UV_INDEX_STRATEGY"] = os.environ.get("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip chooses
    return settings


def explain(lines: list) -> str:
    """Why an install failed, as well as its last lines can tell."""
    text = "\n".join(lines)
    tail = "\n".join("    " + line for line in lines[-8:])
    if re.search(NO_SPACE, text):
        return disk_full(shutil.disk_usage(str(ROOT)).free / 2**30)
    if re.search(NO_BUILD, text) and "from versions: none" not in text:
        reason = say(
            "PyTorch 没有适合这个 Python 或这个系统的版本。请换一个 Python 版本(例如 3.12)再试。",
            "PyTorch has no build for this Python or this system. Try another Python, for example 3.12.",
        )
    elif re.search(NO_NETWORK, text):
        reason = say(
            "下载软件包失败:请检查网络或代理,也可以设置镜像(pip config set global.index-url 镜像地址),再运行一次。",
            "The packages could not be fetched: check the network or proxy, or name a mirror near you"
            " (pip config set global.index-url MIRROR), and run this again.",
        )
    else:
        reason = say("安装失败。", "The set-up failed.")
    where = f" ({LOG})" if LOG.exists() else ""
    return "{}\n{}\n{}".format(reason, say("最后几行输出", "Its last lines") + where + ":", tail)


def disk_full(free: float) -> str:
    return say(
        f"磁盘空间不足:{ROOT} 所在的磁盘只剩 {free:.1f} GB,至少需要 {NEED_GB:.0f} GB。请腾出空间再运行。",
        f"Too little room: {free:.1f} GB are free where {ROOT} lies, and {NEED_GB:.0f} GB are needed."
        " Make room and run this again.",
    )


def watch(command: list, title: str, env=None) -> tuple:
    """Run `command` and show that it lives, in one line that changes; return its exit code and its output's lines."""
    process = subprocess.Popen(command, cwd=str(ROOT), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    fresh = queue.Queue()

    def read() -> None:
        for raw in process.stdout:
            fresh.put(raw.decode("utf-8", "replace").strip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    lines, told, started, shown, terminal = [], "", time.monotonic(), 0.0, sys.stdout.isatty()
    try:
        while reader.is_alive() or not fresh.empty():
            try:
                line = fresh.get(timeout=0.1)
                lines += [line] if line else []
                told = told if not line or re.search(NOT_TOLD, line) else line
            except queue.Empty:
                pass
            passed = time.monotonic() - started
            if passed - shown > (0.1 if terminal else 10.0):
                shown = passed
                text = f"  {title} {passed:.0f} s  {told}"
                print("\r" + fit(text) if terminal else fit(text).rstrip(), end="" if terminal else "\n", flush=True)
        return process.wait(), lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if terminal and shown:
            print("\r" + fit("") + "\r", end="", flush=True)


def fit(text: str) -> str:
    """`text` cut and padded to the terminal's width; a Chinese character takes two columns."""
    width, out, used = shutil.get_terminal_size().columns - 1, "", 0
    for char in text:
        columns = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used + columns > width:
            break
        out, used = out + char, used + columns
    return out + " " * (width - used)


def run_job(words: list, cwd=None) -> int:
    """Run the installed Python with `words`; Ctrl-C is the job's own business, and its exit code is ours."""
    process = subprocess.Popen([str(PYTHON), *words], cwd=str(cwd) if cwd else None)
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
