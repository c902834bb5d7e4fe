"""Every declaration is looked at, also what no model uses: constants evaluated, blocks searched for names.

A block that is not used has no shapes and no arguments. What its names mean is known all the same,
and which arguments the blocks and ops take that it calls.
"""

from __future__ import annotations

from typing import TypeGuard

from resnet_dsl.diagnostics.errors import CompileError, Findings
from resnet_dsl.diagnostics.model import Span
from resnet_dsl.elaborate.argument_reports import not_a_choice, unknown_argument, wanted_choice
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.expressions import NUMERIC, evaluate
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.sharing import SHARE
from resnet_dsl.elaborate.unknown_names import unknown_member
from resnet_dsl.elaborate.values import Definition, Function
from resnet_dsl.elaborate.written_arguments import signature
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.syntax import ast


def check_declarations(scope: Scope, findings: Findings) -> None:
    """Report what is wrong with the constants and blocks of a file, whoever uses them."""
    ctx = Elaborator(findings, Extent(), evaluate, Span(scope.source, 0, 0))
    try:
        for name, const in scope.constants.items():
            ctx.evaluate(ast.Name(const.name_at, name), Env(scope))
    except CompileError:
        return  # a limit: nothing more is looked at
    for definition in scope.blocks.values():
        _Search(ctx, definition).search()


@dataclass(frozen=True)
class _Reach:
    """What is known at a point of a block beside its names: the choices of what is called.

    `open` is where a function that is not known may offer any.
    """

    choices: tuple[str, ...] = ()
    open: bool = False


@dataclass(frozen=True)
class _Search:
    """The search of one block, statement by statement, for names that mean nothing."""

    ctx: Elaborator
    definition: Definition
    names: set[str] = field(default_factory=lambda: {"x"})  # grows from statement to statement
    functions: dict[str, Definition | type[Op]] = field(default_factory=dict)  # the steps that are one

    @property
    def scope(self) -> Scope:
        """Where the block was written."""
        assert isinstance(self.definition.scope, Scope)
        return self.definition.scope

    def search(self) -> None:
        """Report every name in the block that has no meaning there, and arguments that no callee takes."""
        block = self.definition.block
        self.names.update(choice for parameter in block.parameters for choice in parameter.choices)
        for parameter in block.parameters:
            own = parameter.span.source is block.span.source  # not one that `...` stands for
            if parameter.default is not None and own:
                self._look(parameter.default, _Reach())
            self.names.add(parameter.name)
        for statement in block.statements:
            self._look(statement.value, _Reach())
            callee = statement.value.callee if isinstance(statement.value, ast.Call) else statement.value
            if (target := self._target(callee)) is not None:
                self.functions[statement.name] = target
            self.names.add(statement.name)
        self._look(block.result, _Reach())

    def _look(self, expr: ast.Node, reach: _Reach) -> None:
        if isinstance(expr, ast.Name):
            self._name(expr, reach)
        elif isinstance(expr, ast.Call):
            self._call(expr, reach)
        elif not (isinstance(expr, ast.Attribute) and self._is_elsewhere(expr)):
            for child in ast.children(expr):
                self._look(child, reach)

    def _is_elsewhere(self, expr: ast.Attribute) -> bool:
        """Report `nn.Conv2d` and its like as one name, once."""
        if ("E0201", expr.span) in self.ctx.findings.places:
            return True
        root = next(ast.names(expr), "")
        return root not in self.names and unknown_member(self.ctx, expr, Env(self.scope)) is not None

    def _name(self, name: ast.Name, reach: _Reach) -> None:
        known = ("E0201", name.span) in self.ctx.findings.places
        if not (reach.open or known) and self._means_nothing(name, reach):
            hint = self.ctx.suggest(name.id, (*reach.choices, *self.names, *self.scope.names()))
            self.ctx.error("E0201", f"unknown name `{name.id}`", name.span, hint)

    def _call(self, call: ast.Call, reach: _Reach) -> None:
        numeric = isinstance(call.callee, ast.Name) and call.callee.id in (*NUMERIC, SHARE)
        if not numeric:
            self._look(call.callee, reach)
        target = None if numeric else self._target(call.callee)
        function = None if target is None else Function(target)
        parameters = {} if function is None else {p.name: p for p in signature(self.ctx, function)}
        for argument in call.arguments:
            if function is not None and argument.name is not None and argument.name not in parameters:
                unknown_argument(self.ctx, function, argument, parameters)
                continue
            named = parameters.get(argument.name or "")
            choices = named.choices if named else tuple(c for p in parameters.values() for c in p.choices)
            inner = _Reach((*reach.choices, *choices))
            if function is None and not numeric and isinstance(argument.value, ast.Name | ast.If):
                inner = replace(inner, open=True)  # it may be a choice of whatever is called
            if named and choices and function is not None and self._means_nothing(argument.value, inner):
                what, wanted = f"`{named.name}` of {function.name}", wanted_choice(function, named.name)
                not_a_choice(self.ctx, what, argument.value, choices, wanted)
            else:
                self._look(argument.value, inner)

    def _means_nothing(self, expr: ast.Expr, reach: _Reach) -> TypeGuard[ast.Name]:
        if not isinstance(expr, ast.Name) or expr.id in reach.choices or expr.id in self.names:
            return False
        return self.scope.find(expr.id) is None

    def _target(self, callee: ast.Expr) -> Definition | type[Op] | None:
        """What a call calls, where that is a block or op by its own name, or a step that is one."""
        if not isinstance(callee, ast.Name):
            return None
        if callee.id in self.names:
            return self.functions.get(callee.id)
        found = self.scope.find(callee.id)
        return None if found is None or isinstance(found[1], ast.Const) else found[1]
