"""The memory of the process."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1  # by glibc's <malloc.h>
M_MMAP_MAX = -4


def keep_memory() -> None:
    """Have the C library keep what is freed: Linux clears the pages of a map that is taken from it anew."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, -1)
