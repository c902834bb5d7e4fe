"""The size of a model in a few words, as `check` prints it."""

from __future__ import annotations

from resnet_dsl.program import Program


def headline(program: Program) -> str:
    """Return the size of a model in a few words: `25,557,032 parameters, 4.089 GMACs`."""
    macs = program.cost.macs
    counted = "MACs depend on the input's size" if macs is None else in_units(macs, "MACs")
    return f"{program.cost.params:,} parameters, {counted}{_needs(program) if macs is None else ''}"


def _needs(program: Program) -> str:
    from resnet_dsl.analysis.input_sizes import input_sizes  # most models say the size of their input

    sizes = input_sizes(program.lowered.runs)
    return f"; needs {sizes.needs}" if sizes is not None and sizes.needs else ""


def in_units(count: int, unit: str) -> str:
    """Return a count to three places: `4.089 GMACs`."""
    for factor, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.3f} {prefix}{unit}"
    return f"{count} {unit}"
