"""Blocks as classes: one for each structure, a plain chain of modules as a Sequential."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from collections.abc import Sequence as Several
from itertools import takewhile

from resnet_dsl.backend.ir import FurtherResult, ops
from resnet_dsl.backend.python_source import (
    WIDTH,
    Assignment,
    Attribute,
    Binary,
    BlockClass,
    BlockStep,
    Call,
    ClassParameter,
    ClassUse,
    Conditional,
    Expression,
    Kept,
    Literal,
    Lowering,
    Name,
    Operand,
    Sequence,
    Statements,
    Subscript,
    Unpacked,
    Written,
    call,
    changed,
    docstring,
    made_of,
    names,
    signature,
    statement,
    text,
    walk,
)
from resnet_dsl.backend.records import dataclass, replace
from resnet_dsl_torch.helpers import HELPERS
from resnet_dsl_torch.reserved_names import RESERVED
from resnet_dsl_torch.rules import TorchLowering

MAX_GAP = 8  # numbers left out in a chain become modules that do nothing
TYPED = ("F.", "torch.")
SELF = Name("self")
FIRST = ("in_channels", "width", "channels")  # what every layer starts with goes unnamed


@dataclass(frozen=True)
class ClassText:
    """A class as the template places it, and the names that it uses."""

    name: str
    parent: str
    doc: str
    init: str
    forward: str


def attribute(owner: Expression, name: str) -> Expression:
    """Return the expression of a submodule; one whose name is a number is no attribute in source."""
    return Attribute(owner, name) if name.isidentifier() else call("getattr", owner, name)


def class_text(block: BlockClass) -> ClassText:
    """Return the text of a block's class."""
    doc = docstring(block.doc or _made_of(block), 4)
    parameters = [f"{p.name}: {p.kind}" for p in block.parameters]
    opening = signature("def __init__", ["self", *parameters], " -> None:", 4)
    if (chain := _as_sequence(block)) is not None:
        init = statement("", Call(Name("super().__init__"), tuple(chain)), 8)
        return ClassText(block.name, "nn.Sequential", doc, f"{opening}\n{init}", "")
    listed = _as_list(block)
    steps = in_methods(block.steps, block.parameters)
    lines, results, _ = computing(steps, block.results, block.inputs, indexed=listed is not None)
    last = results[0] if len(results) == 1 else Sequence("()", tuple(results))
    tensors = ", ".join(["torch.Tensor"] * len(block.results))
    returned = " -> torch.Tensor:" if len(block.results) == 1 else f" -> tuple[{tensors}]:"
    takes = signature(
        "def forward", ["self", *(f"{name}: torch.Tensor" for name in block.inputs)], returned, 4
    )
    forward = "\n".join([takes, *(line.written(8) for line in lines), *returning(last, lines, block.inputs)])
    made = [] if listed is None else [Sequence("[]", tuple(listed))]
    kept = [*stored(block.parameters, [last, *(line.value for line in lines)])]
    kept += [] if listed is not None else keeping(block.steps)
    inits = [opening, statement("", Call(Name("super().__init__"), tuple(made)), 8), *kept]
    init = "\n".join(inits) if made or kept or parameters else ""
    return ClassText(block.name, "nn.Module" if listed is None else "nn.ModuleList", doc, init, forward)


def _made_of(block: BlockClass) -> str:
    """What a class says that the author says nothing of."""
    is_chain = all(step.inputs == (index - 1,) for index, step in enumerate(block.steps))
    kinds = [step.kind for step in block.steps if not isinstance(step.what, FurtherResult)]
    return made_of(block.definition, kinds, is_chain)


def _as_sequence(block: BlockClass) -> list[Expression] | None:
    """The modules of a class that is a plain chain under the names 0, 1, …, else None.

    A step without tensors, such as an activation, has no name that matters: it takes the number
    that the steps around it leave free.
    """
    if len(block.inputs) > 1 or block.results != (len(block.steps) - 1,):
        return None
    if any(step.owner is not None for step in block.steps):
        return None
    modules: list[Expression] = []
    for index, step in enumerate(block.steps):
        alone = _module_alone(step.what)
        if alone is None or step.inputs != ((index - 1,) if index else (-1,)):
            return None
        if isinstance(step.what, TorchLowering) and step.what.module is None and not step.name.isdigit():
            modules.append(alone)
            continue
        gap = (
            int(step.name) - len(modules) if step.name.isdigit() and str(int(step.name)) == step.name else -1
        )
        if not 0 <= gap <= MAX_GAP:
            return None
        modules += [*[call("nn.Identity")] * gap, alone]
    return modules if any(step.name.isdigit() for step in block.steps) else None


