"""Blocks as functions: one for each structure, its steps as statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from resnet_dsl.backend.python_source import (
    Assignment,
    BlockClass,
    BlockStep,
    Call,
    Classes,
    ClassUse,
    Conditional,
    Expression,
    Lowering,
    Name,
    Operand,
    Statements,
    StepName,
    Unpacked,
    Written,
    changed,
    docstring,
    names,
    signature,
    statement,
)
from resnet_dsl.backend.python_source import Sequence as Several
from resnet_dsl.backend.records import dataclass, field
from resnet_dsl_keras.helpers import TENSOR, Helpers
from resnet_dsl_keras.layer_names import LayerNames
from resnet_dsl_keras.reserved_names import RESERVED
from resnet_dsl_keras.rules import KerasLowering
from resnet_dsl_keras.shared_layers import SharedLayers

FIRST = ("width", "channels")  # what a layer starts with goes unnamed
NAME = "name"  # what all layers of a block are called after

Namer = Callable[[str], Expression]


@dataclass(frozen=True)
class BlockFunction:
    """The function of a block: its text, the names in that, and the parameters of its class that it takes."""

    name: str
    text: str
    names: frozenset[str]
    takes: tuple[str, ...]


@dataclass(frozen=True)
class Functions:
    """The functions of a file, inner ones first, by the identity of their class."""

    helpers: Helpers
    found: dict[int, BlockFunction] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The names of the functions."""
        return frozenset(function.name for function in self.found.values())

    def call(self, use: ClassUse, operands: Sequence[Expression], name: Expression) -> Call:
        """Return the call for one use on operands."""
        function = self.found[id(use.target)]
        given = [(name, value) for name, value in use.arguments if name in function.takes]
        first = [value for _, value in takewhile(lambda argument: argument[0] in FIRST, given[:2])]
        named = (name,) if NAME in function.names else ()
        arguments = (operands[0], *named, *operands[1:], *first)
        return Call(Name(function.name), arguments, tuple(given[len(first) :]))

    def computing(
        self,
        steps: Sequence[BlockStep],
        results: Sequence[int],
        inputs: Sequence[str],
        named: Namer,
        reserved: frozenset[str] = frozenset(),
        given: Mapping[int, str] | None = None,
        later: int | None = None,
    ) -> Written:
        """Return the assignments of steps and the expressions of the results; `named` names their layers."""
        shared = SharedLayers.of(steps, RESERVED.union(self.names, reserved, inputs))

        def express(step: BlockStep, operands: list[Expression]) -> Expression:
            if step.shared is not None:
                return shared.applied(step, operands, named(step.name))
            return made(step, operands)

        def made(step: BlockStep, operands: Sequence[Expression]) -> Expression:
            if isinstance(step.what, ClassUse):
                made = self.call(step.what, operands, named(step.name))
                flag = step.what.flag
                return Conditional(made, Name(flag), operands[0]) if flag else made
            assert isinstance(step.what, Lowering)
            return placed(self.helpers.fitted(step.what.expression), operands, named(step.name))

        def unpack(step: BlockStep, operands: list[Expression]) -> Unpacked | None:
            parts = step.what.parts if isinstance(step.what, KerasLowering) else None
            if parts is None:
                return None
            return Unpacked(placed(parts.whole, operands, named(step.name)), parts.index, parts.count)

        def before(step: BlockStep, operands: list[Expression]) -> list[Assignment]:
            return shared.making(step, operands, made) if step.shared is not None else []

        taken = RESERVED.union(self.names, reserved, shared.variables)
        found = Statements(
            shared.steps,
            results,
            express,
            _is_arithmetic,
            taken,
            unpack=unpack,
            before=before,
            given=given or {},
            later=later,
        )
        return found.write(inputs)


def placed(tree: Expression, operands: Sequence[Expression], name: Expression) -> Expression:
    """Return a rule's expression with operands and the layer's name in their places."""

    def place(node: Expression) -> Expression | None:
        if isinstance(node, Operand):
            return operands[node.index]
        return name if isinstance(node, StepName) else None

    return changed(tree, place)


def _is_arithmetic(step: BlockStep) -> bool:
    """Whether a step may stand inside another: what is written with an operator, not as a layer."""
    return isinstance(step.what, KerasLowering) and not isinstance(step.what.expression, Call)


def functions_of(classes: Classes, helpers: Helpers, layer_names: LayerNames) -> Functions:
    """Return the functions of all blocks."""
    functions = Functions(helpers)
    for block in classes.classes:
        functions.found[id(block)] = _function(block, functions, layer_names)
    return functions


def _function(block: BlockClass, functions: Functions, layer_names: LayerNames) -> BlockFunction:
    """A block's function; parameters that only its helpers' lesser forms had use for are left out."""
    numbers = frozenset(parameter.name for parameter in block.parameters)
    lines, results, _ = functions.computing(
        block.steps, block.results, block.inputs, lambda step: layer_names.within(block, step), numbers
    )
    last = results[0] if len(results) == 1 else Several("()", tuple(results))
    returned = TENSOR if len(results) == 1 else f"tuple[{', '.join([TENSOR] * len(results))}]"
    used = names([last, *(line.value for line in lines)])
    takes = [parameter for parameter in block.parameters if parameter.name in used]
    tensors = [f"{tensor}: {TENSOR}" for tensor in block.inputs]
    named = [f"{NAME}: str"] if NAME in used else []
    parameters = [tensors[0], *named, *tensors[1:], *(f"{p.name}: {p.kind}" for p in takes)]
    text = [signature(f"def {block.name}", parameters, f" -> {returned}:", 0)]
    text += [f"    {docstring(block.doc, 4)}"] if block.doc else []
    text += [*(line.written(4) for line in lines), statement("return ", last, 4)]
    return BlockFunction(
        block.name, "\n".join(text), frozenset(used), tuple(parameter.name for parameter in takes)
    )


def function_name(definition: str, variant: str) -> str:
    """Return the author's name of a block, with what tells this one from others of that name."""
    apart = "_" if variant[:1].isalpha() else ""
    return f"{definition}{apart}{variant}".lower().removesuffix("_block") + "_block"
