"""Device, precision and threads: measured, and refused in one sentence when they are not there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from fledge import device
from fledge.errors import UserError


def fake_speeds(monkeypatch, fp32: float, bf16: float) -> None:
    speeds = {"float32": fp32, "bfloat16": bf16}
    monkeypatch.setattr(device, "matmul_gflops", lambda _, dtype, size=512: speeds[dtype])


@pytest.mark.parametrize(("bf16", "expected"), [(149.0, torch.float32), (151.0, torch.bfloat16)])
def test_cpu_precision_follows_the_measurement(monkeypatch, bf16, expected):
    fake_speeds(monkeypatch, 100.0, bf16)
    assert device.pick_precision("auto", torch.device("cpu")) == expected


def test_a_named_precision_is_taken_and_a_wrong_one_refused():
    assert device.pick_precision("fp16", torch.device("cpu")) == torch.float16
    assert device.pick_precision("auto", torch.device("mps")) == torch.float32
    with pytest.raises(UserError, match="Did you mean 'bf16'"):
        device.pick_precision("bf61", torch.device("cpu"))


@pytest.mark.parametrize(("bf16", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_cuda_precision_follows_the_card(monkeypatch, bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    assert device.pick_precision("auto", torch.device("cuda")) == expected


def test_auto_prefers_cuda_then_mps_then_cpu(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.pick_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.pick_device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.pick_device().type == "cpu"


def test_a_device_that_is_not_there_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UserError, match="CPU build"):
        device.pick_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(UserError, match="no NVIDIA driver"):
        device.pick_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="has 1 CUDA"):
        device.pick_device("cuda:1")
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        device.pick_device("cud")
    assert device.pick_device("cpu") == torch.device("cpu")


def test_threads_follow_omp_num_threads_else_the_cores(monkeypatch):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setattr(device, "num_cores", lambda: 3)
        assert device.set_threads() == 1
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert device.set_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_container_quota_caps_cores_and_memory(monkeypatch):
    cores, memory = device.num_cores(), device.ram_gb()
    files = {"/sys/fs/cgroup/cpu.max": "100000 100000\n", "/sys/fs/cgroup/memory.max": str(2**30)}
    monkeypatch.setattr(device, "_read", lambda path: files.get(path, ""))
    monkeypatch.setattr(device.sys, "platform", "linux")
    assert (device.num_cores(), device.ram_gb()) == (1, 1.0)
    files |= {"/sys/fs/cgroup/cpu.max": "max 100000", "/sys/fs/cgroup/memory.max": "max"}
    assert device.num_cores() >= cores and device.ram_gb() >= memory


def test_machine_is_json_and_names_the_processor():
    facts = json.loads(json.dumps(device.machine()))
    assert facts["precision"] in ("float32", "bfloat16", "float16")
    assert facts["threads"] == torch.get_num_threads()
    assert facts["cpu"] and facts["ram_gb"] > 0 and facts["cores"] >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak can be begun anew on Linux alone")
def test_a_peak_is_of_what_came_since_it_was_forgotten():
    cpu = torch.device("cpu")
    device.forget_peak(cpu)
    before = device.memory_mb(cpu)
    torch.ones(256 << 18)  # 256 MiB, gone at once
    assert device.memory_mb(cpu) > before + 200
    device.forget_peak(cpu)
    assert device.memory_mb(cpu) < before + 100


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux's getrusage does")
def test_a_new_process_does_not_inherit_the_peak():
    filled = torch.ones(512 << 18)
    code = (
        "import torch; from fledge import device; peak = device.memory_mb(torch.device('cpu'));"
        "now = [int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmRSS')][0];"
        "print(peak, now)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, now = map(float, found.stdout.split())
    assert filled.sum() > 0 and peak < now + 200  # this process holds 512 MB more
