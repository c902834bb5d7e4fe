"""What an ONNX file means where it is run: in onnxruntime, whose optimiser changes it, and in OpenVINO."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.program import Program
from tests.support.agreement import Size, assert_agreement, compiled, images
from tests.support.backends import in_full
from tests.support.op_cases import SIZES, cases_of, model_of
from tests.test_op_matrix import CASES, NEEDS_SIZE, program

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

backend = in_full("onnx")
BAR = 1e-5
PAIRS = 60
SCRIPT = Path(__file__).parent / "support" / "openvino_runs.py"


def stem(pipeline: str, size: str) -> Program:
    return compiled(f"model one {{ input: 4x{size}  stem: {pipeline}  stages: []  head: none }}")


# --- onnxruntime -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["HxW", "12x12"])
@pytest.mark.parametrize(
    "pipeline",
    [
        "zeropad(2) -> avgpool(2, pad=0)",
        "zeropad(2) -> avgpool(3, stride=2, pad=1)",
        "zeropad(1) -> avgpool(3, stride=2, pad=1, count_pad=true)",
        "zeropad(1x2) -> avgpool(3, stride=2, ceil=true)",
        "zeropad(2) -> avgpool(3, stride=2, pad=1, ceil=true, count_pad=true)",
        "zeropad(2) -> maxpool(2, pad=0)",
        "zeropad(1) -> dropout(0.5) -> avgpool(2)",
        "zeropad(1) -> stochastic_depth(0.5) -> maxpool(3, stride=2)",
        "zeropad(1) -> stochastic_depth(0.5) -> dropout(0.5) -> maxpool(3, stride=2)",
        "zeropad(1) -> affine(shift=1e-60) -> maxpool(3, stride=2)",
        "zeropad(1) -> affine(1.00000000001) -> maxpool(3, stride=2)",
        "zeropad(1) -> adaptive_avgpool(7)",
        "zeropad(1) -> adaptive_avgpool(14)",
        "zeropad(1) -> zeropad(1) -> maxpool(3, stride=2)",
        "zeropad(3) -> conv(4, 3x3, stride=2)",
        "zeropad(3) -> conv(4, 2x2, stride=2, pad=same)",
        "zeropad(1) -> blurpool",
        "pad_channels(7) -> avgpool(2)",
    ],
)
def test_zeros_around_a_map_stay_zeros_whatever_follows(pipeline: str, size: str) -> None:
    """onnxruntime optimises here as it does unasked; it merges pads and pools."""
    assert_agreement(stem(pipeline, size), [(12, 12)], [("onnx", "float32")], {"float32": BAR})


def test_no_pool_rounds_up_by_itself() -> None:
    """Runtimes read `ceil_mode` in different ways."""
    pools = [pipeline for _, pipeline in CASES if "ceil=true" in pipeline]
    assert pools
    for pipeline in pools:
        for size in ("HxW", *map(_written, SIZES)):
            given = [each for node in _nodes(program(pipeline, size)) for each in node.attribute]
            assert {each.i for each in given if each.name == "ceil_mode"} == {0}, pipeline


def test_a_pool_is_padded_unevenly_only_where_it_matters() -> None:
    def pads(size: str) -> list[int]:
        (node,) = _nodes(stem("maxpool(3, stride=2, pad=0, ceil=true)", size))
        return next(list(each.ints) for each in node.attribute if each.name == "pads")

    assert pads("13x13") == [0, 0, 0, 0]
    assert pads("12x13") == pads("HxW") == [0, 0, 1, 1]


def test_numbers_of_lrn_that_runtimes_cut_off_are_given_to_none() -> None:
    """OpenVINO takes the whole part of LRN's bias."""
    kinds = {k: [node.op_type for node in _nodes(stem(f"lrn(5, k={k})", "HxW"))] for k in ("1", "2", "1.5")}
    assert kinds["1"] == kinds["2"] == ["LRN"]
    assert "LRN" not in kinds["1.5"]


def _nodes(one: Program) -> list[Any]:
    return list(backend.build(one).graph.node)


# --- OpenVINO ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A model as it is written, and the sizes that it is run at."""

    label: str
    program: Program
    sizes: tuple[Size, ...]


def matrix() -> Iterator[Trial]:
    for _, pipeline in CASES:
        if pipeline not in NEEDS_SIZE:
            yield Trial(pipeline, program(pipeline, "HxW"), SIZES)
        yield Trial(pipeline, program(pipeline, _written(SIZES[2])), SIZES[2:])


def catalogue() -> Iterator[Trial]:
    """The cases of every op: a model for all that are written at any size, and one at a size of its own."""
    for kind in CATALOGUE:
        if cases := tuple(case for case in cases_of(kind) if not case.needs_size):
            yield Trial(kind, compiled(model_of(cases, "HxW")), SIZES)
        sized = compiled(model_of(cases_of(kind), _written(SIZES[2])))
        yield Trial(f"{kind} at its own size", sized, SIZES[2:])


def pairs() -> Iterator[Trial]:
    """Ops behind each other, drawn at random: what optimisers join."""
    chosen = random.Random(0)
    takers = {kind: [case for case in cases_of(kind) if case.operands == ("map",)] for kind in CATALOGUE}
    kinds = [kind for kind, cases in takers.items() if cases]
    for _ in range(PAIRS):
        drawn = (chosen.choice(takers[chosen.choice(kinds)]) for _ in range(2))
        pipeline = " -> ".join(case.call.partition(" -> ")[2] for case in drawn)
        for size in ("HxW", _written(SIZES[2])):
            try:
                yield Trial(f"{pipeline} at {size}", stem(pipeline, size), SIZES[2:])
            except CompileError:  # the second does not take what the first gives
                continue


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
@pytest.mark.parametrize("trials", [matrix, catalogue, pairs])
def test_openvino_reads_a_file_as_onnxruntime_does(
    trials: Callable[[], Iterator[Trial]], tmp_path: Path
) -> None:
    written = list(_write(trials(), tmp_path))
    assert len(written) > PAIRS
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True, timeout=600)
    apart = [line for path, label in written for line in _compared(path, label)]
    assert not apart, "\n".join(apart)


def _write(trials: Iterator[Trial], folder: Path) -> Iterator[tuple[Path, str]]:
    for number, trial in enumerate(trials):
        path = folder / f"{number}.onnx"
        try:
            content = backend.render(trial.program, random_state(trial.program.graph, 0))
        except CompileError:  # padding as `same` that depends on a size that is open
            continue
        path.write_bytes(content)
        inputs = {_written(size): images(trial.program, size).astype(np.float32) for size in trial.sizes}
        np.savez(path.with_suffix(".npz"), **inputs)
        yield path, trial.label


def _compared(path: Path, label: str) -> Iterator[str]:
    """A line for each size at which OpenVINO computes otherwise."""
    refused = path.with_suffix(".refused.txt")
    if refused.exists():
        yield f"`{label}` is refused: {refused.read_text(encoding='utf-8')}"
        return
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with np.load(path.with_suffix(".npz")) as inputs, np.load(path.with_suffix(".openvino.npz")) as results:
        for size in inputs.files:
            (wanted,) = session.run(None, {"input": inputs[size]})
            result = results[size]
            if result.shape != wanted.shape:
                yield f"`{label}` at {size}: {result.shape}, not {wanted.shape}"
            elif not np.abs(result - wanted).max() <= BAR * np.abs(wanted).max():
                yield f"`{label}` at {size}: off by {np.abs(result - wanted).max():.1e}"


def _written(size: Size) -> str:
    return "x".join(map(str, size))
