"""A training script on a CPU keeps its memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from resnet_dsl.training import process_memory
from resnet_dsl.training.process_memory import keep_memory

FAULTS = """
import resource
from resnet_dsl.training.process_memory import keep_memory
{before}
size = 40_000_000
b"x" * size
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
b"x" * size
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(before: str) -> int:
    """How many 40 MB take, which are 9,766 pages, after as many were given back."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(before=before)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_was_given_back_is_taken_again_as_it_is() -> None:
    assert page_faults("keep_memory()") < 100


def test_another_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(process_memory, "ctypes", None)
    keep_memory()
