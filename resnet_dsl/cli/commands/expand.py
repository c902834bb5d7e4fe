"""The command `expand`: the program after elaboration."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.cli.programs import one_program


def expand(options: Namespace) -> int:
    """Show the program after elaboration."""
    from resnet_dsl.driver import read
    from resnet_dsl.printing.stages import print_ast, print_graph, print_network
    from resnet_dsl.syntax.parser import parse

    if options.format == "ast":
        print(print_ast(parse(read(options.spec)[0])), end="")
        return 0
    program = one_program(options)
    printer = print_network if options.format == "network" else print_graph
    print(printer(program), end="")
    return 0
