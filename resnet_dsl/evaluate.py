"""Expressions to values: arithmetic at compile time, and ops applied into a body being built.

Shapes are inferred as each step is made, since a block may ask for the channels of its input.
A mistake is reported once with its place; what depends on it is bad and stays silent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, replace
from typing import Any, NamedTuple

from resnet_dsl.arithmetic import ArithmeticProblem, compare, compute
from resnet_dsl.diagnostics import Diagnostic, Findings, Label, Span, did_you_mean
from resnet_dsl.ir.arguments import Dims, Symbol
from resnet_dsl.ir.network import Body, Call, Node
from resnet_dsl.ir.ops import Add, Concat, Multiply, Op
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.joins import conflict, projection_hint
from resnet_dsl.scope import Scope
from resnet_dsl.syntax import ast
from resnet_dsl.values import BAD, Bad, Definition, Function, Repeat, Staged, Tensor, show

MAX_OPS = 100_000
MAX_CALLS = 32

NUMERIC: dict[str, Callable[..., Any]] = {"min": min, "max": max, "round": round}


class Parameter(NamedTuple):
    """A parameter of a block or op as a call sees it."""

    name: str
    required: bool
    choices: tuple[str, ...]


class Frame(NamedTuple):
    """One level of what the compiler is working on, for the notes of a diagnostic."""

    text: str
    span: Span


@dataclass
class Builder:
    """A body under construction: its nodes so far and the names they have taken."""

    inputs: list[Shape]
    nodes: list[Node] = field(default_factory=list)
    names: dict[str, Span] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    automatic: set[str] = field(default_factory=set)
    variable: str = ""

    def numbered(self, kind: str) -> str:
        """Return the next name of a step of `kind`: conv1, conv2, …"""
        while True:
            self.counts[kind] += 1
            name = f"{kind}{self.counts[kind]}"
            if name not in self.names:
                self.automatic.add(name)
                return name


@dataclass
class Env:
    """What names mean at one point of a block or model, and the body that steps go into."""

    scope: Scope
    builder: Builder | None = None
    names: dict[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    setting: Callable[[str, Span], Any] | None = None
    known: Callable[[], Iterator[str]] | None = None
    read: set[str] = field(default_factory=set)

    @property
    def x(self) -> Any:
        """The input that a pipeline starts with when it names none."""
        return self.names.get("x")


@dataclass
class Evaluator:
    """Evaluates the expressions of one program."""

    findings: Findings
    extent: Extent
    frames: list[Frame] = field(default_factory=list)
    active: list[Definition] = field(default_factory=list)
    bodies: dict[Any, Body | Bad] = field(default_factory=dict)
    constants: dict[ast.Const, Any] = field(default_factory=dict)
    ops: int = 0

    # --- reporting ------------------------------------------------------------------------

    def error(
        self, code: str, message: str, span: Span, hint: str = "", labels: tuple[Label, ...] = ()
    ) -> Bad:
        """Report an error and return the bad value."""
        self._report(Diagnostic(code, message, span, labels, hint=hint))
        return BAD

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Report a warning."""
        self._report(Diagnostic(code, message, span, hint=hint, severity="warning"))

    def _report(self, diagnostic: Diagnostic) -> None:
        notes = tuple(f"{frame.text} ({_line(frame.span)})" for frame in reversed(self.frames))
        diagnostic = replace(diagnostic, notes=(*diagnostic.notes, *notes))
        span = diagnostic.span
        mine = [frame for frame in self.frames if not frame.span.source.ours]
        if span is not None and span.source.ours and mine:
            # The reader can change only their own text, so that comes first.
            labels = (Label(span, "here"), *diagnostic.labels)
            diagnostic = replace(diagnostic, span=mine[-1].span, labels=labels)
        self.findings.add(diagnostic)

    @contextmanager
    def within(self, text: str, span: Span) -> Iterator[None]:
        """Add a level to the notes of what is reported inside."""
        self.frames.append(Frame(text, span))
        try:
            yield
        finally:
            self.frames.pop()

    # --- expressions ----------------------------------------------------------------------

    def evaluate(self, expr: ast.Expr, env: Env, label: str | None = None) -> Any:
        """Return the value of an expression; `label` names the step it makes."""
        match expr:
            case ast.Number() | ast.String() | ast.Constant():
                return expr.value
            case ast.Dims():
                return Dims(expr.parts)
            case ast.Group():
                return self.evaluate(expr.value, env, label)
            case ast.Name():
                return self._name(expr, env)
            case ast.List():
                items = tuple(self.evaluate(item, env) for item in expr.items)
                return BAD if any(isinstance(item, Bad) for item in items) else items
            case ast.Record():
                return self._record(expr, env)
            case ast.Attribute():
                return self._attribute(expr, env)
            case ast.Unary():
                return self._unary(expr, env)
            case ast.Binary():
                return self._binary(expr, env)
            case ast.If():
                return self._if(expr, env, label)
            case ast.Labelled():
                return self._labelled(expr, env)
            case ast.Pipe():
                return self._pipe(expr, env)
            case ast.Call():
                return self._call(expr, env, None, label)

    def tensor(self, expr: ast.Expr, env: Env) -> Any:
        """Return the tensor an expression makes; a function is applied to the input `x`."""
        value = self.evaluate(expr, env)
        if isinstance(value, Function):
            return self.apply(value, env.x, env, expr.span)
        if isinstance(value, Staged) and isinstance(value.value, Function):
            return self.apply(value.value, env.x, env, expr.span, value.label)
        if isinstance(value, Tensor | Bad):
            return value
        return self.error("E0206", f"a tensor should be made here, not {show(value)}", expr.span)

    def _name(self, expr: ast.Name, env: Env) -> Any:
        if expr.id in env.choices:
            return Symbol(expr.id)
        if expr.id in env.names:
            env.read.add(expr.id)
            return env.names[expr.id]
        if env.setting is not None:
            value = env.setting(expr.id, expr.span)
            if value is not MISSING:
                return value
        found = env.scope.find(expr.id)
        if found is None:
            known = [*env.names, *env.choices, *env.scope.names(), *(env.known or tuple)()]
            hint = did_you_mean(expr.id, known)
            return self.error("E0201", f"unknown name `{expr.id}`", expr.span, hint)
        scope, what = found
        if isinstance(what, ast.Const):
            return self._constant(what, scope)
        return Function(what)

    def _constant(self, const: ast.Const, scope: Scope) -> Any:
        if const not in self.constants:
            self.constants[const] = BAD  # a constant that needs itself is bad, not endless
            self.constants[const] = self.evaluate(const.value, Env(scope, known=tuple))
            if self.constants[const] is BAD:
                self.error("E0209", f"`{const.name}` has no value", const.span)
        return self.constants[const]

    def _record(self, expr: ast.Record, env: Env) -> Any:
        record = {item.name: self.evaluate(item.value, env) for item in expr.fields}
        if len(record) < len(expr.fields):
            return self.error("E0208", "a name is given twice in this record", expr.span)
        return tuple(record.items())

    def _attribute(self, expr: ast.Attribute, env: Env) -> Any:
        value = self.evaluate(expr.value, env)
        if isinstance(value, Bad):
            return BAD
        if not isinstance(value, Tensor):
            return self.error("E0206", f"{show(value)} has no `.{expr.name}`", expr.span)
        sizes = dict(zip(("channels", "height", "width"), value.shape.at(self.extent), strict=False))
        if expr.name not in sizes:
            known = ", ".join(f"`{name}`" for name in sizes)
            hint = did_you_mean(expr.name, sizes)
            return self.error("E0201", f"no `.{expr.name}` here; there is {known}", expr.span, hint)
        if sizes[expr.name] is None:
            message = f"`.{expr.name}` is not known: it depends on the input's size"
            return self.error("E0307", message, expr.span, "write numbers in `input:`")
        return sizes[expr.name]

    def _unary(self, expr: ast.Unary, env: Env) -> Any:
        value = self.evaluate(expr.value, env)
        if isinstance(value, Bad):
            return BAD
        if expr.operator == "not" and isinstance(value, bool):
            return not value
        if expr.operator == "-" and isinstance(value, int | float) and not isinstance(value, bool):
            return -value
        return self.error("E0206", f"`{expr.operator}` does not apply to {show(value)}", expr.span)

    def _binary(self, expr: ast.Binary, env: Env) -> Any:
        left = self.evaluate(expr.left, env)
        if expr.operator in ("and", "or") and isinstance(left, bool):
            if left == (expr.operator == "or"):
                return left
            right = self.evaluate(expr.right, env)
            if isinstance(right, bool | Bad):
                return right
            message = f"`{expr.operator}` needs `true` or `false`, not {show(right)}"
            return self.error("E0206", message, expr.at)
        right = self.evaluate(expr.right, env)
        if isinstance(left, Bad) or isinstance(right, Bad):
            return BAD
        if expr.operator in ("+", "*") and (isinstance(left, Tensor) or isinstance(right, Tensor)):
            return self._join(expr, left, right, env)
        if expr.operator == "*" and isinstance(right, Function) and type(left) is int:
            return Repeat(left, right)
        try:
            if expr.operator in ("==", "!=", "<", "<=", ">", ">="):
                return compare(expr.operator, left, right)
            return compute(expr.operator, left, right)
        except ArithmeticProblem as problem:
            return self.error(problem.code, problem.message, expr.at, problem.hint)

    def _join(self, expr: ast.Binary, left: Any, right: Any, env: Env) -> Any:
        """A sum or product of tensors: a step of two inputs."""
        if isinstance(left, Function) and env.x is not None:
            left = self.apply(left, env.x, env, expr.left.span)
        if isinstance(right, Function) and env.x is not None:
            right = self.apply(right, env.x, env, expr.right.span)
        if isinstance(left, Bad) or isinstance(right, Bad):
            return BAD
        if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
            other = right if isinstance(left, Tensor) else left
            message = f"`{expr.operator}` of a tensor and {show(other)}"
            return self.error("E0206", message, expr.at, "both sides must be tensors")
        op = Add() if expr.operator == "+" else Multiply()
        spans = (expr.left.span, expr.right.span)
        return self.step(op, (left, right), env, expr.at, operands=spans)

    def _if(self, expr: ast.If, env: Env, label: str | None) -> Any:
        condition = self.evaluate(expr.condition, env)
        if isinstance(condition, Bad):
            return BAD
        if not isinstance(condition, bool):
            message = f"`if` needs `true` or `false`, not {show(condition)}"
            return self.error("E0206", message, expr.condition.span)
        return self.evaluate(expr.yes if condition else expr.no, env, label)

    def _labelled(self, expr: ast.Labelled, env: Env) -> Any:
        value = self.evaluate(expr.value, env, expr.label)
        return value if isinstance(value, Tensor | Bad) else Staged(expr.label, value)

    def _pipe(self, expr: ast.Pipe, env: Env) -> Any:
        value = self.tensor(expr.first, env)
        for step in expr.steps:
            if isinstance(value, Bad):
                return BAD
            value = self._step(step, value, env, None)
        return value

    def _step(self, step: ast.Expr, x: Tensor, env: Env, label: str | None) -> Any:
        if isinstance(step, ast.Labelled):
            return self._step(step.value, x, env, step.label)
        if isinstance(step, ast.Call):
            return self._call(step, env, x, label)
        value = self.evaluate(step, env)
        if isinstance(value, Function):
            return self.apply(value, x, env, step.span, label)
        if isinstance(value, Bad):
            return BAD
        return self.error("E0206", f"a step of a pipeline is a block or op, not {show(value)}", step.span)

    # --- calls ----------------------------------------------------------------------------

    def _call(self, expr: ast.Call, env: Env, piped: Tensor | None, label: str | None) -> Any:
        if isinstance(expr.callee, ast.Name) and self._is_numeric(expr.callee.id, env):
            return self._numeric(expr, env)
        function = self.evaluate(expr.callee, env)
        if isinstance(function, Bad):
            return BAD
        if not isinstance(function, Function):
            return self.error("E0206", f"{show(function)} cannot be called", expr.callee.span)
        inputs = [] if piped is None else [piped]
        bound = self._bind(function, expr, env, inputs)
        if bound is None:
            return BAD
        function = replace(function, bound=bound)
        return self.apply(function, inputs, env, expr.span, label) if inputs else function

    def _is_numeric(self, name: str, env: Env) -> bool:
        return name in NUMERIC and name not in env.names and env.scope.find(name) is None

    def _numeric(self, expr: ast.Call, env: Env) -> Any:
        name = expr.callee.id if isinstance(expr.callee, ast.Name) else ""
        values = [self.evaluate(argument.value, env) for argument in expr.arguments]
        if any(isinstance(value, Bad) for value in values):
            return BAD
        if not values or any(type(value) not in (int, float) for value in values):
            return self.error("E0206", f"`{name}` takes numbers", expr.span)
        if name == "round" and len(values) > 1:
            return self.error("E0202", "`round` takes one number", expr.span)
        return NUMERIC[name](values) if name != "round" else round(values[0])

    def signature(self, function: Function) -> list[Parameter]:
        """Return the parameters of a function, in order."""
        if isinstance(function.target, Definition):
            return [Parameter(p.name, p.default is None, p.choices) for p in function.target.block.parameters]
        return [
            Parameter(name, default is MISSING, rule.choices)
            for name, rule, default in function.target.arguments()
        ]

    def _bind(
        self, function: Function, expr: ast.Call, env: Env, inputs: list[Tensor]
    ) -> tuple[tuple[str, Any], ...] | None:
        """Evaluate arguments against the signature; leading tensors go to `inputs`."""
        parameters = {p.name: p for p in self.signature(function)}
        given = dict(function.bound)
        free = [p for p in parameters.values() if p.name not in given]
        direct, fine = not inputs, True
        takes_many = not isinstance(function.target, Definition)
        for argument in expr.arguments:
            name = argument.name or (free[0].name if free else None)
            choices = parameters[name].choices if name in parameters else ()
            value = self.evaluate(argument.value, replace(env, choices=(*env.choices, *choices)))
            if isinstance(value, Bad):
                fine = False
                if argument.name is None:
                    continue  # it may have been a tensor, so nothing can be said of its place
            elif (
                argument.name is None
                and isinstance(value, Tensor)
                and (takes_many or (direct and not inputs))
            ):
                inputs.append(value)
                continue
            if name not in parameters:
                self._unknown_argument(function, argument, parameters)
                fine = False
                continue
            if argument.name is not None and any(
                a is not argument and a.name == name for a in expr.arguments
            ):
                self.error("E0202", f"`{name}` is given twice", argument.span)
                fine = False
            free = [p for p in free if p.name != name]
            given[name] = value
        return tuple(given.items()) if fine else None

    def _unknown_argument(
        self, function: Function, argument: ast.Argument, parameters: dict[str, Parameter]
    ) -> None:
        takes = ", ".join(f"`{name}`" for name in parameters) or "no arguments"
        if argument.name is None:
            message = f"too many arguments: {function.name} takes {takes}"
            self.error("E0202", message, argument.span)
            return
        message = f"{function.name} has no argument `{argument.name}`; it takes {takes}"
        self.error("E0202", message, argument.span, did_you_mean(argument.name, parameters))

    # --- application ----------------------------------------------------------------------

    def apply(
        self,
        function: Function,
        inputs: list[Tensor] | Tensor | None,
        env: Env,
        span: Span,
        label: str | None = None,
    ) -> Any:
        """Apply a function to its input: a step for an op, the steps of its body for a block."""
        tensors = [inputs] if isinstance(inputs, Tensor) else inputs
        if tensors is None or env.builder is None:
            return self.error("E0206", f"`{function.name}` has no input here", span)
        missing = [
            p.name for p in self.signature(function) if p.required and p.name not in dict(function.bound)
        ]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            return self.error("E0203", f"{function.name} needs {names}", span)
        if isinstance(function.target, Definition):
            return self._apply_block(function.target, dict(function.bound), tensors, env, span, label)
        try:
            op = function.target.make(dict(function.bound))
        except ValueError as error:
            value = next((v for n, v in function.bound if f"`{n}` " in str(error)), None)
            suffix = f", not {show(value)}" if "must be" in str(error) and value is not None else ""
            return self.error("E0204", f"{error}{suffix}", span)
        return self.step(op, tuple(tensors), env, span, label)

    def step(
        self,
        op: Op,
        tensors: tuple[Tensor, ...],
        env: Env,
        span: Span,
        label: str | None = None,
        operands: tuple[Span, ...] = (),
    ) -> Any:
        """Add one op to the body under construction and return its result."""
        builder = env.builder
        assert builder is not None
        if op.inputs is not None and len(tensors) != op.inputs:
            return self.error("E0202", f"{op.kind} takes {op.inputs} tensors, not {len(tensors)}", span)
        if op.inputs is None and len(tensors) < 2:
            return self.error("E0202", f"{op.kind} takes two tensors or more", span)
        shapes = [tensor.shape for tensor in tensors]
        labels = self._operand_labels(tensors, operands)
        try:
            shape = op.shape(*shapes, extent=self.extent)
            if isinstance(op, Add | Multiply | Concat):
                self._check_join(op, tensors, span, labels)
        except ShapeError as error:
            hint = error.hint or (projection_hint(tensors) if error.operands else "")
            return self.error(error.code, error.message, span, hint, labels if error.operands else ())
        if op.does_nothing(*shapes):
            return tensors[0]
        self.ops += 1
        if self.ops > MAX_OPS:
            return self.error("E0501", f"more than {MAX_OPS:,} ops", span)
        return self._add(op, tensors, shape, builder, span, label)

    def _check_join(self, op: Op, tensors: tuple[Tensor, ...], span: Span, labels: tuple[Label, ...]) -> None:
        """Heights and widths must agree for every size; at a given size, warn about the others."""
        shapes = [tensor.shape for tensor in tensors]
        if isinstance(op, Multiply) and any(shape.is_pixel for shape in shapes):
            return
        found = conflict(shapes, self.extent)
        if found is None:
            return
        names = {Add: ("E0301", "residual addition"), Multiply: ("E0302", "product")}
        code, what = names.get(type(op), ("E0303", "concatenation"))
        if found.here:
            note = f"; {found.when}" if found.when else ""
            raise ShapeError(code, f"{what} of different shapes{note}", operands=True)
        place = Shape(0, shapes[0].spatial).text(self.extent).removeprefix("0x")
        message = f"{what} holds at {place} here, but {found.when}"
        self._report(Diagnostic("W0601", message, span, labels, severity="warning"))

    def _operand_labels(self, tensors: tuple[Tensor, ...], spans: tuple[Span, ...]) -> tuple[Label, ...]:
        pairs = zip(tensors, spans, strict=False)
        return tuple(Label(s, f"{t.shape.text(self.extent)}: {t.origin}") for t, s in pairs)

    def _add(
        self,
        what: Op | Call,
        tensors: tuple[Tensor, ...],
        shape: Shape,
        builder: Builder,
        span: Span,
        label: str | None,
    ) -> Any:
        kind = what.kind if isinstance(what, Op) else what.body.definition
        name = label if label is not None else builder.numbered(kind)
        if name in builder.names:
            line = builder.names[name].place[0]
            message = f"two steps are named `{name}`, the first at line {line}"
            return self.error("E0211", message, span, "name one of them: `-> name: step`")
        builder.names[name] = span
        inputs = tuple(tensor.value for tensor in tensors)
        builder.nodes.append(Node(name, what, inputs, shape, builder.variable, span))
        return Tensor(len(builder.nodes) - 1, shape, f"from {kind} at {_line(span)}")

    def _apply_block(
        self,
        definition: Definition,
        given: dict[str, Any],
        tensors: list[Tensor],
        env: Env,
        span: Span,
        label: str | None,
    ) -> Any:
        assert env.builder is not None
        if label is None:
            with self.within(f"in block `{definition.block.name}`", span):
                return self.run_block(definition, given, tensors[0], env.builder, span)
        extra = {name: value for name, value in given.items() if isinstance(value, Tensor)}
        with self.within(f"in `{label}`, block `{definition.block.name}`", span):
            body = self.body(definition, given, tensors[0].shape, span)
        if isinstance(body, Bad):
            return BAD
        if body.result < 0:
            return [tensors[0], *extra.values()][-1 - body.result]
        inputs = (tensors[0], *extra.values())
        return self._add(Call(body), inputs, body.output, env.builder, span, label)

    def body(self, definition: Definition, given: dict[str, Any], x: Shape, span: Span) -> Body | Bad:
        """Return the body of a block for these arguments; equal uses are elaborated once."""
        shapes = [x, *(value.shape for value in given.values() if isinstance(value, Tensor))]
        plain = ((n, v.shape if isinstance(v, Tensor) else v) for n, v in given.items())
        key = (definition, tuple((n, type(v), v) for n, v in plain), tuple(shapes))
        if key not in self.bodies:
            self.bodies[key] = self._elaborate_body(definition, given, shapes, span)
        elif isinstance(found := self.bodies[key], Body):
            self.ops += found.count
        return self.bodies[key]

    def _elaborate_body(
        self, definition: Definition, given: dict[str, Any], shapes: list[Shape], span: Span
    ) -> Body | Bad:
        builder = Builder(shapes)
        names = iter(range(1, len(shapes)))
        values = {
            name: Tensor(-1 - next(names), value.shape, f"the parameter `{name}`")
            if isinstance(value, Tensor)
            else value
            for name, value in given.items()
        }
        x = Tensor(-1, shapes[0], "the block's input")
        settled: dict[str, Any] = {}
        result = self.run_block(definition, values, x, builder, span, settled)
        if isinstance(result, Bad):
            return BAD
        name = definition.block.name
        arguments = tuple((n, v) for n, v in settled.items() if not isinstance(v, Tensor))
        return Body(name, arguments, tuple(shapes), tuple(builder.nodes), result.value, definition.doc)

    def run_block(
        self,
        definition: Definition,
        given: dict[str, Any],
        x: Tensor,
        builder: Builder,
        span: Span,
        settled: dict[str, Any] | None = None,
    ) -> Any:
        """Run a block's statements into `builder` and return its result."""
        block = definition.block
        if definition in self.active or len(self.active) >= MAX_CALLS:
            return self.error("E0209", f"block `{block.name}` uses itself", span)
        outer, self.active = self.active, [*self.active, definition]
        variable = builder.variable
        try:
            env = self._parameters(definition, given, x, builder)
            if env is None:
                return BAD
            if settled is not None:
                settled.update((p.name, env.names[p.name]) for p in block.parameters)
            return self._statements(block, env, builder, variable)
        finally:
            self.active, builder.variable = outer, variable

    def _parameters(
        self, definition: Definition, given: dict[str, Any], x: Tensor, builder: Builder
    ) -> Env | None:
        block = definition.block
        choices = {choice: Symbol(choice) for p in block.parameters for choice in p.choices}
        env = Env(definition.scope, builder, {**choices, "x": x})
        fine = True
        for parameter in block.parameters:
            if parameter.name == "x":
                self.error("E0208", "`x` is the block's input", parameter.span)
                fine = False
            value = given.get(parameter.name, MISSING)
            if value is MISSING and parameter.default is not None:
                value = self.evaluate(parameter.default, replace(env, choices=parameter.choices))
            if parameter.choices and not isinstance(value, Bad) and value not in parameter.choices:
                wanted = ", ".join(f"`{choice}`" for choice in parameter.choices)
                message = f"`{parameter.name}` of {block.name} must be one of {wanted}, not {show(value)}"
                span = self.frames[-1].span if self.frames else parameter.span
                self.error("E0204", message, span, did_you_mean(show(value), parameter.choices))
                fine = False
            fine = fine and not isinstance(value, Bad)
            env.names[parameter.name] = value
        return env if fine else None

    def _statements(self, block: ast.Block, env: Env, builder: Builder, variable: str) -> Any:
        taken = {p.name for p in block.parameters} | {"x"}
        for statement in block.statements:
            if statement.name in taken:
                message = f"`{statement.name}` has a value already"
                return self.error("E0208", message, statement.span, "take another name")
            taken.add(statement.name)
            builder.variable = statement.name
            value = self.evaluate(statement.value, env)
            if isinstance(value, Staged):
                value = value.value
            env.names[statement.name] = value
        builder.variable = variable
        result = self.tensor(block.result, env)
        if isinstance(result, Bad):
            return BAD
        for statement in block.statements:
            if statement.name not in env.read and not ast.mentions(block.result, statement.name):
                value = env.names[statement.name]
                if isinstance(value, Tensor) and value.value >= 0:
                    hint = "use it in what the block returns, or delete it"
                    return self.error("E0213", f"`{statement.name}` is not used", statement.span, hint)
        return result


def _line(span: Span) -> str:
    """A place for a sentence: `line 7`, with the file's name where it is the library's."""
    line = span.place[0]
    return f"{span.source.name}:{line}" if span.source.ours else f"line {line}"
