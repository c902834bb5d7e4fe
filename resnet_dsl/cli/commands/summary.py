"""The command `summary`: what a model amounts to."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from resnet_dsl.cli.parser import columns
from resnet_dsl.cli.programs import one_program, optimised
from resnet_dsl.cli.recipe_choice import chosen_recipe
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.printing.summary import Bars, summary_json, summary_text, title

if TYPE_CHECKING:
    from resnet_dsl.printing.memory_table import MemoryAsked
    from resnet_dsl.program import Program
    from resnet_dsl.recipe.recipe import Recipe


def summary(options: Namespace) -> int:
    """Show what a model amounts to; of a recipe its network, and a line about itself."""
    recipe = chosen_recipe(options)
    program = one_program(options) if recipe is None else optimised(recipe.program, options.optimize)
    memory = _memory(options)
    if options.format == "json":
        print(_json(program, memory, recipe))
        return 0
    print(_table(program, options), end="")
    if recipe is not None:
        from resnet_dsl.recipe.recipe_line import recipe_line

        print(f"\n{printable(recipe_line(recipe))}")
    if memory is not None:
        from resnet_dsl.printing.memory_table import memory_text

        print(f"\n{memory_text(program, memory)}", end="")
    return 0


def _json(program: Program, memory: MemoryAsked | None, recipe: Recipe | None) -> str:
    more: dict[str, object] = {}
    if memory is not None:
        from resnet_dsl.printing.memory_table import memory_facts

        more["memory"] = memory_facts(program, memory)
    if recipe is not None:
        from resnet_dsl.recipe.recipe_line import recipe_facts

        more["recipe"] = recipe_facts(recipe)
    return summary_json(program, more)


def _memory(options: Namespace) -> MemoryAsked | None:
    """What is asked of memory, where any of its options is given."""
    said = {"batch": options.batch, "dtype": options.dtype, "optimizer": options.optimizer}
    given = {name: value for name, value in said.items() if value is not None}
    if not given:
        return None
    from resnet_dsl.printing.memory_table import MemoryAsked

    return MemoryAsked(**given)


def _table(program: Program, options: Namespace) -> str:
    if options.blocks:
        from resnet_dsl.printing.block_table import blocks_text

        return f"{title(program)}\n\n{blocks_text(program)}"
    if options.layers or not (options.bars or sys.stdout.isatty()):
        return summary_text(program, options.layers)
    text = summary_text(program, bars=_signs())
    narrow = max(map(len, text.splitlines())) > columns()
    return summary_text(program) if narrow and not options.bars else text


def _signs() -> Bars:
    encoding = str(getattr(sys.stdout, "encoding", "")).lower().replace("-", "")
    return "blocks" if encoding == "utf8" else "plain"
