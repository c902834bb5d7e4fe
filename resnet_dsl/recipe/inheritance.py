"""The fields of a recipe: its own, and those of the recipes it is based on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NoReturn

from resnet_dsl.diagnostics.errors import CompileError, Findings
from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.diagnostics.suggest import close_names, did_you_mean
from resnet_dsl.driver import declared
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.limits import BASES
from resnet_dsl.recipe.vocabulary import SPELLED
from resnet_dsl.records import dataclass
from resnet_dsl.shipped import file_of, recipe_files
from resnet_dsl.sources import DISK
from resnet_dsl.syntax import ast

BASE = "base"
WITHOUT_NONE = ("weights",)  # whose `none` says more than that the field is left out

Layer = tuple[ast.Recipe, Scope]


@dataclass(frozen=True)
class Lineage:
    """A recipe and those it is based on, nearest first, each with the scope it was declared in."""

    layers: tuple[Layer, ...]

    @property
    def text(self) -> str:
        """All of them as they were written."""
        spans = (recipe.span for recipe, _ in self.layers)
        return "\n\n".join(span.source.text[span.start : span.end] for span in spans)

    def scope_at(self, span: Span) -> Scope:
        """Return the scope of the text that a place is in; of what is set from outside the recipe's."""
        scopes = (scope for _, scope in self.layers if scope.source == span.source)
        return next(scopes, self.layers[0][1])

    def fields(self, given: Mapping[str, ast.Field]) -> dict[str, ast.Field]:
        """Return what each field is: given from outside, else of the nearest recipe that has it.

        Of a recipe that gives one twice the first counts. `none` stands for a field that is left out.
        """
        found = dict(given)
        for recipe, _ in self.layers:
            for item in recipe.fields:
                found.setdefault(SPELLED.get(item.name, item.name), item)
        found.pop(BASE, None)
        return {name: item for name, item in found.items() if name in WITHOUT_NONE or not is_none(item.value)}


def lineage(recipe: ast.Recipe, scope: Scope, findings: Findings) -> Lineage:
    """Return a recipe with those it is based on; raises CompileError for a base that there is not."""
    layers: list[Layer] = [(recipe, scope)]
    while (item := _base(layers[-1][0])) is not None:
        found = _declared(item.value, layers[-1][1], findings)
        _check_length(item.value, layers, found[0], findings)
        layers.append(found)
    return Lineage(tuple(layers))


def is_none(expr: ast.Expr) -> bool:
    """Whether an expression is `none`."""
    return isinstance(expr, ast.Constant) and expr.value is None


def _base(recipe: ast.Recipe) -> ast.Field | None:
    """The field that says what a recipe is based on, if it is based on any."""
    found = next((item for item in recipe.fields if item.name == BASE), None)
    return None if found is None or is_none(found.value) else found


def _declared(value: ast.Expr, scope: Scope, findings: Findings) -> Layer:
    """The recipe that a name stands for: of the file, of one that it uses, or shipped."""
    if not isinstance(value, ast.Name):
        _refuse(findings, "E0204", "`base` must be the name of a recipe", value.span, "`base: other_recipe`")
    found = scope.find_recipe(value.id) or _shipped(value.id)
    if found is None:
        _refuse(findings, *_unknown(value, scope))
    return found


def _shipped(name: str) -> Layer | None:
    path = file_of(name)
    if path is None:
        return None
    scope, findings = declared(DISK.read(path, path.name), path.parent)
    findings.check()
    return None if name not in scope.recipes else (scope.recipes[name], scope)


def _unknown(name: ast.Name, scope: Scope) -> tuple[str, str, Span, str]:
    """The code, message, place and hint for a name that is no recipe's."""
    if scope.find_model(name.id) is not None or name.id in scope.names():
        hint = "`model` says what is trained" if scope.find_model(name.id) is not None else ""
        return "E0206", f"`base` must be a recipe; `{name.id}` is none", name.span, hint
    known = [*scope.recipe_names(), *recipe_files()]
    hint = did_you_mean(name.id, known) if close_names(name.id, known) else "`use` the file that declares it"
    return "E0201", f"there is no recipe `{name.id}`", name.span, hint


def _check_length(value: ast.Expr, layers: list[Layer], base: ast.Recipe, findings: Findings) -> None:
    """Report a recipe that is based on itself, or on too many."""
    names = list(_names_from(layers, base))
    if names:
        way = " -> ".join((*names, base.name))
        _refuse(findings, "E0209", f"recipe `{base.name}` is based on itself: {way}", value.span)
    if len(layers) >= BASES.most:
        message = f"recipes are based on each other more than {BASES.most} levels deep"
        _refuse(findings, BASES.code, message, value.span)


def _names_from(layers: list[Layer], base: ast.Recipe) -> Iterator[str]:
    """The names of the recipes from one on, if it is among them."""
    places = [recipe.name_at for recipe, _ in layers]
    if base.name_at in places:
        yield from (recipe.name for recipe, _ in layers[places.index(base.name_at) :])


def _refuse(findings: Findings, code: str, message: str, span: Span, hint: str = "") -> NoReturn:
    findings.add(Diagnostic(code, message, span, hint=hint))
    raise CompileError(findings.shown)
