"""The command `summary`: what a model amounts to."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from resnet_dsl.cli.parser import columns
from resnet_dsl.cli.programs import one_program
from resnet_dsl.printing.summary import Bars, summary_json, summary_text, title

if TYPE_CHECKING:
    from resnet_dsl.printing.memory_table import MemoryAsked
    from resnet_dsl.program import Program


def summary(options: Namespace) -> int:
    """Show what a model amounts to."""
    program = one_program(options)
    memory = _memory(options)
    if options.format == "json":
        print(_json(program, memory))
        return 0
    print(_table(program, options), end="")
    if memory is not None:
        from resnet_dsl.printing.memory_table import memory_text

        print(f"\n{memory_text(program, memory)}", end="")
    return 0


def _json(program: Program, memory: MemoryAsked | None) -> str:
    if memory is None:
        return summary_json(program)
    from resnet_dsl.printing.memory_table import memory_facts

    return summary_json(program, {"memory": memory_facts(program, memory)})


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
