"""Machines that were never measured: the same numbers on every machine that runs the tests."""

from __future__ import annotations

import pytest

from fledge.planning.machines import Machine


@pytest.fixture
def cpu() -> Machine:
    """Like the two cores of docs/LOG.md: speeds fitted to its training steps."""
    return Machine(
        name="a CPU",
        device="cpu",
        memory_gb=16.0,
        reserve_gb=2.0,
        precision="bf16",
        flops=300e9,
        bandwidth=17e9,
        kernel_seconds=0.0,
        measured=True,
        key="cpu: a CPU, bf16",
    )
