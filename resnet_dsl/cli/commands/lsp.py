"""The command `lsp`: the language server, which an editor starts and talks to."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec

from resnet_dsl.diagnostics.errors import UsageError


def lsp(options: Namespace) -> int:
    """Serve an editor on standard input and output until it ends the session."""
    if missing := [name for name in ("pygls", "lsprotocol") if find_spec(name) is None]:
        names = " and ".join(missing)
        raise UsageError(f'lsp needs {names}, not installed here: pip install "resnet-dsl[lsp]"')
    from resnet_dsl.editor.server import serve

    serve()
    return 0
