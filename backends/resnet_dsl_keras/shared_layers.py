"""Layers that are applied more than once: made once, on an input of their own, as a function of Keras.

    tower_input = any_size(x)
    tower = keras.Function(tower_input, tower_block(tower_input, "tower"))
    near = tower.call(x)
    far = tower.call(y)

The layers of the function are those of the model: each is called at every application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count

from resnet_dsl.backend.ir import Network
from resnet_dsl.backend.python_source import (
    PYTHON,
    Assignment,
    Attribute,
    BlockStep,
    Call,
    Expression,
    Name,
    SharedUse,
    call,
    listed,
    shared_blocks,
)
from resnet_dsl.backend.records import dataclass, replace

Make = Callable[[BlockStep, Sequence[Expression]], Expression]


@dataclass(frozen=True)
class SharedLayers:
    """The steps of a body, and the variables of the functions that some of them apply, by step.

    A step in `waiting` takes the result of the application before it too, behind its own operands.
    """

    steps: tuple[BlockStep, ...]
    functions: dict[str, str]
    waiting: frozenset[str]

    @classmethod
    def of(cls, steps: Sequence[BlockStep], taken: Iterable[str]) -> SharedLayers:
        """Return the shared layers of steps, in variables that are not `taken`."""
        functions: dict[str, str] = {}
        used = set(taken)
        for step in steps:
            if step.shared is not None and step.owner is None:
                functions[step.name] = found = free_variable(step.name, used, len(step.inputs))
                used |= {found, *input_variables(found, len(step.inputs))}
        waiting, changed = set[str](), list(steps)
        last: dict[str, int] = {}
        for index, step in enumerate(steps):
            before = last.get(step.home)
            if step.shared is None:
                continue
            last[step.home] = index
            if before is not None and step.shared.statistics and not _follows(steps, index, before):
                changed[index] = replace(step, inputs=(*step.inputs, before))
                waiting.add(step.name)
        return cls(tuple(changed), functions, frozenset(waiting))

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the functions and their inputs."""
        inputs = {step.name: len(step.inputs) for step in self.steps}
        made = ((name, *input_variables(name, inputs[step])) for step, name in self.functions.items())
        return frozenset(chain.from_iterable(made))

    def making(self, step: BlockStep, operands: Sequence[Expression], make: Make) -> list[Assignment]:
        """Return the statements that make what a step is the first to apply."""
        assert step.shared is not None
        if step.owner is not None:
            return []
        variable = self.functions[step.name]
        return function_of(variable, operands, lambda given: make(step, given), step.shared)

    def applied(self, step: BlockStep, operands: Sequence[Expression], name: Expression) -> Expression:
        """Return the application of a step; `name` is for the layer that waits, if it needs one."""
        if step.name in self.waiting:
            *operands, after = operands
            operands[0] = call("in_order", operands[0], name, after)
        return application(self.functions[step.home], operands)


def _follows(steps: Sequence[BlockStep], index: int, before: int) -> bool:
    """Whether what a step takes was made of the result of a step before it."""
    made = {before}
    for each in range(before + 1, index):
        if made.intersection(steps[each].inputs):
            made.add(each)
    return not made.isdisjoint(steps[index].inputs[:1])


def free_variable(step: str, taken: Iterable[str], inputs: int = 1) -> str:
    """Return a variable for what a step applies, that is not taken, nor are those of its inputs."""
    plain = step.replace(".", "_")
    plain = f"step_{plain}" if plain[0].isdigit() else plain
    used = PYTHON.union(taken)
    tries = chain((plain, f"shared_{plain}"), (f"{plain}_{number}" for number in count(2)))
    return next(name for name in tries if used.isdisjoint((name, *input_variables(name, inputs))))


def input_variables(function: str, count: int) -> list[str]:
    """Return the variables of a function's inputs."""
    return [f"{function}_input{number if number > 1 else ''}" for number in range(1, count + 1)]


def function_of(
    variable: str,
    operands: Sequence[Expression],
    make: Callable[[Sequence[Expression]], Expression],
    use: SharedUse,
) -> list[Assignment]:
    """Return the statements that make layers as a function, on inputs like the operands."""
    given = [Name(name) for name in input_variables(variable, len(operands))]
    lines = []
    for own, operand in zip(given, operands, strict=True):
        like = call("any_size", operand) if use.resized else _same_size(operand)
        lines.append(Assignment((own.path,), like))
    inputs = given[0] if len(given) == 1 else listed(*given)
    return [*lines, Assignment((variable,), call("keras.Function", inputs, make(given)))]


def _same_size(operand: Expression) -> Call:
    settings = {name: Attribute(operand, name) for name in ("shape", "dtype")}
    return call("keras.Input", batch_shape=settings["shape"], dtype=settings["dtype"])


def application(variable: str, operands: Sequence[Expression]) -> Call:
    """Return the call of a function's layers on operands."""
    given = operands[0] if len(operands) == 1 else listed(*operands)
    return Call(Attribute(Name(variable), "call"), (given,))


def helper_calls(step: BlockStep) -> list[Expression]:
    """Return calls of the helpers that an application of a step may need."""
    if step.shared is None:
        return []
    x = Name("x")
    found: list[Expression] = [call("any_size", x)] if step.shared.resized else []
    return [*found, call("in_order", x, "name", x)] if step.shared.statistics else found


def blocks_calls(network: Network) -> list[Expression]:
    """Return the same for blocks of the stages."""
    resized = any(use.resized for use in shared_blocks(network).values())
    return [call("any_size", Name("x"))] if resized else []
