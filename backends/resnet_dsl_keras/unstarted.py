"""Models whose random weights are not drawn, where others follow: drawing takes a third of a build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import keras

MODULE = "keras"  # as generated files import it


class _Initializers:
    """Stands for `keras.initializers` in one module: what is made of it gives zeros, and is noted."""

    def __init__(self) -> None:
        self.made: list[tuple[keras.initializers.Initializer, type[keras.initializers.Initializer]]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(keras.initializers, name)
        return self._silent(found) if isinstance(found, type) and name != "Initializer" else found

    def _silent(self, kind: type[keras.initializers.Initializer]) -> type[keras.initializers.Initializer]:
        made = self.made

        def noted(own: type[Any], *_: object, **__: object) -> Any:  # a copy by Keras is made here too
            instance = object.__new__(own)
            made.append((instance, kind))
            return instance

        def zeros(_: object, shape: tuple[int, ...], dtype: str | None = None, **__: object) -> Any:
            return keras.ops.zeros(shape, dtype)

        return type(kind.__name__, (kind,), {"__new__": noted, "__call__": zeros})


@contextmanager
def unstarted(module: ModuleType) -> Iterator[None]:
    """Build with the functions of a generated file, its weights zeros; initializers are real ones after."""
    initializers, keras_there = _Initializers(), ModuleType(MODULE)
    keras_there.__dict__.update(vars(keras), initializers=initializers)
    setattr(module, MODULE, keras_there)
    try:
        yield
    finally:
        setattr(module, MODULE, keras)
        for instance, kind in initializers.made:
            instance.__class__ = kind
