"""Expressions of a recipe as values and terms, each checked where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from resnet_dsl.diagnostics.errors import Findings
from resnet_dsl.diagnostics.model import Diagnostic, Label, Span
from resnet_dsl.elaborate.derived import plain
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.values import Bad, Value, show
from resnet_dsl.ir.arguments import ArgumentRule
from resnet_dsl.recipe.inheritance import Lineage
from resnet_dsl.recipe.terms import Term
from resnet_dsl.recipe.vocabulary import FOREIGN, Family
from resnet_dsl.records import MISSING, dataclass
from resnet_dsl.syntax import ast


@dataclass(frozen=True)
class RecipeReader:
    """What reads the expressions of a recipe and of those it is based on, and what was found wrong.

    An expression means what it does where it is written.
    """

    lineage: Lineage
    findings: Findings
    elaborator: Elaborator

    @property
    def recipe(self) -> ast.Recipe:
        """The recipe itself."""
        return self.lineage.layers[0][0]

    # --- reports

    def error(
        self, code: str, message: str, span: Span, hint: str = "", labels: tuple[Label, ...] = ()
    ) -> None:
        """Report an error."""
        self.findings.add(Diagnostic(code, message, span, labels, hint=hint))

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Report a warning."""
        self.findings.add(Diagnostic(code, message, span, hint=hint, severity="warning"))

    def suggest(self, name: str, known: Iterable[str]) -> str:
        """Return a hint with what `name` may stand for, else with all there is."""
        names = list(known)
        there = "there is" if len(names) == 1 else "there are"
        return self.elaborator.suggest(name, names, FOREIGN) or f"{there} {listed(names)}"

    # --- values

    def value(self, expr: ast.Expr, choices: tuple[str, ...] = ()) -> Value:
        """Return the value of an expression; BAD after an error."""
        return plain(self.elaborator.evaluate(expr, Env(self.lineage.scope_at(expr.span), choices=choices)))

    def checked(self, expr: ast.Expr, rule: ArgumentRule, what: str) -> Any:
        """Return a value as a rule has it, or None after an error; `what` is what the value is of."""
        if isinstance(expr, ast.Name) and rule.choices and self._is_other_word(expr, rule.choices):
            hint = self.elaborator.suggest(expr.id, rule.choices, FOREIGN)
            self.error("E0204", f"{what} must be {rule.what}, not `{expr.id}`", expr.span, hint)
            return None
        value = self.value(expr, rule.choices)
        if isinstance(value, Bad):
            return None
        try:
            return rule.coerce(value)
        except ValueError:
            self.error("E0204", f"{what} must be {rule.what}, not {show(value)}", expr.span)
            return None

    def _is_other_word(self, name: ast.Name, choices: tuple[str, ...]) -> bool:
        """Whether a name is neither a choice nor a constant: then it was to be one of the choices."""
        found = self.lineage.scope_at(name.span).find(name.id)
        return name.id not in choices and (found is None or not isinstance(found[1], ast.Const))

    # --- terms

    def term(self, expr: ast.Expr, family: Family) -> Term | None:
        """Return the term that an expression is, or None after an error."""
        while isinstance(expr, ast.Group):
            expr = expr.value
        callee = expr.callee if isinstance(expr, ast.Call) else expr
        if not isinstance(callee, ast.Name):
            message = f"`{_text(expr)}` is no {family.title}"
            self.error("E0204", message, expr.span, f"such as `{family.example}`")
            return None
        cls = family.terms.get(callee.id)
        if cls is None:
            message = f"there is no {family.title} `{callee.id}`"
            self.error("E0201", message, callee.span, self.suggest(callee.id, family.terms))
            return None
        return self._made(cls, expr, expr.arguments if isinstance(expr, ast.Call) else ())

    def _made(self, cls: type[Term], expr: ast.Expr, arguments: Sequence[ast.Argument]) -> Term | None:
        """The term with its arguments, each of them checked."""
        rules = {name: rule for name, rule, _ in cls.arguments()}
        given: dict[str, ast.Argument] = {}
        fine = True
        for name, argument in self.arguments(cls.kind, tuple(rules), arguments):
            fine &= name is not None
            given[name or ""] = argument
        values: dict[str, Any] = {}
        for name in (name for name in given if name):
            values[name] = self.checked(given[name].value, rules[name], f"`{name}` of {cls.kind}")
        missing = [name for name, _, usual in cls.arguments() if usual is MISSING and name not in given]
        if missing and fine:
            wanted = rules[missing[0]].what
            message = f"{cls.kind} needs `{missing[0]}`, {wanted}"
            self.error("E0203", message, expr.span)
        if missing or not fine or None in values.values():
            return None
        made = cls(**values)
        if (wrong := made.problem()) is not None:
            name, message, write = wrong
            self.error("E0204", message, given[name].span if name in given else expr.span, f"write {write}")
            return None
        return made

    def arguments(
        self, callee: str, names: Sequence[str], arguments: Iterable[ast.Argument]
    ) -> Iterator[tuple[str | None, ast.Argument]]:
        """Yield the arguments of a call, each with the name it is given for; None after an error."""
        seen: dict[str, Span] = {}
        takes = listed(names) if names else "no arguments"
        for place, argument in enumerate(arguments):
            name = argument.name or (names[place] if place < len(names) else None)
            if isinstance(argument.value, ast.Rest):
                self.error("E0202", "`...` passes on parameters to blocks", argument.span, "delete it")
                name = None
            elif name is None:
                self.error("E0202", f"too many arguments: {callee} takes {takes}", argument.span)
            elif name not in names:
                message = f"{callee} has no argument `{name}`; it takes {takes}"
                hint = self.elaborator.suggest(name, names, FOREIGN)
                self.error("E0202", message, argument.name_at, hint)
                name = None
            elif name in seen:
                labels = (Label(seen[name], "given here first"),)
                self.error("E0202", f"`{name}` is given twice", argument.span, "keep one of them", labels)
                name = None
            else:
                seen[name] = argument.span
            yield name, argument

    # --- paths

    def path(self, expr: ast.Expr) -> str | None:
        """Return a dotted name, or None where an expression is none."""
        match expr:
            case ast.Name():
                return expr.id
            case ast.String():
                return expr.value
            case ast.Attribute():
                front = self.path(expr.value)
                return None if front is None else f"{front}.{expr.name}"
            case _:
                return None


def items_of(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    """Return the items of a list, or the one expression that is given without brackets."""
    return expr.items if isinstance(expr, ast.List) else (expr,)


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them."""
    return ", ".join(f"`{name}`" for name in names)


def _text(expr: ast.Expr) -> str:
    text = " ".join(expr.span.source.text[expr.span.start : expr.span.end].split())
    return text if len(text) <= 40 else f"{text[:40]}…"
