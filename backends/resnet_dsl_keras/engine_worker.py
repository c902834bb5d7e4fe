"""The process of an engine: reads what is asked of live models from stdin, and writes answers to stdout."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from resnet_dsl.backend.ir import Array

MODELS: list[Any] = []


def build(source: str, name: str, dtype: str | None, auxiliary: Sequence[str]) -> int:
    """Build a model from its source, with its auxiliary outputs; return its number."""
    from resnet_dsl_keras.runtime import build_source

    MODELS.append(build_source(source, name, dtype, auxiliary))
    return len(MODELS) - 1


def load_state(number: int, state: Mapping[str, Array]) -> None:
    """Load weights into a model."""
    from resnet_dsl_keras import runtime

    runtime.load_state(MODELS[number], state)


def read_state(number: int) -> dict[str, Array]:
    """Return the weights of a model."""
    from resnet_dsl_keras import runtime

    return runtime.read_state(MODELS[number])


def run(number: int, x: Array) -> dict[str, Array]:
    """Return the outputs of a model."""
    from resnet_dsl_keras import runtime

    return runtime.run(MODELS[number], x)


def trace(number: int, layers: Mapping[str, str], x: Array) -> dict[str, Array]:
    """Return the results of a model by op."""
    from resnet_dsl_keras.runtime import trace_layers

    return trace_layers(MODELS[number], layers, x)


FUNCTIONS = {each.__name__: each for each in (build, load_state, read_state, run, trace)}


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until nothing more is asked."""
    while True:
        try:
            what, arguments = pickle.load(asked)
        except EOFError:
            return
        try:
            answer: tuple[bool, Any] = True, FUNCTIONS[what](*arguments)
        except Exception as error:
            answer = False, f"{type(error).__name__}: {error}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a framework prints is no answer
    serve(sys.stdin.buffer, own)
