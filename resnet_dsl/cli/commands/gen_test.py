"""The command `gen-test`: a test of a user's own artefacts, written beside them."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from resnet_dsl.backend.discovery import find_backend, sound_backends
from resnet_dsl.backend.interface import Backend
from resnet_dsl.backend.writing import Artefact, write_whole
from resnet_dsl.cli.output import check_targets
from resnet_dsl.cli.programs import one_program, say
from resnet_dsl.codegen.seal import sealed
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.verify.gen_test import source_of


def gen_test(options: Namespace) -> int:
    """Write the test file beside the artefacts."""
    program = one_program(options)
    backends, left_out = _participants(options.backends)
    if len(backends) < 2:
        raise UsageError("; ".join(["a test compares two backends or more", *left_out]))
    path = Path(options.output or ".")
    if path.is_dir() or str(options.output or "").endswith("/"):
        path = path / f"test_{program.name}_identity.py"
    check_targets([path], options.force)
    for line in left_out:
        print(f"note: {line}", file=sys.stderr)
    write_whole(Artefact(path, sealed(source_of(program, backends))))
    beside = ", ".join(program.name + backend.suffix for backend in backends)
    say(options, f"wrote {printable(str(path))}: run it beside {beside}")
    return 0


def _participants(names: str | None) -> tuple[list[Backend], list[str]]:
    """The backends that have a self-test, and a line for each of those that are left out."""
    broken: dict[str, str] = {}
    if names:
        found = [find_backend(name.strip()) for name in names.split(",")]
    else:
        found, broken = sound_backends()
    reasons = broken | {b.name: "it has no self-test" for b in found if b.self_test is None}
    lines = [f"{name}: left out, {reason}" for name, reason in reasons.items()]
    return [backend for backend in found if backend.self_test is not None], lines
