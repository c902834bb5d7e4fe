"""The command `backends`: what is installed, and what each needs."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.diagnostics.model import UsageError


def backends(options: Namespace) -> int:
    """List the backends: what each needs, and whether it is there."""
    from resnet_dsl.backend.discovery import backend_names, find_backend, require

    names = backend_names()
    width = max(map(len, names), default=0)
    for name in names:
        try:
            backend = find_backend(name)
            require(backend)
            state = f"installed ({', '.join(backend.REQUIRES)})"
        except UsageError as problem:
            state = str(problem)
        except ImportError as error:
            state = f"cannot be imported: {error}"
        print(f"{name:<{width}}  {state}")
    return 0
