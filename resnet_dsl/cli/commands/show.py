"""The command `show`: the text of a shipped spec."""

from __future__ import annotations

import sys
from argparse import Namespace

from resnet_dsl.diagnostics.errors import UsageError


def show(options: Namespace) -> int:
    """Print a shipped spec as it is written; of a file with several models say which is meant."""
    from resnet_dsl.diagnostics.suggest import did_you_mean
    from resnet_dsl.shipped import file_of, known, model_named

    path = file_of(options.name)
    if path is None:
        hint = did_you_mean(options.name, known()) or "`resnet-dsl list` lists them"
        raise UsageError(f"no shipped spec `{options.name}`; {hint}")
    print(path.read_text(encoding="utf-8"), end="")
    if model_named(options.name) is not None:
        sys.stdout.flush()
        print(f"note: {options.name} is a model of this file: --model {options.name}", file=sys.stderr)
    return 0
