"""The house keeps its order: what `tools/house.py` refuses is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_nothing_is_in_the_house_that_may_not_be() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "house.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
