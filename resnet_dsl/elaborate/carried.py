"""Tensors within values: a block that was given one, and is handed on, takes it along into another body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, count

from resnet_dsl.elaborate.records import tensors_of
from resnet_dsl.elaborate.values import Definition, Function, Record, Repeat, Staged, Tensor, Value
from resnet_dsl.ir.arguments import Dims
from resnet_dsl.records import replace


class Carried:
    """Arguments as a body of its own sees them, the tensors within them being further inputs of it.

    `inputs` has those tensors as they are outside, by the name of the input, behind the block's own
    input and the `direct` ones, which are arguments themselves. Where the block's input is a record, its
    first field, `first`, stands for it, and the others are such inputs. `input` is what the body sees as `x`.
    """

    def __init__(self, definition: Definition, given: Mapping[str, Value], x: Tensor | Record) -> None:
        self.direct = [value for value in given.values() if isinstance(value, Tensor)]
        self.inputs: dict[str, Tensor] = {}
        self.taken = {"x", *(parameter.name for parameter in definition.block.parameters)}
        fields = tensors_of(x) if isinstance(x, Record) else {"": x}
        self.first = next(iter(fields.values()))
        seen = {name: self._field(name, tensor) for name, tensor in fields.items()}
        self.input = Record(seen.items()) if isinstance(x, Record) else seen[""]
        self.given = {
            name: value if isinstance(value, Tensor) else self._within(value, name)
            for name, value in given.items()
        }

    def _field(self, name: str, tensor: Tensor) -> Tensor:
        """What a field of the block's input is in the body."""
        if tensor == self.first:
            return Tensor(-1, tensor.shape, "the block's input")
        return self._input(tensor, "x", (f"x_{name}",))

    def _within(self, value: Value, name: str) -> Value:
        """The value with each tensor in it as the input of the body that it becomes."""
        match value:
            case Tensor():
                return self._input(value, name)
            case Function():
                bound = tuple((inner, self._within(item, name)) for inner, item in value.bound)
                return replace(value, bound=bound)
            case Staged():
                return replace(value, value=self._within(value.value, name))
            case Repeat():
                function = self._within(value.function, name)
                assert isinstance(function, Function)
                return replace(value, function=function)
            case Record():
                return value.changed(lambda item: self._within(item, name))
            case tuple() if not isinstance(value, Dims):
                items = tuple(self._within(item, name) for item in value)
                return value if items == value else items
            case _:
                return value

    def _input(self, tensor: Tensor, name: str, wanted: Iterable[str] = ()) -> Tensor:
        known = next((known for known, other in self.inputs.items() if other == tensor), None)
        if known is None:
            tries = chain(wanted, (f"{name}_{number}" for number in count(1)))
            known = next(each for each in tries if each not in self.taken and each not in self.inputs)
            self.inputs[known] = tensor
        place = 1 + len(self.direct) + list(self.inputs).index(known)
        return Tensor(-1 - place, tensor.shape, f"what `{name}` was given")
