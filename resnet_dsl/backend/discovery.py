"""Backends found by their names.

A backend `x` is an importable package `resnet_dsl_x`: in a checkout a folder of `backends/`,
installed a package of ours or anybody's.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path
from typing import cast

from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean

PREFIX = "resnet_dsl_"


def backend_names() -> list[str]:
    """Return the names of the backends that can be imported here."""
    _add_checkout()
    names = {m.name.removeprefix(PREFIX) for m in pkgutil.iter_modules() if m.name.startswith(PREFIX)}
    return sorted(names)


def find_backend(name: str) -> Backend:
    """Return a backend by name; raises UsageError for one that does not exist."""
    _add_checkout()
    if not name.isidentifier() or importlib.util.find_spec(PREFIX + name) is None:
        known = backend_names()
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise UsageError(f"no backend `{name}`; {hint}")
    return cast(Backend, importlib.import_module(PREFIX + name))


def require(backend: Backend) -> None:
    """Raise UsageError with the line to type if a package that `build` needs is missing."""
    missing = [name for name in backend.REQUIRES if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        line = f'pip install "resnet-dsl[{backend.NAME}]"'
        raise UsageError(f"the {backend.NAME} model needs {names}, not installed here: {line}")


def _add_checkout() -> None:
    """In a bare checkout the backends lie beside the package, not on the path."""
    folder = Path(__file__).parents[2] / "backends"
    if folder.is_dir() and importlib.util.find_spec(PREFIX + "torch") is None:
        sys.path.append(str(folder))
