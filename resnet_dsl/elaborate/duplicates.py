"""Names given twice: declarations of a file, parameters and steps of a block, fields of a model."""

from __future__ import annotations

from collections.abc import Iterable

from resnet_dsl.diagnostics.model import Diagnostic, Findings, Label
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.syntax import ast

Item = ast.Const | ast.Block | ast.Model | ast.Parameter | ast.Assign | ast.Field


def check_duplicates(file: ast.File, findings: Findings) -> None:
    """Report every name of a file that is taken where it is given."""
    declared: list[ast.Const | ast.Block | ast.Model] = []
    for declaration in file.declarations:
        if isinstance(declaration, ast.Use):
            continue
        if declaration.name in CATALOGUE and not isinstance(declaration, ast.Model):
            _report(findings, declaration, f"`{declaration.name}` is an op of the language")
        declared.append(declaration)
    _each_once(findings, declared, "is declared twice")
    for declaration in declared:
        if isinstance(declaration, ast.Model):
            _each_once(findings, (*declaration.parameters, *declaration.fields), "is given twice", "keep one")
        elif isinstance(declaration, ast.Block):
            _check_block(findings, declaration)


def _check_block(findings: Findings, block: ast.Block) -> None:
    items: tuple[Item, ...] = (*block.parameters, *block.statements)
    for item in items:
        if item.name == "x":
            _report(findings, item, "`x` is the block's input")
    _each_once(findings, items, "has a value already")


def _each_once(findings: Findings, items: Iterable[Item], what: str, hint: str = "take another name") -> None:
    seen: dict[str, Item] = {}
    for item in items:
        name = item.name
        if name in seen:
            _report(findings, item, f"`{name}` {what}", hint, seen[name])
        seen.setdefault(name, item)


def _report(
    findings: Findings,
    item: ast.Named,
    message: str,
    hint: str = "take another name",
    first: ast.Named | None = None,
) -> None:
    labels = () if first is None else (Label(first.name_at, "the first"),)
    findings.add(Diagnostic("E0208", message, item.name_at, labels, hint=hint))
