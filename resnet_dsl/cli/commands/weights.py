"""The commands on weights: `weights init`, `inspect`, `convert` and `average`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.cli.programs import STDOUT, one_program, say
from resnet_dsl.cli.progress_line import progress_shown
from resnet_dsl.cli.weight_choice import asked, chosen_weights
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.progress import LongTask
from resnet_dsl.records import replace
from resnet_dsl.weights.source import Weights, check_choice, compared, weights_for

if TYPE_CHECKING:
    from resnet_dsl.codegen.seal import Pieces
    from resnet_dsl.ir.arrays import Array
    from resnet_dsl.program import Program
    from resnet_dsl.zoo.asked import Called


def init(options: Namespace) -> int:
    """Write the initial weights of a seed."""
    check_choice(options.seed, None, False)
    path = _target(options.output, options.force)
    program = one_program(options)
    with progress_shown():
        weights = weights_for(program, options.seed)
    return _write(program, weights, path, options)


def convert(options: Namespace) -> int:
    """Rewrite a file of weights in the format of another, checked against the spec on the way."""
    check_choice(options.seed, options.source, options.partial)
    path = _target(options.target, options.force)
    options.weights = options.source
    how = asked(options)
    if how.called and how.names is not None and options.to_library is not None:
        raise UsageError("--name is for the names of one library, --from or --to: convert in two steps")
    if options.optimize is not None and options.to_library is not None:
        raise UsageError("--to is for weights that a library reads, and it has none for folded layers")
    program = one_program(options)
    weights = chosen_weights(program, options, replace(how, called={}) if options.to_library else how)
    assert weights is not None
    if options.to_library is None:
        return _write(program, weights, path, options)
    return _write_named(program, weights, path, options, how.called)


def average(options: Namespace) -> int:
    """Write the mean of several files of weights, each of which has to fit the spec."""
    from resnet_dsl.weights.arithmetic.average import average as mean_of

    path = _target(options.output, options.force)
    program = one_program(options)
    with progress_shown():
        weights, notes = mean_of(program, options.files, asked(options))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return _write(program, weights, path, options)


def inspect(options: Namespace) -> int:
    """Show what a file holds; with a spec, also what fits it, and exit status 1 if not all does."""
    if options.from_library is not None and not options.spec:
        raise UsageError("--from needs --spec: which names a library has depends on the model")
    how = asked(options)
    if how.called and not options.spec:
        raise UsageError("--name needs --spec: it is about layers of the model")
    if how.arithmetic and not options.spec:
        option = next(iter(how.arithmetic)).replace("_", "-")
        raise UsageError(f"--{option} needs --spec: without one no value is read")
    from resnet_dsl.cli import weight_report
    from resnet_dsl.weights.formats.registry import read_contents

    program = one_program(options) if options.spec else None
    path = Path(options.file)
    contents = read_contents(path)
    report = None if program is None else compared(contents, program, how, path.name)[1]
    seen = weight_report.seen(path, contents, how, report)
    if options.format == "json":
        print(json.dumps(weight_report.facts(seen), indent=2))
    else:
        print("\n".join(weight_report.lines(seen)))
    return 0 if report is None or report.fits else 1


# --- writing -----------------------------------------------------------------------------------


def _target(text: str, force: bool) -> Path:
    """The path to write to, once it is known that it can be."""
    from resnet_dsl.cli.output import check_targets
    from resnet_dsl.weights.formats.registry import check_writable

    if text == STDOUT:
        raise UsageError("weights go to a file, whose suffix says the format, not to stdout")
    path = Path(text)
    check_writable(path)
    check_targets([path], force)
    return path


def _write(program: Program, weights: Weights | None, path: Path, options: Namespace) -> int:
    from resnet_dsl.backend.writing import Artefact, write_whole
    from resnet_dsl.weights.formats.registry import encode

    assert weights is not None
    with progress_shown():
        write_whole(Artefact(path, told(path, encode(program, weights.state, weights.origin, path))))
    return _wrote(path, weights.state, options)


def _write_named(program: Program, weights: Weights, path: Path, options: Namespace, called: Called) -> int:
    """Write weights under the names of a library, and say on stderr what was done to have them so."""
    from resnet_dsl.backend.writing import Artefact, write_whole
    from resnet_dsl.weights.formats.metadata import describe
    from resnet_dsl.weights.formats.registry import encode_named
    from resnet_dsl.zoo.model_names import model_names
    from resnet_dsl.zoo.translate import to_library

    library = options.to_library
    names = model_names(program, library, called=called)
    state, notes = to_library(weights.state, names, program.graph)
    content = encode_named(state, describe(program, weights.origin) | {"names": library}, path)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    with progress_shown():
        write_whole(Artefact(path, told(path, content)))
    return _wrote(path, state, options)


def told(path: Path, pieces: Pieces) -> Iterator[bytes | memoryview]:
    """Yield the pieces of a file, and tell how much of it is written."""
    task = LongTask(f"writing {path.name}", sum(memoryview(piece).nbytes for piece in pieces), "B")
    for piece in pieces:
        yield piece
        task.advance(memoryview(piece).nbytes)


def _wrote(path: Path, state: Mapping[str, Array], options: Namespace) -> int:
    elements = sum(value.size for value in state.values())
    say(options, f"wrote {printable(str(path))} ({counted(len(state), 'tensor')}, {elements:,} elements)")
    return 0
