"""The command `gen-test`: a test of a user's own artefacts, written beside them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from resnet_dsl.backend.discovery import backend_names, find_backend
from resnet_dsl.cli.output import Artefact, check_targets, write_whole
from resnet_dsl.cli.programs import one_program
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.verify.gen_test import source_of


def gen_test(options: Namespace) -> int:
    """Write the test file beside the artefacts."""
    program = one_program(options)
    names = options.backends.split(",") if options.backends else backend_names()
    backends = [find_backend(name.strip()) for name in names]
    if len(backends) < 2:
        raise UsageError("a test compares two backends or more")
    path = Path(options.output or ".")
    if path.is_dir() or str(options.output or "").endswith("/"):
        path = path / f"test_{program.name}_identity.py"
    check_targets([path], options.force)
    write_whole(Artefact(path, source_of(program, backends)))
    print(f"wrote {path}: run it beside {', '.join(program.name + b.SUFFIX for b in backends)}")
    return 0
