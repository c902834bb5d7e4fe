"""What `weights inspect` shows: what a file is, or how it fits a model, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from resnet_dsl.backend.contents import KEY as OURS
from resnet_dsl.backend.contents import Contents
from resnet_dsl.cli.network_of_file import network_of
from resnet_dsl.codegen.seal import KEY
from resnet_dsl.diagnostics.wording import counted, dimensions, printable
from resnet_dsl.printing.table import aligned
from resnet_dsl.records import dataclass, replace
from resnet_dsl.weights.description import (
    MADE_BY,
    PRODUCER,
    Description,
    described,
    elements,
    sentences,
    taken,
)
from resnet_dsl.weights.match_report import MatchReport
from resnet_dsl.zoo.asked import Asked


@dataclass(frozen=True)
class Inspected:
    """A file, its tensors that are meant, what they are, and how they fit a model if there is one."""

    path: Path
    contents: Contents
    about: Description
    report: MatchReport | None


def seen(path: Path, contents: Contents, asked: Asked, report: MatchReport | None) -> Inspected:
    """Return what there is to say of a file; which network it is only if that is not known."""
    found, entry, chosen = taken(contents, asked)
    about = described(contents, found, entry)
    if report is None or not report.fits:
        asked = replace(asked, key=entry if chosen else asked.key)
        about = replace(about, network=network_of(path, asked, about, len(found.tensors)))
    return Inspected(path, found, about, report)


def facts(seen: Inspected) -> dict[str, object]:
    """Return the file as `--format json` has it."""
    contents = seen.contents
    listed = [
        {"name": name, "shape": list(stored.shape), "dtype": stored.dtype}
        for name, stored in contents.tensors.items()
    ]
    return {
        "file": str(seen.path),
        "format": contents.format,
        "elements": elements(contents),
        "tensors": listed,
        "metadata": dict(contents.metadata),
        "notes": list(contents.notes),
        "description": seen.about.facts(),
        "spec": None if seen.report is None else seen.report.facts(),
    }


def lines(seen: Inspected) -> Iterator[str]:
    """Yield what a person reads: of a file what it is and its tensors, with a model first whether it fits."""
    if seen.report is not None:
        yield from _verdict(seen, seen.report)
        return
    yield _headline(seen)
    yield from _metadata(seen)
    for subject, text in sentences(seen.about).items():
        if not (subject == MADE_BY and OURS in seen.contents.metadata):  # our metadata say so
            yield f"{subject}: {text}"
    entry = seen.contents.ways[:1] if seen.about.entries else ()
    for note in seen.contents.notes:
        if not any(way in note for way in entry):  # of which more has been said
            yield f"note: {note}"
    tensors = seen.contents.tensors.items()
    rows = [(printable(name), dimensions(stored.shape), stored.dtype) for name, stored in tensors]
    yield from (f"  {line}" for line in aligned(rows))


def _headline(seen: Inspected) -> str:
    contents = seen.contents
    dtypes = ", ".join(sorted({stored.dtype for stored in contents.tensors.values()}))
    counts = f"{counted(len(contents.tensors), 'tensor')}, {elements(contents):,} elements"
    return f"{seen.path}: {contents.format}, {counts}" + (f", {dtypes}" if dtypes else "")


def _metadata(seen: Inspected) -> Iterator[str]:
    for key, value in seen.contents.metadata.items():
        if key != PRODUCER:
            yield f"{printable(key)}: {_one_line(value)}"


def _verdict(seen: Inspected, report: MatchReport) -> Iterator[str]:
    network = seen.about.network
    is_another = not (report.fits or report.cause) and network is not None and bool(network.stages)
    yield report.sentence() + (" it is another network" if is_another else "")
    if not report.fits and network is not None and _is_another(seen, report):
        yield f"the file: {network.sentence}"
    helps = (*report.help, *([report.cause_help] if report.cause_help else []))
    yield from (f"help: {each}" for each in helps)
    yield _headline(seen)
    yield from _metadata(seen)
    yield from (f"note: {each}" for each in report.remarks() if each not in report.ways)
    if not report.fits:
        yield report.text(limit=None)


def _is_another(seen: Inspected, report: MatchReport) -> bool:
    """Whether the network of the file is worth a line: where nothing else says why it does not fit."""
    network = seen.about.network
    return not report.cause or (not report.fitting and network is not None and bool(network.stages))


def _one_line(value: object) -> str:
    if isinstance(value, dict):  # the seal of a file says nothing to a person
        shown = ((key, inner) for key, inner in value.items() if key != KEY)
        return ", ".join(f"{printable(str(key))} {_one_line(inner)}" for key, inner in shown) or "none"
    return printable(value if isinstance(value, str) else json.dumps(value))
