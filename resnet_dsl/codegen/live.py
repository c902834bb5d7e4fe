"""Rendered source as a real module: imported once by its hash, so that tools find its text."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType


def module_of(source: str, name: str) -> ModuleType:
    """Return the module that `source` defines, entered in `sys.modules` and `linecache`.

    `inspect.getsource`, tracebacks, pickling and `torch.jit.script` work on what it defines.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    full = f"resnet_dsl_live_{name}_{digest}"
    if full in sys.modules:
        return sys.modules[full]
    file = f"<{full}>"
    module = ModuleType(full)
    module.__file__ = file
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[full] = module
    try:
        exec(compile(source, file, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[full]
        raise
    return module
