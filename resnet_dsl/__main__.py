"""`python -m resnet_dsl` is the command `resnet-dsl`."""

import sys
from pathlib import Path

# Python puts the working directory first; no `json.py` of the user's is to run for it.
if sys.path and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[1]:
    sys.path.pop(0)

from resnet_dsl.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
