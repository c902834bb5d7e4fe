"""What a recipe is written with: optimisers, schedules, losses, steps on images; each term a class.

A term declares its arguments as an op does (`argument`, with a rule) and gets its name in the language from
`kind`. It knows neither a place in a text nor a framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, ClassVar, TypeVar, dataclass_transform

from resnet_dsl.ir.arguments import ArgumentRule, Dims, argument
from resnet_dsl.records import MISSING, Field, dataclass, fields

ATerm = TypeVar("ATerm", bound="Term")
LARGEST = 1e9


@dataclass_transform(frozen_default=True, field_specifiers=(argument,))
def term(cls: type[ATerm]) -> type[ATerm]:
    """Declare a term: its fields are its arguments, as those of a frozen dataclass."""
    return dataclass(frozen=True)(cls)


class Term:
    """One word of a recipe with its arguments; `kind` is its name in the language."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    kind: ClassVar[str]

    @classmethod
    def arguments(cls) -> Iterator[tuple[str, ArgumentRule, Any]]:
        """Yield name, rule and default (MISSING where it must be given) of each argument."""
        for each in fields(cls):
            yield each.name, each.metadata["rule"], each.default

    def problem(self) -> tuple[str, str, str] | None:
        """Return what is wrong with the arguments together: which, what is said of it, what to write."""
        return None

    @property
    def written(self) -> str:
        """The term as a recipe has it, with the arguments that are not the usual ones."""
        given = []
        for name, rule, usual in self.arguments():
            value = getattr(self, name)
            if value != usual:
                text = _written(value, rule)
                given.append(text if usual is MISSING else f"{name}={text}")
        return f"{self.kind}({', '.join(given)})" if given else self.kind


def _written(value: object, rule: ArgumentRule) -> str:
    """A value of an argument as the language has it."""
    if isinstance(value, tuple) and rule.accept(Dims((1, 1))) is not None:  # a size
        return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))
    if isinstance(value, str) and value in rule.choices:
        return value
    return _literal(value)


def _literal(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def number_rule(what: str, allowed: Callable[[float], bool]) -> ArgumentRule:
    """Return the rule for a real number of which something holds; `what` completes “must be …”."""

    def accept(value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if isfinite(value) and abs(value) <= LARGEST and allowed(value) else None

    return ArgumentRule(what, accept)


POSITIVE = number_rule("a number above 0", lambda value: value > 0)
FROM_ZERO = number_rule("0 or a number above it", lambda value: value >= 0)
BELOW_ONE = number_rule("a number from 0 on and below 1", lambda value: 0 <= value < 1)
SHARE = number_rule("a number above 0 and up to 1", lambda value: 0 < value <= 1)
TEXT = ArgumentRule("a text in quotes", lambda value: value if type(value) is str and value else None)
