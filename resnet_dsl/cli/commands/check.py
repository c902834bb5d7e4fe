"""The command `check`: what is wrong with specs."""

from __future__ import annotations

from argparse import Namespace

from resnet_dsl.cli.programs import compiled, show_findings
from resnet_dsl.diagnostics.model import Diagnostic


def check(options: Namespace) -> int:
    """Report what is wrong; diagnostics in a machine's format are the result, so on stdout."""
    from resnet_dsl.diagnostics.wording import counted
    from resnet_dsl.printing.headline import headline

    outcome = compiled(options.specs, options, blocks_alone=True)
    as_text = options.format == "text"
    show_findings(outcome, options, diagnostics=as_text)
    if not as_text:
        if text := _for_machines(options.format, outcome.diagnostics):
            print(text)
        return outcome.status
    for _, program in outcome.programs:
        print(f"{program.name}: ok ({headline(program)})")
    for recipe in outcome.recipes:
        epochs, of = counted(recipe.epochs, "epoch"), recipe.program.name
        print(f"recipe {recipe.name}: ok ({epochs} of {of}, batch {recipe.batch})")
    for spec in outcome.blocks:
        print(f"{spec}: ok (no model)")
    return outcome.status


def _for_machines(format: str, diagnostics: list[Diagnostic]) -> str:
    from resnet_dsl.diagnostics.render.github import render_github
    from resnet_dsl.diagnostics.render.json import render_json
    from resnet_dsl.diagnostics.render.sarif import render_sarif

    return {"json": render_json, "github": render_github, "sarif": render_sarif}[format](diagnostics)
