"""`fledge doctor`: what is broken is named with the way to mend it, and only that fails."""

from __future__ import annotations

import json

import pytest
import torch

from fledge import device
from fledge.cli import doctor, main


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")


@pytest.fixture
def speeds(monkeypatch):
    monkeypatch.setattr(
        device, "matmul_gflops", lambda kind, dtype, size=512: {"float32": 100.0, "bfloat16": 40.0}[dtype]
    )
    monkeypatch.setattr(device, "pick_device", lambda name="auto": torch.device("cpu"))
    monkeypatch.setattr(doctor, "nvidia_card", lambda: "")
    monkeypatch.setattr(doctor, "check_traps", list)


def report(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_sound_machine_passes(speeds, capsys):
    assert main(["doctor", "--json"]) == 0
    found = report(capsys)
    assert found["ok"] and found["machine"]["gflops"] == {"fp32": 100.0, "bf16": 40.0}
    assert found["machine"]["precision"] == "float32"
    # 100 GFLOP/s, a quarter of it for an hour: sqrt(25e9 * 3600 / 120) parameters
    assert "0.9M parameters well in an hour, 4.2M in a day" in found["verdict"]


def test_text_and_json_say_the_same(speeds, capsys):
    main(["doctor", "--json"])
    found = report(capsys)
    main(["doctor"])
    out = capsys.readouterr().out
    assert all(f"{check['name']}: {check['value']}" in out for check in found["checks"] if check["name"] != "disk")
    assert out.rstrip().endswith(found["verdict"])


def test_a_missing_package_is_broken(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CORE", ("torch", "fledge_no_such_package"))
    assert main(["doctor", "--json"]) == 1
    (bad,) = [check for check in report(capsys)["checks"] if check["state"] == "bad"]
    assert "fledge_no_such_package" in bad["value"] and bad["advice"]


def test_an_idle_card_under_a_cpu_build_gets_the_one_command(speeds, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "nvidia_card", lambda: "RTX 3050")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert main(["doctor", "--json"]) == 0  # it works, slowly
    (check,) = [check for check in report(capsys)["checks"] if check["name"] == "device"]
    assert check["state"] == "warn" and "RTX 3050" in check["value"]
    version = torch.__version__.split("+")[0]
    assert "--torch-backend=auto" in check["advice"] and f"torch=={version}" in check["advice"]


def test_a_card_that_a_cuda_build_cannot_use_is_broken(speeds, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "nvidia_card", lambda: "RTX 3050")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert main(["doctor"]) == 1
    assert "driver is too old for CUDA 13.0" in capsys.readouterr().out


def test_torchvision_beside_a_cpu_torch_is_a_trap(monkeypatch):
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(torch.version, "cuda", None)
    for version, traps in ((None, 0), ("0.28.0", 1), ("0.28.0+cpu", 0)):
        monkeypatch.setattr(device, "package_version", lambda name, version=version: version)
        assert [check.state for check in doctor.check_traps()] == ["bad"] * traps


def test_disk_and_runs_folder(monkeypatch, tmp_path):
    usage = type("usage", (), {"free": 3 * 2**30})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert doctor.check_disk().state == "warn"
    usage.free = 2**29
    assert doctor.check_disk().state == "bad"
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setenv("FLEDGE_RUNS", str(blocked))
    check = doctor.check_disk()
    assert check.state == "bad" and "FLEDGE_RUNS" in check.advice


def test_little_memory_is_a_warning():
    assert doctor.check_memory({"ram_gb": 3.5}).state == "warn"
    assert doctor.check_memory({"ram_gb": 8.0}).state == "ok"