def _as_list(block: BlockClass) -> list[Expression] | None:
    """The modules of a class that keeps nothing but 0, 1, …, used in another order than one by one."""
    modules: list[Expression] = []
    for step in block.steps:
        if step.owner is not None or (isinstance(step.what, TorchLowering) and step.what.module is None):
            continue
        if isinstance(step.what, FurtherResult):
            continue
        made = step.what.module if isinstance(step.what, TorchLowering) else _without_flag(step.what)
        if made is None or step.name != str(len(modules)):
            return None
        modules.append(made)
    return modules or None


def _module_alone(what: Lowering | ClassUse | FurtherResult) -> Expression | None:
    """The module that is a step of a chain by itself; None for a step that has none."""
    if isinstance(what, FurtherResult):
        return None
    return what.alone if isinstance(what, TorchLowering) else _without_flag(what)


def _without_flag(use: Lowering | ClassUse) -> Expression | None:
    return construct(use) if isinstance(use, ClassUse) and use.flag is None else None


# --- the constructor ---------------------------------------------------------------------------


def in_methods(steps: Several[BlockStep], parameters: Iterable[ClassParameter]) -> tuple[BlockStep, ...]:
    """Return steps as a method writes them, where the constructor's parameters are attributes."""
    own = {parameter.name for parameter in parameters}

    def owned(tree: Expression) -> Expression | None:
        return Attribute(SELF, tree.path) if isinstance(tree, Name) and tree.path in own else None

    return tuple(
        replace(s, what=s.what.changed(owned)) if isinstance(s.what, TorchLowering) else s for s in steps
    )


def stored(parameters: Iterable[ClassParameter], trees: Iterable[Expression]) -> Iterator[str]:
    """Yield the lines that keep those parameters which a method uses."""
    used = {
        node.name
        for tree in trees
        for node in walk(tree)
        if isinstance(node, Attribute) and node.value == SELF
    }
    yield from (
        f"        self.{p.name} = {p.name}" for p in parameters if p.name in used and p.kind != "bool"
    )


def keeping(steps: Several[BlockStep], indent: int = 8) -> Iterator[str]:
    """Yield the lines of `__init__` that make what the steps keep; what is applied again is there."""
    for step in steps:
        if step.owner is not None:
            continue
        if isinstance(step.what, ClassUse):
            yield from _keep_use(step.name, step.what, indent)
        elif isinstance(step.what, TorchLowering) and step.what.module is not None:
            yield keep(step.name, step.what.module, indent)


def keep(name: str, made: Expression, indent: int) -> str:
    """Return the statement that makes something the attribute `name`."""
    if name.isidentifier():
        return statement(f"self.{name} = ", made, indent)
    return statement("", call("self.add_module", name, made), indent)


def _keep_use(name: str, use: ClassUse, indent: int) -> Iterator[str]:
    """A block; one with a flag is only there where the flag is true."""
    made, nothing = construct(use), call("nn.Identity")
    if use.flag is None:
        yield keep(name, made, indent)
        return
    choice = Conditional(made, Name(use.flag), nothing)
    if name.isidentifier() and len(f"{' ' * (indent + 4)}{text(choice)}") <= WIDTH:
        yield keep(name, choice, indent)
        return
    kind = ": nn.Module" if name.isidentifier() else ""
    yield keep(name, nothing, indent).replace(" =", f"{kind} =", 1)
    yield f"{' ' * indent}if {use.flag}:"
    yield keep(name, made, indent + 4)


