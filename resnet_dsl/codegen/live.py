"""Rendered source as a real module: imported once by its hash, so that tools find its text."""

from __future__ import annotations

import copyreg
import hashlib
import linecache
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType


def module_of(source: str, name: str) -> ModuleType:
    """Return the module that `source` defines, entered in `sys.modules` and `linecache`.

    `inspect.getsource`, tracebacks and `torch.jit.script` work on what it defines.
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
        exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)  # as where it is a file
    except BaseException:
        del sys.modules[full]
        raise
    for cls in own_classes(module):
        if not _says_how(cls):
            copyreg.pickle(cls, partial(_reduced, source, name))
    return module


def own_classes(module: ModuleType) -> list[type]:
    """Return the classes that a module defines, in order."""
    values = (value for value in vars(module).values() if isinstance(value, type))
    return [value for value in values if value.__module__ == module.__name__]


def _says_how(cls: type) -> bool:
    """Whether a class says itself how it is pickled, as layers of Keras do."""
    return any("__reduce__" in vars(each) or "__reduce_ex__" in vars(each) for each in cls.__mro__[:-1])


Reduced = tuple[Callable[[str, str, str], object], tuple[str, str, str], object]


def _reduced(source: str, name: str, instance: object) -> Reduced:
    """What pickle writes of an instance: its module's source, which another process has not.

    The source comes first in the pickle, so that the classes of the instance's parts are found by the
    time its state is read; a pickle holds it once, however many instances there are.
    """
    return _instance, (source, name, type(instance).__qualname__), instance.__getstate__()


def _instance(source: str, name: str, cls: str) -> object:
    """Return an instance without its state, of a class of the module of `source`."""
    found: type[object] = vars(module_of(source, name))[cls]
    return object.__new__(found)
