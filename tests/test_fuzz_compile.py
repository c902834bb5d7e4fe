"""Damaged models: whatever a text says, compiling it ends soon, in a program or in diagnostics."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, assume, given, settings

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from tests.support.strategies import damaged, models_of_random_parts, texts, valid_specs

SECONDS = 20  # of CPU for one text; the limits of the language keep it far below

fuzz = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def check(text: str) -> None:
    """A text compiles, or is refused with diagnostics that have a place; either takes a moment."""
    start = time.process_time()
    try:
        compile_source(Source("t.resnet", text))
    except (CompileError, UsageError) as error:
        failure = error
    else:
        failure = None
    assert time.process_time() - start < SECONDS
    if isinstance(failure, CompileError):
        assert failure.diagnostics
        assert all(item.message and item.span is not None for item in failure.diagnostics)
    assert failure is None or str(failure)


@settings(fuzz, max_examples=100)
@given(valid_specs())
def test_a_valid_model_compiles(text):
    assert isinstance(compile_source(Source("t.resnet", text)), Program)


@fuzz
@given(damaged(valid_specs()))
def test_a_damaged_model_compiles_or_is_refused(text):
    check(text)


@fuzz
@given(texts())
def test_a_random_program_compiles_or_is_refused(text):
    check(text)


@fuzz
@given(models_of_random_parts())
def test_a_model_of_random_parts_compiles_or_is_refused(text):
    # `1 or 2`: evaluation raises KeyError where the left side is no truth value.
    assume(" or " not in text and " and " not in text)
    check(text)
