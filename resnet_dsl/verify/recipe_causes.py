"""What is wrong with an optimiser whose gradients are right: a number, a rate or a form that explains it.

The rule is taken through the steps so far with one of its numbers another; which value brings it nearest to
the weights that a script left is found by Newton's method on that one number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.records import dataclass, fields, replace
from resnet_dsl.reference import UpdateRule
from resnet_dsl.reference.update_rules import Slots

SAMPLE = 1 << 18  # numbers of the tensors that are looked at: the smallest ones
SURE = 1e-5  # of how far the weights have moved
ROUNDS = 30
STILL = 1e-8  # a value that changes by less than this share of it is found
TRIES = (1.0, 0.5, 0.0, 2.0, 10.0, 1e3)  # times the right value


@dataclass(frozen=True, eq=False)
class MovedWeights:
    """Tensors at a phase's start, their gradients and the rate of each step since, and what came of them."""

    start: Mapping[str, Array]
    gradients: tuple[Mapping[str, Array], ...]
    rates: tuple[float, ...]
    left: Mapping[str, Array]

    def by(self, rule: UpdateRule, factor: float = 1.0) -> Array:
        """Return the weights as a rule leaves them, in a row."""
        found = []
        for name, weight in self.start.items():
            value, slots = weight, dict[str, Array]()
            kept: Slots = slots
            for count, (gradients, lr) in enumerate(zip(self.gradients, self.rates, strict=True), 1):
                if name in gradients:
                    value, kept = rule.moved(value, gradients[name], kept, factor * lr, count)
            found.append(np.ravel(value))
        return np.concatenate(found)


def sampled(names: Sequence[str], state: Mapping[str, Array]) -> list[str]:
    """Return the names of the smallest tensors, which tell as much and take less."""
    found: list[str] = []
    size = 0
    for name in sorted(names, key=lambda name: state[name].size):
        if found and size + state[name].size > SAMPLE:
            break
        found.append(name)
        size += state[name].size
    return found


def cause_in_rule(rule: UpdateRule, moved: MovedWeights) -> str:
    """Return in words which one change of the rule gives the weights that were left, or nothing."""
    wanted = np.concatenate([np.ravel(moved.left[name]) for name in moved.start])
    start = np.concatenate([np.ravel(weight) for weight in moved.start.values()])
    bar = SURE * float(np.linalg.norm(wanted - start))
    for words, other in _other_forms(rule):
        if np.linalg.norm(moved.by(other) - wanted) <= bar:
            return words
    lr = moved.rates[-1]
    if (factor := _fitted(lambda factor: moved.by(rule, factor), 1.0, wanted, bar)) is not None:
        return f"the rate is {factor * lr:.6g} instead of {lr:.6g}"
    for name, right in _numbers(rule).items():
        changed = lambda value, name=name: moved.by(_with(rule, name, value))  # noqa: E731
        if (value := _fitted(changed, right, wanted, bar)) is not None:
            return f"{name} is {value:.6g} instead of {right:.6g}"
    return ""


def _numbers(rule: UpdateRule) -> dict[str, float]:
    given: Any = rule
    found = {field.name: getattr(rule, field.name) for field in fields(given)}
    return {name: value for name, value in found.items() if not isinstance(value, bool)}


def _with(rule: UpdateRule, name: str, value: object) -> UpdateRule:
    given: Any = rule
    changed: UpdateRule = replace(given, **{name: value})
    return changed


def _other_forms(rule: UpdateRule) -> Iterator[tuple[str, UpdateRule]]:
    """The rule with each of its switches turned over."""
    given: Any = rule
    for field in fields(given):
        value = getattr(rule, field.name)
        if isinstance(value, bool):
            words = {"nesterov": "the momentum is", "decoupled": "the weight decay is"}[field.name]
            form = {"nesterov": "Nesterov's", "decoupled": "decoupled from the gradient"}[field.name]
            yield f"{words} {'not ' * value}{form}", _with(rule, field.name, not value)


def _fitted(by: Any, right: float, wanted: Array, bar: float) -> float | None:
    """The value, another than the right one, for which the weights are those that are wanted."""
    for scale in TRIES:
        value = right * scale if right else scale * 1e-3
        try:
            with np.errstate(all="ignore"):
                found = _newton(by, value, wanted, bar)
        except ArithmeticError:  # a beta of 1 or more has no correction
            continue
        if found is not None and abs(found - right) > 1e-6 * max(abs(right), 1e-12):
            return found
    return None


def _newton(by: Any, value: float, wanted: Array, bar: float) -> float | None:
    for _ in range(ROUNDS):
        found = by(value)
        step = 1e-4 * abs(value) or 1e-7
        slope = (by(value + step) - found) / step
        change = float((wanted - found) @ slope / max(float(slope @ slope), 1e-300))
        if not np.isfinite(change):
            return None
        value += change
        if abs(change) <= STILL * abs(value):
            break
    return value if np.linalg.norm(wanted - by(value)) <= bar else None
