"""`gen-test`: a pytest file that proves a user's own artefacts identical, in the user's own CI.

The file stands alone: it needs pytest, NumPy and the frameworks, nothing of ours. What loads and
runs an artefact is each backend's own text, its `SelfTest`.
"""

from __future__ import annotations

from collections.abc import Sequence

from resnet_dsl.analysis.input_sizes import input_sizes
from resnet_dsl.backend.interface import Backend
from resnet_dsl.codegen.printer import statement
from resnet_dsl.codegen.provenance import MARK, digest
from resnet_dsl.codegen.python import Dictionary, Literal
from resnet_dsl.codegen.python import Sequence as Items
from resnet_dsl.codegen.seal import LINE
from resnet_dsl.program import Program
from resnet_dsl.verify.case import usual_sizes
from resnet_dsl.verify.forward import BARS, TELLING
from resnet_dsl.verify.sensitivity import MARGIN, RUNS

TEMPLATE = '''\
"""Proves that the {name} artefacts beside this file are one model: same weights, same numbers."""

# {mark} for the spec with sha256
# {digest}
# {seal}
# Run it with pytest; it needs NumPy and the frameworks of the artefacts that are there.

import importlib.util
import os
import zlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
{artefacts}
SPEC = b"{digest}"
SIZES = {sizes}
BARS = {{{bars}}}
# A network that amplifies rounding may differ by as much as it makes of its weights' last bit,
# times a margin, but not by more than what a mistake makes.
MARGIN, RUNS = {margin}, {runs}
TELLING = {{{telling}}}
{auxiliary}


def shapes_of(name):
    """Return the shape of each tensor of an artefact that is compared."""
    shapes = BACKENDS[name][0](HERE / ARTEFACTS[name])
    return {{key: shape for key, shape in shapes.items() if key not in AUXILIARY}}


def weights(shapes):
    """Return random weights and statistics, each from its name: nothing is one or zero."""
    state = {{}}
    for name, shape in shapes.items():
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith("running_var"):
            value = generator.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            value = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith("weight"):
            # Small, so that the sums of hundreds of blocks stay in range.
            value = generator.uniform(0.1, 0.3, shape)
        else:
            value = 0.1 * generator.standard_normal(shape)
        state[name] = value.astype(np.float32)
    return state


def moved(state, run):
    """Return the weights with each value moved to a neighbour, up or down."""
    generator = np.random.default_rng(run)
    near = {{}}
    for name, value in state.items():
        signs = generator.choice(np.array([-np.inf, np.inf], value.dtype), value.shape)
        near[name] = value if "running_" in name else np.nextafter(value, signs)
    return near


def sensitivity(name, state, x):
    """Return how far each output of an artefact moves where its weights do in the last bit."""
    compute = BACKENDS[name][1]
    right = compute(HERE / ARTEFACTS[name], state, x)
    found = dict.fromkeys(right, 0.0)
    for run in range(RUNS):
        near = compute(HERE / ARTEFACTS[name], moved(state, run), x)
        for output, value in right.items():
            difference = np.abs(near[output] - value).max() / np.abs(value).max()
            found[output] = max(found[output], difference)
    return found


def load_source(path):
    """Return the module of a Python file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


{sources}

BACKENDS = {{
{table}
}}


def test_the_artefacts_come_from_one_spec():
    for file in ARTEFACTS.values():
        assert SPEC in (HERE / file).read_bytes(), f"{{file}} is of another spec"


def test_the_artefacts_have_the_same_tensors():
    shapes = {{name: shapes_of(name) for name in ARTEFACTS}}
    for (one, a), (other, b) in combinations(shapes.items(), 2):
        assert a == b, f"{{one}} and {{other}}"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_artefacts_give_the_same_numbers(size, dtype):
    first = next(iter(ARTEFACTS))
    state = weights(shapes_of(first))
    x = np.random.default_rng(0).standard_normal((2, {channels}, *size)).astype(np.float32)
    found = {{}}
    for name, file in ARTEFACTS.items():
        given = {{key: value.astype(dtype) for key, value in state.items()}}
        outputs = BACKENDS[name][1](HERE / file, given, x.astype(dtype))
        if outputs is not None:
            found[name] = outputs
    for (one, a), (other, b) in combinations(found.items(), 2):
        assert sorted(a) == sorted(b)
        for output in a:
            scale = np.abs(a[output]).max()
            assert np.isfinite(scale)
            difference = np.abs(a[output] - b[output]).max() / scale
            limit = BARS[dtype]
            if difference > limit:
                own = sensitivity(one, given, x)[output]
                limit = max(limit, min(MARGIN * own, TELLING[dtype]))
            message = f"{{output}} of {{one}} and {{other}}: {{difference:.1e}}"
            assert difference <= limit, message
'''


def source_of(program: Program, backends: Sequence[Backend]) -> str:
    """Return the test file for the artefacts of these backends, all of which have a self-test.

    What exists in training only is left out: not all artefacts have it.
    """
    channels, *own = program.network.input.at(program.network.extent)
    taken = input_sizes(program.graph) if None in own else None
    sizes = usual_sizes(own, taken) if taken else (tuple(own),)
    tests = [(backend.name, backend.self_test) for backend in backends if backend.self_test is not None]
    files = tuple((Literal(b.name), Literal(program.name + b.suffix)) for b in backends)
    # Two engines may each be a bar away from the truth.
    bars, telling = ({dtype: 2 * most for dtype, most in limits.items()} for limits in (BARS, TELLING))
    return TEMPLATE.format(
        name=program.name,
        mark=MARK,
        digest=digest(program.network),
        seal=LINE,
        artefacts=statement("ARTEFACTS = ", Dictionary(files), 0),
        sizes=repr(list(sizes)),
        bars=", ".join(f'"{dtype}": {limit}' for dtype, limit in bars.items()),
        telling=", ".join(f'"{dtype}": {limit}' for dtype, limit in telling.items()),
        margin=2 * MARGIN,
        runs=RUNS,
        auxiliary=_auxiliary(program),
        sources="\n\n".join(test.source for _, test in tests),
        table="\n".join(f'    "{name}": ({test.shapes}, {test.outputs}),' for name, test in tests),
        channels=channels,
    )


def _auxiliary(program: Program) -> str:
    """The tensors that auxiliary outputs alone need, as a constant of the file."""
    kept = {name for name, _ in program.graph.inference.parameters()}
    names = [name for name, _ in program.graph.parameters() if name not in kept]
    said = "# Not compared: what exists in training only, as not all artefacts have it.\n" if names else ""
    items = tuple(map(Literal, sorted(names)))
    return said + statement("AUXILIARY = ", Items("()", items), 0)
