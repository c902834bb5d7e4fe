"""The command `backends`: what each needs, whether it is there, and what it can do."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.backend.discovery import backend_names, find_backend, lacking
from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.errors import UsageError


def backends(options: Namespace) -> int:
    """List the backends; one that cannot be imported is a line as well."""
    names = backend_names()
    width = max(map(len, names), default=0)
    for name in names:
        try:
            state = _state(find_backend(name))
        except UsageError as problem:
            state = str(problem).removeprefix(f"backend {name}: ")
        print(f"{name:<{width}}  {state}")
    return 0


def _state(backend: Backend) -> str:
    if backend.runtime is None:
        return "installed; it has no runtime, and only compiles"
    needs = ", ".join(backend.runtime.requires)
    return lacking(backend, "runtime", backend.runtime) or "installed" + (f" ({needs})" if needs else "")
