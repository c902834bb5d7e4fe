"""Backends found by their names, and their parts: what one lacks is a sentence.

A backend `x` is a package that defines `BACKEND`: in a checkout the folder `backends/resnet_dsl_x`,
installed the package that an entry point `x` of the group `resnet_dsl.backends` names. A module that is
only called so, in the working directory say, is none.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from resnet_dsl.backend.interface import Backend, Capability, Part, Runtime
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean

PREFIX = "resnet_dsl_"
GROUP = "resnet_dsl.backends"
CHECKOUT = Path(__file__).parents[2] / "backends"


def backend_names() -> list[str]:
    """Return the names of the backends that are in the checkout or installed, sound or not."""
    return sorted(backend_modules())


def backend_modules() -> dict[str, str]:
    """Return the module of each backend by its name."""
    return _installed(tuple(sys.path)) | _in_checkout()


@functools.cache
def _installed(path: tuple[str, ...]) -> dict[str, str]:
    """The backends that packages on Python's path say they have: asking all of them takes long."""
    from importlib.metadata import entry_points  # long to import, and not needed in a checkout for one name

    return {point.name: point.module for point in entry_points(group=GROUP)}


def _in_checkout() -> dict[str, str]:
    """The backends of a bare checkout, which lie beside the package and not on the path."""
    packages = CHECKOUT.glob(f"{PREFIX}*/__init__.py")
    found = {path.parent.name.removeprefix(PREFIX): path.parent.name for path in packages}
    if found and str(CHECKOUT) not in sys.path:
        sys.path.append(str(CHECKOUT))
    return found


def find_backend(name: str) -> Backend:
    """Return a backend by name; raises UsageError for one that does not exist or cannot be imported."""
    place = _in_checkout().get(name) or backend_modules().get(name)
    if place is None:
        known = backend_names()
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise UsageError(f"no backend `{name}`; {hint}")
    try:
        module = importlib.import_module(place)
    except Exception as error:  # a package of somebody else's raises what it likes
        raise UsageError(f"backend {name}: cannot be imported: {_in_a_line(error)}") from None
    found = vars(module).get("BACKEND")
    if not isinstance(found, Backend):
        what = "is not defined" if found is None else f"is of type {type(found).__name__}, not Backend"
        raise UsageError(f"backend {name}: {place}.BACKEND {what}")
    if found.name != name:
        raise UsageError(f"backend {name}: it is called {found.name!r} in {place}.BACKEND")
    return found


def find_runner(name: str) -> Backend:
    """Return a backend, or an engine of one by `NAME:ENGINE`; raises UsageError where there is none."""
    base, colon, engine = name.partition(":")
    backend = find_backend(base)
    if not colon:
        return backend
    if engine not in backend.engines:
        known = [f"{base}:{each}" for each in sorted(backend.engines)]
        hint = did_you_mean(name, known) or (
            f"there are {', '.join(known)}" if known else f"{base} has one only"
        )
        raise UsageError(f"no engine `{name}`; {hint}")
    return backend.engines[engine]


def other_engines(backend: Backend) -> list[Backend]:
    """Return the engines of a backend that are installed, beside the one that its own models run on."""
    own = backend.engine() if backend.engines else ""
    others = [engine for name, engine in backend.engines.items() if name != own]
    return [each for each in others if not lacking(each, "runtime", each.runtime)]


def sound_backends() -> tuple[list[Backend], dict[str, str]]:
    """Return the backends that can be imported and, by name, what is wrong with the others."""
    found, broken = [], {}
    for name in backend_names():
        try:
            found.append(find_backend(name))
        except UsageError as error:
            broken[name] = str(error).removeprefix(f"backend {name}: ")
    return found, broken


def lacking(backend: Backend, what: str, part: Capability[Part] | None) -> str:
    """Return why a part of a backend cannot be used here, in words that follow `it`, or nothing."""
    if part is None:
        return f"has no {what}"
    missing = missing_packages(part.requires)
    return needed(missing, backend.install) if missing else ""


def runtime_of(backend: Backend) -> Runtime:
    """Return what builds and runs the live models of a backend; raises UsageError if it is not there."""
    if backend.runtime is None:
        raise UsageError(f"the {backend.name} backend has no runtime: it renders, and builds no live model")
    if reason := lacking(backend, "runtime", backend.runtime):
        raise UsageError(f"the {backend.name} model {reason}")
    try:
        return backend.runtime.load()
    except Exception as error:  # a framework that is there, and lacks something itself
        raise UsageError(f"the {backend.name} model cannot be built here: {_in_a_line(error)}") from None


def missing_packages(names: Iterable[str]) -> list[str]:
    """Return those of the packages that cannot be imported here."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def needed(missing: Sequence[str], install: str) -> str:
    """Return in words which packages are missing, with the line to type."""
    line = f'pip install "{install}"' if install else f"pip install {' '.join(missing)}"
    return f"needs {', '.join(missing)}, not installed here: {line}"


def _in_a_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
