"""Both fuzzers in turn: `python -m fuzz --minutes 10 --seed 0`; exit status 1 if one finds anything."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run them in processes of their own and return the worse exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    paths = [str(root), str(root / "backends"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    each = ["--minutes", str(options.minutes / 2), "--seed", str(options.seed)]
    statuses = []
    for name, more in (("front_end", ["--jobs", str(options.jobs)]), ("networks", [])):
        print(f"-- {name}", flush=True)
        command = [sys.executable, "-m", f"fuzz.{name}", *each, *more]
        statuses.append(subprocess.run(command, cwd=root, env=environment, check=False).returncode)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
