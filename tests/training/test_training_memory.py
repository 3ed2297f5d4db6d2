"""Freed memory stays with the process that trains."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from rtmss.training.memory import keep_memory
if "keep" in sys.argv:
    assert "torch" not in sys.modules
    assert keep_memory()
import torch

def step():
    buffers = [torch.ones(12_000_000) for _ in range(8)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc",
    reason="only the GNU C library can be told",
)
def test_buffers_that_come_again_need_few_new_pages() -> None:
    def faults(*arguments: str) -> int:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return int(
            subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )

    assert faults("keep") < faults() / 3
