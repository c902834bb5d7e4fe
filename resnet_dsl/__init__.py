"""resnet-dsl: one text, the same residual network in PyTorch, Keras and ONNX.

    import resnet_dsl

    model = resnet_dsl.load("my_net.resnet", classes=10)
    print(model.summary())
    network = model.build("torch")

Errors are CompileError, which carries its diagnostics, WeightsError, which carries the report of
weights that do not fit, NotExpressibleError of `import_spec`, and UsageError.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from resnet_dsl.version import __version__

if TYPE_CHECKING:
    from resnet_dsl.api import Model, draw, load, loads
    from resnet_dsl.compare.comparison_result import Comparison
    from resnet_dsl.compare.one_difference import NetworkDifference
    from resnet_dsl.compare.sides import diff
    from resnet_dsl.decompile.pipeline import import_spec
    from resnet_dsl.decompile.tensors import NotExpressibleError
    from resnet_dsl.diagnostics.errors import CompileError, UsageError
    from resnet_dsl.diagnostics.model import Diagnostic
    from resnet_dsl.notebook import Shell
    from resnet_dsl.weights.match_report import WeightsError

__all__ = [
    "Comparison", "CompileError", "Diagnostic", "Model", "NetworkDifference", "NotExpressibleError",
    "UsageError", "WeightsError", "__version__", "diff", "draw", "import_spec", "load", "loads",
]  # fmt: skip

_HOMES = {
    "CompileError": "resnet_dsl.diagnostics.errors",
    "Diagnostic": "resnet_dsl.diagnostics.model",
    "UsageError": "resnet_dsl.diagnostics.errors",
    "WeightsError": "resnet_dsl.weights.match_report",
    "Comparison": "resnet_dsl.compare.comparison_result",
    "Model": "resnet_dsl.api",
    "draw": "resnet_dsl.api",
    "NetworkDifference": "resnet_dsl.compare.one_difference",
    "diff": "resnet_dsl.compare.sides",
    "load": "resnet_dsl.api",
    "loads": "resnet_dsl.api",
    "NotExpressibleError": "resnet_dsl.decompile.tensors",
    "import_spec": "resnet_dsl.decompile.pipeline",
}


def __getattr__(name: str) -> object:
    """Import what is public when it is first asked for, so that `import resnet_dsl` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def load_ipython_extension(shell: Shell) -> None:
    """Have `%%resnet` in a notebook: what `%load_ext resnet_dsl` calls."""
    from resnet_dsl.notebook import extend

    extend(shell)


def __dir__() -> list[str]:
    """List the public names, imported yet or not."""
    return sorted({*globals(), *__all__})
