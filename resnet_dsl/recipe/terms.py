"""What a recipe is written with: optimisers, schedules, losses, steps on images; each term a class.

A term declares its arguments as an op does (`argument`, with a rule) and gets its name in the language from
`kind`. It knows neither a place in a text nor a framework.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, dataclass_transform

from resnet_dsl.ir.arguments import argument
from resnet_dsl.records import Field, dataclass

ATerm = TypeVar("ATerm", bound="Term")


@dataclass_transform(frozen_default=True, field_specifiers=(argument,))
def term(cls: type[ATerm]) -> type[ATerm]:
    """Declare a term: its fields are its arguments, as those of a frozen dataclass."""
    return dataclass(frozen=True)(cls)


class Term:
    """One word of a recipe with its arguments; `kind` is its name in the language."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    kind: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
