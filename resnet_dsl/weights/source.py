"""Where the weights of a model come from: a seed, a file or arrays, under our names or those of a library.

A file that lacks some is refused, or completed from a seed if asked for. What needs NumPy is imported
where it is used: commands that only check which options go together do without.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_dsl.backend.contents import Contents, Metadata
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.arrays import Array
from resnet_dsl.limits import SEED
from resnet_dsl.program import Original, Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.weights.match_report import MatchReport, WeightsError
from resnet_dsl.zoo.asked import NOTHING, Asked

Given = str | Path | Mapping[str, Any]
"""Weights as a person gives them: a file, or arrays by name."""
HINT = "--partial (in Python, partial=True) loads what fits and starts the rest from a seed"


@dataclass(frozen=True)
class Weights:
    """Every tensor of a model, what a file says of their origin, and the report if they were given."""

    state: dict[str, Array]
    origin: Metadata
    report: MatchReport | None = None

    def remarks(self) -> list[str]:
        """Return what a person should know of how the weights came about, a sentence each."""
        report = self.report
        if report is None:
            return []
        found = [f"{report.source}: {remark}" for remark in report.remarks()]
        if not report.fits:
            part = f"{len(report.fitting)} of {counted(report.total, 'tensor')}"
            seed = self.origin["seed"]
            rest = f"{report.lacking} start from seed {seed}" if report.lacking else "the rest is left aside"
            gives = f"{report.source}: gives {part} of {report.model}, {rest}"
            found.append(f"{gives}:\n{report.text()}{report.cause_text()}{report.help_text()}")
        return found


def check_choice(seed: int | None, weights: Given | None, partial: bool) -> None:
    """Raise UsageError for a seed and weights that contradict each other."""
    if partial and weights is None:
        raise UsageError("`partial` is about weights, and none are given")
    if seed is not None and weights is not None and not partial:
        raise UsageError("either a seed or weights, not both; with `partial` the seed starts what they lack")
    if seed is not None and not 0 <= seed <= SEED.most:
        raise UsageError(f"a seed is 0 or more and at most {SEED.most:,}, not {seed}")


def weights_for(
    program: Program,
    seed: int | None = None,
    weights: Given | None = None,
    asked: Asked = NOTHING,
    own_first: bool = False,
) -> Weights | None:
    """Return the weights asked for, None if none are; those given may be under the names of a library.

    If `own_first`, weights under the spec's names are so whatever the library.

    Raises WeightsError if what is given does not fit and `partial` is not asked for, or nothing fits,
    or norms were folded into it. A program for inference takes weights of the one that it was made of,
    and has them folded; weights that are folded already, under the spec's names, are taken as they are.
    """
    if program.original is not None:
        return _folded(program, program.original, seed, weights, asked, own_first)
    return _whole(program, seed, weights, asked, own_first)


def _folded(
    program: Program,
    original: Original,
    seed: int | None,
    weights: Given | None,
    asked: Asked,
    own_first: bool,
) -> Weights | None:
    """The weights of the program that one for inference was made of, folded."""
    try:
        found = weights_for(original.program, seed, weights, asked, own_first)
    except WeightsError:
        if weights is None or asked != NOTHING:
            raise
        state, report = examine(weights, program, asked, True)
        if not report.fits:
            raise
        return Weights(state, {"from": report.source}, report)
    if found is None:
        return None
    from resnet_dsl.optimize.fold_numbers import folded

    return replace(found, state=folded(found.state, original.folds, program.graph))


def _whole(
    program: Program, seed: int | None, weights: Given | None, asked: Asked, own_first: bool
) -> Weights | None:
    partial, library = asked.partial, asked.names
    check_choice(seed, weights, partial)
    if weights is None:
        return None if seed is None else Weights(_initial(program, seed), {"seed": seed})
    state, report = examine(weights, program, asked, own_first)
    if not report.fits and (report.advice or not (partial and state)):
        raise WeightsError(report, report.advice or _help(report, partial))
    origin: dict[str, object] = {"from": report.source}
    if library is not None:
        origin["names"] = library
    origin |= asked.arithmetic
    if not report.fits:
        origin |= {"seed": seed or 0, "loaded": len(state)}
    rest = _initial(program, seed or 0) if report.lacking else {}
    whole = {name: state[name] if name in state else rest[name] for name, _ in program.graph.parameters()}
    return Weights(whole, origin, report)


def _help(report: MatchReport, partial: bool) -> str:
    """What to do about weights that do not fit, or of which nothing does."""
    if report.cause_help and not report.cause_is_plain:
        return report.cause_help
    if report.fitting:
        return "" if partial else HINT
    return "nothing of it fits; `resnet-dsl weights inspect FILE` says what it holds"


def read_weights(weights: Given, program: Program) -> dict[str, Array]:
    """Return every tensor of the model; raises WeightsError unless all are given, and none more."""
    state, report = examine(weights, program)
    if not report.fits:
        raise WeightsError(report)
    return state


def examine(
    weights: Given, program: Program, asked: Asked = NOTHING, own_first: bool = False
) -> tuple[dict[str, Array], MatchReport]:
    """Return what fits, and the report on all; raises UsageError for a file that cannot be read.

    The weights may be under the names of a library, which may have none for some layers if `partial`.
    """
    need_numpy()
    from resnet_dsl.weights.formats.registry import read_contents
    from resnet_dsl.weights.match import from_arrays

    if isinstance(weights, Mapping):
        source, contents = "the state given", from_arrays(weights)
    else:
        source, contents = Path(weights).name, read_contents(Path(weights))
    return compared(contents, program, asked, source, own_first)


def compared(
    contents: Contents, program: Program, asked: Asked, source: str, own_first: bool = False
) -> tuple[dict[str, Array], MatchReport]:
    """Return what of contents fits, under our names and with what is asked for computed, and the report."""
    from resnet_dsl.weights.arithmetic.channels import with_input_adapted
    from resnet_dsl.weights.arithmetic.classifier_rows import with_classes
    from resnet_dsl.weights.arithmetic.in_parts import put_together
    from resnet_dsl.weights.arithmetic.what_would_fit import what_would_fit
    from resnet_dsl.weights.likely_cause import explained
    from resnet_dsl.weights.match import match
    from resnet_dsl.weights.opening import meant
    from resnet_dsl.zoo.detect import under_our_names

    try:
        parts, help = put_together(meant(contents, program, asked, own_first), asked.apply)
        ours = under_our_names(parts, program, asked, own_first)
        if asked.adapt_input:
            ours = with_input_adapted(ours, program)
        if asked.classes is not None:
            ours = with_classes(ours, program, asked.classes)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    state, report = match(ours, program, source)
    report = replace(report, help=help or what_would_fit(report, ours, program, asked))
    return state, explained(report, contents, ours, program, asked)


def need_numpy() -> None:
    """Raise UsageError with the line to type if NumPy is missing."""
    if importlib.util.find_spec("numpy") is None:
        raise UsageError('weights need numpy, not installed here: pip install "resnet-dsl[weights]"')


def _initial(program: Program, seed: int) -> dict[str, Array]:
    need_numpy()
    from resnet_dsl.initial.seeded import initial_state

    return initial_state(program.graph, seed)
