"""A page of the catalogue of diagnostics, and the small specs that it shows."""

from __future__ import annotations

from resnet_dsl.records import dataclass


@dataclass(frozen=True)
class Page:
    """What `explain` says of one code; `wrong` reports it, `right` does not."""

    code: str
    title: str
    why: str
    wrong: str
    right: str


def model(fields: str) -> str:
    """Return a model of these fields."""
    return f"model tiny {{\n    {fields}\n}}"


def recipe(fields: str, of: str = "cifar_resnet(n=3)") -> str:
    """Return a recipe with these fields behind the first ones."""
    return (
        f'recipe tiny {{\n    model: {of}\n    data: images("data")  batch: 128  epochs: 4\n    {fields}\n}}'
    )


def with_block(block: str, fields: str = "stages: [1]  block: mine") -> str:
    """Return a block and a model that uses it."""
    return f"{block}\n\n{model(fields)}"
