"""Runs the command of a training script for each line of options on stdin, and prints what it ends with."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    script: Any = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        sys.argv = [f"{script.__name__}.py", *line.split()]
        try:
            script.main()
            print("nothing")
        except SystemExit as error:
            print(error)
        except BaseException:
            print(traceback.format_exc().replace("\n", " | "))
