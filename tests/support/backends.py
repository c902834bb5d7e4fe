"""Backends as most tests use them: what one can do by one name, its live models first."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from resnet_dsl.backend.discovery import find_backend, runtime_of
from resnet_dsl.program import Program

UNOPTIMISED = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}
"""The environment of a process with JAX, which runs what it compiles once: half of the time is spared."""


def in_full(name: str) -> Any:
    """The functions of a backend's runtime, and its `render`."""
    backend = find_backend(name)
    runtime = runtime_of(backend)

    def render(program: Program, state: Mapping[str, Any] | None = None) -> str | bytes:
        content = backend.render(program, state)
        return b"".join(content) if isinstance(content, tuple) else content

    names = ("build", "load_state", "read_state", "run", "trace")
    return SimpleNamespace(render=render, **{each: getattr(runtime, each) for each in names})
