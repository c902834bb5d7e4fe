"""A random network from a seed: a text that compiles, whatever of the language and the catalogue is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from fuzz.random_block import LABELS, Drawing, draw_block
from fuzz.sketch import (
    BlockSketch,
    Expression,
    Literal,
    Misfit,
    Pipe,
    Workshop,
    block_text,
    expression_text,
    literal,
    values_of,
)  # fmt: skip
from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size

MOST_OPS = 18
STAGES = ("early", "late", "middle", "stage_a", "deep")
EXTENTS = (5, 6, 7, 8, 9, 10, 11, 12)
BY_DEFAULT = (
    "width",
    "stride",
)  # what the library's model has a value for: a text that means another says it


@dataclass(frozen=True)
class RandomNetwork:
    """A text, and the sizes of input that it is to be run at."""

    seed: int
    text: str
    sizes: tuple[tuple[int, ...], ...]


def random_network(seed: int) -> RandomNetwork:
    """Return the network of a seed."""
    chance = Random(seed)
    while True:
        try:
            return _Model(chance).drawn(seed)
        except Misfit:
            continue


class _Model:
    """A model while it is drawn: its fields, and the shape so far."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.fields: list[str] = []
        self.names: list[str] = []  # of constants and parameters, with their values
        self.parts: dict[str, tuple[Shape, int]] = {}  # shape and count of learned tensors
        self.pending: list[tuple[Shape, int]] = []  # blocks whose stage has no name yet
        self.labels = chance.sample(LABELS, len(LABELS))
        self.shop, self.x = self._input()
        self.whole = self.x  # what the model takes

    def drawn(self, seed: int) -> RandomNetwork:
        """Draw the parts in order; raises Misfit if they do not come to a network."""
        if self.chance.random() < 0.3:
            self._helper()
        self._stem()
        for _ in range(self.chance.choice((0, 0, 1))):
            self._helper()
        self._stages()
        self._head()
        if not self.parts or not 1 <= self.shop.ops <= MOST_OPS:
            raise Misfit("too few ops, or too many")
        self._outputs()
        fields = list(self.fields)
        self.chance.shuffle(fields)
        constants = [f"const {name}\n" for name in self.names if name.startswith("c_")]
        own = ", ".join(name for name in self.names if not name.startswith("c_"))
        declarations = [*constants, *(block_text(block) for block in self.shop.blocks.values())]
        body = "".join(f"    {line}\n" for line in fields)
        models = [f"model net{f'({own})' if own else ''} {{\n{body}}}\n"]
        models += ["model row = net\n"] if self.chance.random() < 0.2 else []
        text = "\n".join([*declarations, *models])
        return RandomNetwork(seed, text, self.shop.sizes)

    def _input(self) -> tuple[Workshop, Shape]:
        channels, form = self.chance.choice((1, 2, 3, 4, 6)), self.chance.random()
        if form < 0.08:
            self.fields.append(f"input: {channels + 2}")
            return Workshop(Extent(), ((),)), Shape(channels + 2)
        shape = Shape(channels, (Size("H"), Size("W")))
        height, width = (self.chance.choice(EXTENTS) for _ in range(2))
        if form < 0.45:
            self.fields.append(f"input: {channels}xHxW")
            other = self.chance.choice(EXTENTS), self.chance.choice(EXTENTS)
            return Workshop(Extent(), ((height, width), other)), shape
        self.fields.append(f"input: {channels}x{height}x{width}")
        return Workshop(Extent(height, width), ((height, width),)), shape

    # --- blocks ---

    def _helper(self) -> None:
        """A block that other blocks, stem and head may use."""
        skip = self.x if self.chance.random() < 0.4 else None
        self._block(f"helper{len(self.shop.blocks)}", skip)

    def _block(self, name: str, skip: Shape | None = None) -> BlockSketch:
        block = draw_block(self.chance, self.shop, name, self.x, skip)
        self.shop.blocks[name] = block
        return block

    # --- parts ---

    def _part(self, values: dict[str, Shape], joins: bool) -> tuple[str, Shape]:
        """The text of a stem or head, and its shape."""
        drawing = Drawing(self.chance, self.shop, values, [], False, self.labels)
        ways = (lambda: drawing.pipe("x"),) * 2 + ((drawing.join, drawing.use_with_tensor) if joins else ())
        expression: Expression = drawing.pick(*ways)
        if "x" not in values_of(expression):
            raise Misfit("what comes before would be of no use")
        shape = self.shop.shape(expression, values, {})
        text = expression_text(expression)
        short = (
            isinstance(expression, Pipe) and not expression.uses[0].operands and self.chance.random() < 0.5
        )
        return text.removeprefix("x -> ") if short else text, shape

    def _stem(self) -> None:
        if self.chance.random() < 0.25:
            self.fields.append("stem: none")
            return
        text, self.x = self._part({"x": self.x}, joins=False)
        self.fields.append(f"stem: {text}")
        if self.shop.ops:
            self.parts["stem"] = self.x, self.shop.tensors

    def _head(self) -> None:
        if self.chance.random() < 0.35:
            self.fields.append("head: none")
            return
        before, ops = self.shop.tensors, self.shop.ops
        features = {name: shape for name, (shape, _) in self.parts.items() if "." not in name}
        if self.chance.random() < 0.3:
            features["input"] = self.whole
        text, x = self._part({"x": self.x, **features}, joins=True)
        if self.chance.random() < 0.25:  # a record: a pipeline for each field, the first of them from `x`
            other, _ = self._part({"x": self.x}, joins=False)
            text = f"{{ kind: {text}  box: {other} }}"
        self.x = x
        self.fields.append(f"head: {text}")
        if self.shop.ops > ops:
            self.parts["head"] = self.x, self.shop.tensors - before

    def _stages(self) -> None:
        count = self.chance.choice((0, 1, 1, 1, 2, 2))
        if not count:
            self.fields.append("stages: []")
        elif self.chance.random() < 0.5:
            self._stages_of_counts(count)
        else:
            self._stages_written_out(count)

    def _stages_of_counts(self, count: int) -> None:
        """`stages: [1, 2]  block: own`: what the block is given stands in fields."""
        block = self._block("own")
        repeats = [self.chance.choice((1, 1, 2)) for _ in range(count)]
        own = Drawing(self.chance, self.shop, {}, [], False, [])
        given: list[dict[str, Literal]] = [{} for _ in range(count)]
        for p in block.parameters:
            if p.value is None or (p.optional and p.name not in BY_DEFAULT and self.chance.random() < 0.4):
                continue
            varied = self.chance.random() < 0.5
            values = (
                [own.another_value(p) for _ in range(count)] if varied else [own.another_value(p)] * count
            )
            # A list in a field has an item a stage, so that a value which is one stands in another.
            varied |= any(literal(value).startswith("[") for value in values)
            for stage, value in zip(given, values, strict=True):
                stage[p.name] = value
            text = (
                f"[{', '.join(map(literal, values))}]"
                if varied
                else self._named(values[0], p.rule is not None)
            )
            plural = varied and p.name not in BY_DEFAULT and not isinstance(p.value, Symbol)
            if varied and p.rule is not None and not isinstance(p.value, Symbol):
                text = self._by_stage(text)
            self.fields.append(f"{p.name}{'s' if plural else ''}: {text}")
        names, items = [], []
        for index, repeat in enumerate(repeats):
            names.append(f"layer{index + 1}")
            items.append(str(repeat))
            if self.chance.random() < 0.2:
                names[-1] = self._stage_name(names)
                items[-1] = f"{names[-1]}: {repeat}"
            self._stage(names[-1], [(block, given[index])] * repeat)
        self.fields += [f"stages: [{', '.join(items)}]", f"block: {block.name}"]

    def _by_stage(self, values: str) -> str:
        """A list of values, at times as a constant of which each stage takes its item."""
        if self.chance.random() < 0.6:
            return values
        name = f"{self.chance.choice(('c_', 'p_'))}{len(self.names)}"
        self.names.append(f"{name} = {values}")
        return f"{name}[{self.chance.choice(('stage', 'stage', 'floor(log2(2 ** stage))'))}]"

    def _named(self, value: Literal, plain: bool) -> str:
        """A value, at times as a constant or as a parameter of the model."""
        if not plain or isinstance(value, Symbol) or self.chance.random() < 0.5:
            return literal(value)
        name = f"{self.chance.choice(('c_', 'p_'))}{len(self.names)}"
        self.names.append(f"{name} = {literal(value)}")
        return name

    def _stages_written_out(self, count: int) -> None:
        """`stages: [2 * own(4), [own, other]]`: what each block is given stands with it."""
        names: list[str] = []
        items: list[str] = []
        for index in range(count):
            names.append(f"layer{index + 1}")
            uses: list[tuple[BlockSketch, dict[str, Literal]]] = []
            texts = []
            for _ in range(self.chance.choice((1, 1, 2))):
                block, given, repeat = self._written_use()
                uses += [(block, given)] * repeat
                call = ", ".join(f"{name}={literal(value)}" for name, value in given.items())
                text = f"{block.name}{f'({call})' if call else ''}"
                before, first = self.x, len(self.pending) + 1
                self._stage("", [(block, given)] * repeat)
                if repeat > 1 and self.x == before and self.chance.random() < 0.5:
                    text = f"share({text})"
                    self.pending[first:] = [(x, 0) for x, _ in self.pending[first:]]
                texts.append(f"{f'{repeat} * ' if repeat > 1 else ''}{text}")
            item = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            if self.chance.random() < 0.2:
                names[-1] = self._stage_name(names)
                item = f"{names[-1]}: {item}"
            items.append(item)
            self._number(names[-1], len(uses))
        self.fields.append(f"stages: [{', '.join(items)}]")

    def _written_use(self) -> tuple[BlockSketch, dict[str, Literal], int]:
        own = [block for name, block in self.shop.blocks.items() if name.startswith("own")]
        again = own and self.chance.random() < 0.4
        block = self.chance.choice(own) if again else self._block(f"own{len(self.shop.blocks)}")
        drawing = Drawing(self.chance, self.shop, {}, [], False, [])
        given = {
            p.name: drawing.another_value(p)
            for p in block.parameters
            if not p.is_tensor and (not p.optional or p.name in BY_DEFAULT or self.chance.random() < 0.5)
        }
        return block, given, self.chance.choice((1, 1, 2))

    def _stage_name(self, names: Sequence[str]) -> str:
        return self.chance.choice([name for name in STAGES if name not in names])

    def _stage(self, name: str, blocks: Sequence[tuple[BlockSketch, dict[str, Literal]]]) -> None:
        """Apply the blocks of a stage to what is there; without a name they are numbered later."""
        for block, given in blocks:
            ops, tensors = self.shop.ops, self.shop.tensors
            self.x = self.shop.applied(block, given, self.x)
            if self.shop.ops == ops:
                raise Misfit("a block that does nothing")
            self.pending.append((self.x, self.shop.tensors - tensors))
        if name:
            self._number(name, len(blocks))

    def _number(self, name: str, count: int) -> None:
        blocks, self.pending = self.pending[-count:], []
        for index, found in enumerate(blocks):
            self.parts[f"{name}.{index}"] = found
        self.parts[name] = blocks[-1][0], sum(tensors for _, tensors in blocks)

    # --- what the model returns and trains ---

    def _outputs(self) -> None:
        form, names = self.chance.random(), list(self.parts)
        if form < 0.25:
            chosen = set(self.chance.sample(names, min(len(names), self.chance.choice((1, 2, 3)))))
            self.fields.append(f"outputs: [{', '.join(name for name in names if name in chosen)}]")
        elif form < 0.45:
            trained = [name for name in names if self.parts[name][1]]
            if trained:
                frozen = self.chance.sample(trained, min(len(trained), self.chance.choice((1, 1, 2))))
                norms = ["norms"] * (self.chance.random() < 0.3)  # where there is none, that is a warning
                self.fields.append(f"freeze: [{', '.join([*frozen, *norms])}]")


if __name__ == "__main__":
    import sys

    for number in map(int, sys.argv[1:]):
        print(random_network(number).text)
