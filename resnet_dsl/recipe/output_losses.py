"""What the outputs of a network are held against, and the figures of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.program import Program
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, Loss, WeightedLoss
from resnet_dsl.recipe.reader import RecipeReader, items_of, listed
from resnet_dsl.recipe.recipe import ImageData
from resnet_dsl.recipe.terms import POSITIVE
from resnet_dsl.recipe.vocabulary import LOSSES, METRICS
from resnet_dsl.syntax import ast

AUXILIARY_WEIGHT = 0.3
"""What the loss of an auxiliary output counts where a recipe does not say (Szegedy et al. 2014)."""

Fields = dict[str, ast.Field]


def output_losses(reader: RecipeReader, fields: Fields, program: Program | None) -> tuple[WeightedLoss, ...]:
    """Return the loss of each output that has one."""
    field = fields.get("loss")
    if field is not None and isinstance(field.value, ast.Record):
        return tuple(_by_output(reader, field.value, program))
    at = reader.recipe.name_at if field is None else field.value.span
    found = (1.0, CrossEntropy(0.0)) if field is None else _weighted(reader, field.value)
    if found is None or program is None:
        return ()
    weight, loss = found
    main, *others = program.cost.output
    if others:
        message = f"`{program.name}` has several outputs, {listed(program.cost.output)}: which has the loss?"
        reader.error("E0703", message, at, f"`loss: {{ {main}: {loss.written} }}`")
    auxiliary = (WeightedLoss(name, loss, weight * AUXILIARY_WEIGHT) for name in program.cost.auxiliary)
    return (WeightedLoss(main, loss, weight), *auxiliary)


def _weighted(reader: RecipeReader, value: ast.Expr) -> tuple[float, Loss] | None:
    """A loss, perhaps times a number."""
    while isinstance(value, ast.Group):
        value = value.value
    weight: float = 1.0
    if isinstance(value, ast.Binary) and value.operator == "*":
        left, right = value.left, value.right
        number, value = (left, right) if not _is_loss(left) else (right, left)
        given = reader.checked(number, POSITIVE, "the weight of a loss")
        if given is None:
            return None
        weight = given
    loss = reader.term(value, LOSSES)
    return None if loss is None else (weight, loss) if isinstance(loss, Loss) else None


def _is_loss(expr: ast.Expr) -> bool:
    callee = expr.callee if isinstance(expr, ast.Call) else expr
    return isinstance(callee, ast.Name) and callee.id in LOSSES.terms


def _by_output(reader: RecipeReader, record: ast.Record, program: Program | None) -> Iterator[WeightedLoss]:
    """The losses of a record, each for the output of its name."""
    outputs = () if program is None else (*program.cost.output, *program.cost.auxiliary)
    seen: dict[str, Span] = {}
    for item in record.fields:
        found = _weighted(reader, item.value)
        if item.name in seen:
            labels = (Label(seen[item.name], "the first"),)
            reader.error("E0208", f"`{item.name}` is given twice", item.name_at, "keep one", labels)
        elif program is not None and item.name not in outputs:
            message = f"`{program.name}` has no output `{item.name}`"
            reader.error("E0703", message, item.name_at, reader.suggest(item.name, outputs))
        elif found is not None:
            yield WeightedLoss(item.name, found[1], found[0])
        seen.setdefault(item.name, item.name_at)
    if program is None:
        return
    if not record.fields:
        reader.error("E0703", "no output has a loss", record.span, f"`loss: {LOSSES.example}`")
    for name in program.cost.auxiliary:
        if name not in seen and record.fields:
            message = f"the auxiliary output `{name}` has no loss: nothing would come of it"
            hint = f"`{name}: {AUXILIARY_WEIGHT} * cross_entropy`"
            reader.error("E0703", message, record.span, hint)


# --- classes -------------------------------------------------------------------------------------


def check_classes(
    reader: RecipeReader,
    fields: Fields,
    program: Program,
    losses: tuple[WeightedLoss, ...],
    data: ImageData | None,
) -> int:
    """Report outputs that do not tell classes; return how many those tell, 0 where it is not known.

    One number tells two classes apart, where its loss is binary.
    """
    shapes = {**program.cost.output, **program.cost.auxiliary}
    field = fields.get("loss")
    at = reader.recipe.name_at if field is None else field.value.span
    classes = 0
    for each in losses:
        shape = shapes[each.output]
        if len(shape) != 1:
            form = "x".join("…" if side is None else str(side) for side in shape)
            message = f"the output `{each.output}` is a map of {form}: a loss takes a number for each class"
            reader.error("E0703", message, at, "a head such as `gap -> fc(10)` makes them")
            return 0
        count = shape[0] or 0
        if count == 1 and not isinstance(each.loss, BinaryCrossEntropy):
            message = f"the output `{each.output}` is one number, and `{each.loss.kind}` takes one a class"
            reader.error("E0706", message, at, "`loss: binary_cross_entropy` tells two; so does `fc(2)`")
            return 0
        if classes and count != classes:
            message = f"`{losses[0].output}` has {classes} numbers, and `{each.output}` {count}"
            reader.error("E0706", message, at, "all outputs are held against the same labels")
        classes = classes or count
    classes = max(classes, 2) if classes else 0
    if data is not None and data.classes and classes and len(data.classes) != classes:
        message = f"`data` lists {len(data.classes)} classes, and `{program.name}` tells {classes}"
        hint = f"give the model as many, such as `{program.name}(classes={len(data.classes)})`"
        reader.error("E0706", message, fields["data"].value.span, hint)
    return classes


def metrics_of(reader: RecipeReader, fields: Fields, classes: int) -> tuple[str, ...]:
    """Return the figures of an evaluation."""
    if "evaluate" not in fields:
        return ("top1",)
    value = fields["evaluate"].value
    found: list[str] = []
    for item in items_of(value):
        name = item.id if isinstance(item, ast.Name) else ""
        if name not in METRICS:
            message = f"`evaluate` must be one of {listed(METRICS)}, or a list of them"
            hint = reader.elaborator.suggest(name, METRICS) if name else ""
            reader.error("E0204", message, item.span, hint)
        elif name in found:
            reader.error("E0208", f"`{name}` is listed twice", item.span, "keep one")
        elif classes and METRICS[name] >= classes:
            message = f"`{name}` of {classes} classes is always right"
            reader.error("E0706", message, item.span, "`top1`")
        else:
            found.append(name)
    if not items_of(value):
        reader.error("E0204", "`evaluate` lists nothing", value.span, "`top1`")
    return tuple(found)