def construct(use: ClassUse) -> Call:
    """Return the call that makes a class for one use; what every layer starts with goes unnamed."""
    first = tuple(takewhile(lambda argument: argument[0] in FIRST, use.arguments[:2]))
    plain = tuple(value for _, value in first)
    return Call(Name(use.target.name), plain, use.arguments[len(first) :])


# --- forward -----------------------------------------------------------------------------------


def computing(
    steps: Several[BlockStep],
    results: Several[int],
    inputs: Several[str],
    reserved: frozenset[str] = frozenset(),
    indexed: bool = False,
    given: Mapping[int, str] | None = None,
    later: int | None = None,
    dropped: frozenset[str] = frozenset(),
) -> Written:
    """Return the assignments of `forward` and the expressions of the results; some names are `given`.

    With `indexed` the modules are those of a list and not attributes. Inputs that are `dropped` are held by
    nothing but `forward` itself.
    """
    express = _express_indexed if indexed else _express
    taken = RESERVED | reserved
    names = given or {}
    found = Statements(
        steps,
        results,
        express,
        _inline,
        taken,
        unpack=_unpacked,
        given=names,
        later=later,
        makes=_makes_a_map,
        dropped=dropped,
    )
    return found.write(inputs)


def returning(last: Expression, lines: Several[Assignment], inputs: Iterable[str] = ("x",)) -> list[str]:
    """Return the end of `forward`; a type checker knows what torch's functions give, modules not."""
    declared = frozenset(inputs)
    tensors = set(declared)
    for line in lines:  # any other variable has the type of what it was given last
        typed = len(line.targets) == 1 and _is_typed(line.value, tensors)
        tensors = tensors | set(line.targets) if typed else tensors - set(line.targets) | declared
    if isinstance(last, Sequence) or _is_typed(last, tensors):
        return [statement("return ", last, 8)]
    used = {target for line in lines for target in line.targets} | names([last])
    name = next(n for n in ("out", "result", "out2") if n not in used)
    return [statement(f"{name}: torch.Tensor = ", last, 8), f"        return {name}"]


def _is_typed(tree: Expression, tensors: Set[str]) -> bool:
    """Whether a type checker knows that the expression is a tensor, given the variables that are."""
    match tree:
        case Name():
            return tree.path in tensors
        case Binary():
            return _is_typed(tree.left, tensors)
        case Call(Name() as callee):
            return callee.path.startswith(TYPED) or callee.path in HELPERS
        case _:
            return False


def _express(step: BlockStep, operands: list[Expression]) -> Expression:
    return _applied(step, operands, attribute(SELF, step.home))


def _express_indexed(step: BlockStep, operands: list[Expression]) -> Expression:
    kept = step.home.isdigit()
    return _applied(step, operands, Subscript(SELF, (Literal(int(step.home)),)) if kept else SELF)


def _applied(step: BlockStep, operands: list[Expression], module: Expression) -> Expression:
    if not isinstance(step.what, TorchLowering):
        return Call(module, tuple(operands))
    return _placed(step.what.expression, operands, module)


def _placed(tree: Expression, operands: Several[Expression], module: Expression) -> Expression:
    def place(node: Expression) -> Expression | None:
        if isinstance(node, Operand):
            return operands[node.index]
        return module if isinstance(node, Kept) else None

    return changed(tree, place)


def _inline(step: BlockStep) -> bool:
    return not step.is_activation


def _makes_a_map(step: BlockStep) -> bool:
    """Whether the step takes memory for a map: no vector or pixel, nothing in place, no view."""
    op, shape = step.node.what, step.node.shape
    in_place = isinstance(step.what, TorchLowering) and step.what.in_place
    view = isinstance(op, ops.Op) and op.within
    return not (shape.is_vector or shape.is_pixel or in_place or view)


def _unpacked(step: BlockStep, operands: list[Expression]) -> Unpacked | None:
    """One of the parts that `chunk` gives at once, if which one is the same in every use."""
    tree = step.what.expression if isinstance(step.what, TorchLowering) else None
    match tree:
        case Subscript(
            Call(Attribute(Operand(), "chunk"), (Literal(int() as count, None),)) as whole,
            (Literal(int() as index, None),),
        ):
            return Unpacked(_placed(whole, operands, Kept()), index, count)
        case _:
            return None
