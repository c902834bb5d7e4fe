"""A head that is a record: each field a level of the model's own, or a step or part under its name."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.elaborate.blocks import apply, made, on_x
from resnet_dsl.elaborate.body_builder import BodyBuilder
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.model_state import RESERVED, ModelState
from resnet_dsl.elaborate.records import of_tensors, results_of_call
from resnet_dsl.elaborate.steps import add
from resnet_dsl.elaborate.values import BAD, Bad, Function, Record, Tag, Tensor, Value
from resnet_dsl.ir.formulas import Formula, Named, names_of
from resnet_dsl.ir.network import BlockCall, Body, Node, channels_name, renamed
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.syntax import ast

LEVELS = (ast.Pipe, ast.Binary, ast.Unary, ast.Labelled)  # what makes steps that need names of their own


def record_text(ctx: Elaborator, expr: ast.Expr, env: Env) -> ast.Record | None:
    """Return the record that a head is written as, through parentheses and conditions; None for another."""
    chosen = _chosen(ctx, expr, env)
    return chosen if isinstance(chosen, ast.Record) else None


def _chosen(ctx: Elaborator, expr: ast.Expr, env: Env) -> ast.Expr:
    """The expression that parentheses and conditions come to."""
    while isinstance(expr, ast.Group | ast.If):
        if isinstance(expr, ast.Group):
            expr = expr.value
            continue
        condition = ctx.evaluate(expr.condition, env)
        if not isinstance(condition, bool):
            return expr  # what is wrong with it is reported where it is evaluated
        expr = expr.yes if condition else expr.no
    return expr


def fields_of_head(state: ModelState, record: ast.Record, env: Env) -> Record | Bad:
    """Return what the fields of a head make, in their order; one that is `none` is left out."""
    found: dict[str, Value] = {}
    places: dict[str, Span] = {}
    fine = True
    for item in record.fields:
        if item.name in places:
            labels = (Label(places[item.name], "given here first"),)
            message = f"`{item.name}` is given twice in this record"
            state.error("E0208", message, item.name_at, "keep one of them", labels)
            fine = False
            continue
        places[item.name] = item.name_at
        value = _field(state, item, env)
        if isinstance(value, Record):
            found |= {f"{item.name}.{name}": inner for name, inner in value}
        elif value is not None:
            found[item.name] = value
        fine = fine and not isinstance(value, Bad)
        fine = _is_free(state, item) and fine
    if not found and fine:
        return state.error(
            "E0206", "a head that is a record has a field at least", record.span, "`head: none`"
        )
    return Record(found.items()) if fine else BAD


def _is_free(state: ModelState, item: ast.Field) -> bool:
    """Report a field under a name that a part of the model has."""
    if item.name in ("stem", "head", *RESERVED):
        state.error("E0211", f"`{item.name}` is a part of every model", item.name_at, "take another name")
    elif item.name in state.names:
        labels = (Label(state.names[item.name], "the first"),)
        message = f"`{item.name}` is the name of two parts of the model"
        state.error("E0211", message, item.name_at, "take another name", labels)
    else:
        return True
    return False


def _field(state: ModelState, item: ast.Field, env: Env) -> Tensor | Record | Bad | None:
    ctx, expr = state.elaborator, _chosen(state.elaborator, item.value, env)
    tag = Tag(item.name, item.name_at)
    if isinstance(expr, LEVELS):
        return _Level(state, tag, env).made(expr)
    if isinstance(expr, ast.Record):
        return ctx.error(
            "E0206", f"`{item.name}` is a record in a record", expr.span, "give each field a name here"
        )
    value = ctx.evaluate(expr, env, tag)
    if value is None:
        return None
    if isinstance(value, Function):
        return apply(ctx, value, env.x, env, expr.span, tag)
    return value if isinstance(value, Record) else made(ctx, value, expr, env)


@dataclass
class _Level:
    """A field's pipeline as a body of its own, which the head calls under the field's name."""

    state: ModelState
    tag: Tag
    outer: Env
    given: dict[int, Tensor] = field(default_factory=dict)  # by its value in the head, an input here
    inputs: list[Tensor] = field(default_factory=list)  # the same as the head has them

    def made(self, expr: ast.Expr) -> Tensor | Record | Bad:
        """Elaborate the pipeline and return its results in the head."""
        ctx = self.state.elaborator
        self.builder = BodyBuilder([], input_names=[])
        env = replace(self.outer, builder=self.builder, setting=self._setting)
        env.names = {name: self._within(value, name) for name, value in self.outer.names.items()}
        outer, ctx.structural = ctx.structural, set()
        try:
            value = ctx.evaluate(expr, env)
            result = self._result(value, expr, env)
            decided = frozenset(ctx.structural)
        finally:
            ctx.structural = outer
        if isinstance(result, Bad):
            return BAD
        fields = result if isinstance(result, Record) else Record([("", result)])
        tensors = {name: tensor for name, tensor in fields if isinstance(tensor, Tensor)}
        if all(tensor.value < 0 for tensor in tensors.values()):
            own = {name: self.inputs[-1 - tensor.value] for name, tensor in tensors.items()}
            return Record(own.items()) if isinstance(result, Record) else own[""]
        return self._called(tensors, decided, expr.span)

    def _result(self, value: Value, expr: ast.Expr, env: Env) -> Tensor | Record | Bad:
        ctx = self.state.elaborator
        value = on_x(ctx, value, expr, env)
        if isinstance(value, Record):
            return of_tensors(ctx, value, expr, lambda item, at: made(ctx, item, at, env))
        return made(ctx, value, expr, env)

    def _setting(self, name: str, span: Span) -> Value:
        assert self.outer.setting is not None
        return self._within(self.outer.setting(name, span), name)

    def _within(self, value: Value, name: str) -> Value:
        """A tensor of the head as an input of the field's body."""
        if isinstance(value, Record):
            return Record((inner, self._within(item, f"{name}_{inner}")) for inner, item in value)
        if not isinstance(value, Tensor):
            return value
        if value.value not in self.given:
            assert self.outer.builder is not None
            known = self.outer.builder.input_names
            name = known[-1 - value.value] if value.value < 0 else name
            self.inputs.append(value)
            self.builder.inputs.append(value.shape)
            self.builder.input_names.append(name)
            self.given[value.value] = replace(value, value=-len(self.inputs))
        return self.given[value.value]

    def _called(
        self, results: dict[str, Tensor], decided: frozenset[str], span: Span
    ) -> Tensor | Record | Bad:
        state, builder = self.state, self.outer.builder
        assert builder is not None
        used = {value for node in self.builder.nodes for value in node.inputs}
        used |= {tensor.value for tensor in results.values()}
        kept = [index for index in range(len(self.inputs)) if -1 - index in used]
        values = {-1 - old: -1 - new for new, old in enumerate(kept)}
        nodes = tuple(
            replace(node, inputs=tuple(values.get(value, value) for value in node.inputs))
            for node in self.builder.nodes
        )
        first, *more = (values.get(tensor.value, tensor.value) for tensor in results.values())
        numbers = self._numbers(nodes, decided)
        body = Body(
            definition=self.tag.name,
            arguments=tuple(numbers.items()),
            inputs=tuple(self.builder.inputs[index] for index in kept),
            nodes=nodes,
            result=first,
            names=tuple(self.builder.input_names[index] for index in kept),
            structural=decided,
            more=tuple(more),
            fields=() if "" in results else tuple(results),
        )
        derived: tuple[tuple[str, Formula], ...] = tuple((name, Named(name)) for name in numbers)
        inputs = tuple(self.inputs[index] for index in kept)
        call = BlockCall(renamed(body, self._names()))
        made = add(state.elaborator, call, inputs, body.output, builder, span, self.tag, derived)
        if isinstance(made, Bad) or not body.fields:
            return made
        return results_of_call(builder, made, span)

    def _names(self) -> dict[str, str]:
        """The names that steps have in a head by their own: a kind that occurs once has no number."""
        builder = self.builder
        once = {f"{kind}1": kind for kind, count in builder.counts.items() if count == 1}
        free = {name: kind for name, kind in once.items() if name in builder.automatic}
        return {name: kind for name, kind in free.items() if kind not in builder.names}

    def _numbers(self, nodes: tuple[Node, ...], decided: frozenset[str]) -> dict[str, int | float]:
        """The parameters of the model that numbers of the body were derived from, or that decided."""
        derived = [formula for node in nodes for _, formula in node.derived]
        named = {name for formula in derived for name in names_of(formula)} | decided
        own = {channels_name(name) for name in self.builder.input_names}
        numbers = self.state.settings.numbers
        return {name: numbers[name] for name in sorted(named - own) if name in numbers}
