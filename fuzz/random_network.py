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
HEADS = ("kind", "box", "mask")
EXTENTS = (5, 6, 7, 8, 9, 10, 11, 12)
BY_DEFAULT = (
    "width",
    "stride",
)  # what the library's model has a value for: a text that means another says it


Given = dict[str, Literal]


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
        self.features: dict[str, Shape] = {}  # what later parts may take: results and fields of them
        self.read: set[str] = set()  # of these, what some part does take
        self.record: tuple[str, ...] = ()  # the fields of what was made last, if it is a record
        self.results: list[str] = []  # the fields of the head
        self.last: tuple[Shape, ...] = ()  # what the last block returns
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
        skip = self.x if self.chance.random() < 0.3 else None
        results = self.chance.choice((1, 1, 2)) if skip is None else 1
        self._block(f"helper{len(self.shop.blocks)}", skip, results)

    def _block(self, name: str, skip: Shape | None = None, results: int = 1) -> BlockSketch:
        block = draw_block(self.chance, self.shop, name, self.x, skip, results)
        self.shop.blocks[name] = block
        return block

    # --- parts ---

    def _part(self, values: dict[str, Shape], joins: bool) -> tuple[str, Shape]:
        """The text of a stem or head, and its shape."""
        drawing = Drawing(self.chance, self.shop, values, [], False, self.labels)
        ways = (lambda: drawing.pipe(next(iter(values))),) * 2
        expression: Expression = drawing.pick(*ways, *((drawing.join, drawing.use_with_tensor) * joins))
        if next(iter(values)) not in values_of(expression):
            raise Misfit("what comes before would be of no use")
        shape = self.shop.shape(expression, values, {})
        self.read |= values_of(expression)
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
            self.features["stem"] = self.x

    def _head(self) -> None:
        if self.chance.random() < 0.3:
            self.fields.append("head: none")
            return
        before, ops, last = self.shop.tensors, self.shop.ops, self._last()
        form = self.chance.random()
        if form < 0.4:
            text = self._head_of_fields(last)
        elif form < 0.5 and (found := self._branches(last)) is not None:
            text, fields = found
            self.results = list(fields)
        else:
            whole = {"input": self.whole} if self.chance.random() < 0.3 else {}
            text, self.x = self._part({**last, **self.features, **whole}, joins=True)
        self.fields.append(f"head: {text}")
        if self.shop.ops > ops:
            self.parts["head"] = self.x, self.shop.tensors - before

    def _last(self) -> dict[str, Shape]:
        """What a head starts from: `x`, or a field of the record before it."""
        if not self.record:
            return {"x": self.x}
        field = self.chance.choice(self.record)
        return {field: self.features[field]}

    def _branches(self, last: dict[str, Shape]) -> tuple[str, dict[str, Shape]] | None:
        """A block in a head that returns a record, as text, and the shapes of its fields."""
        drawing = Drawing(self.chance, self.shop, last, [], False, self.labels)
        try:
            found = drawing.branches()
        except Misfit:
            return None
        shapes = self.shop.values("", found, last, {})
        self.read |= values_of(found)
        return expression_text(found), {name.removeprefix("."): shape for name, shape in shapes.items()}

    def _head_of_fields(self, last: dict[str, Shape]) -> str:
        """A record: a pipeline for each field, from what is before the head or from an earlier part."""
        texts = []
        for name in self.chance.choice((HEADS[:2], HEADS[:3])):
            tensors = self.shop.tensors
            labels, self.labels = self.labels, self.chance.sample(LABELS, len(LABELS))  # a level of its own
            pair = self._branches(last) if self.chance.random() < 0.2 else None
            if pair is not None:
                text, fields = pair
                self.results += [f"{name}.{field}" for field in fields]
            else:
                far = self.features and self.chance.random() < 0.4
                start = self.chance.choice(list(self.features)) if far else next(iter(last))
                values = {start: {**self.features, **last}[start], **last, **self.features}
                text, self.x = self._part(values, joins=not self.results)
                self.results.append(name)
            self.labels = labels
            texts.append(f"{name}: {text}")
            self.parts[name] = self.x, self.shop.tensors - tensors
        return f"{{ {'  '.join(texts)} }}"

    def _stages(self) -> None:
        count = self.chance.choice((0, 1, 1, 1, 2, 2, 3))
        if not count:
            self.fields.append("stages: []")
        elif self.chance.random() < 0.5:
            self._stages_of_counts(count)
        else:
            self._stages_written_out(count)

    def _stages_of_counts(self, count: int) -> None:
        """`stages: [1, 2]  block: own`: what the block is given stands in fields."""
        skip = self.x if "stem" in self.features and self.chance.random() < 0.3 else None
        block = self._block("own", skip)
        repeats = [self.chance.choice((1, 1, 2)) for _ in range(count)]
        own = Drawing(self.chance, self.shop, {}, [], False, [])
        given: list[Given] = [{} for _ in range(count)]
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
        names, items, taken = [], [], []
        for index, repeat in enumerate(repeats):
            taken += [self._skip() for _ in block.takes]
            names.append(f"layer{index + 1}")
            items.append(str(repeat))
            if self.chance.random() < 0.2:
                names[-1] = self._stage_name(names)
                items[-1] = f"{names[-1]}: {repeat}"
            self._stage([(block, given[index], taken[-1:])] * repeat)
            self._number(names[-1], repeat)
        if taken:
            same = len(set(taken)) == 1 and self.chance.random() < 0.5
            self.fields.append(f"skip: {taken[0]}" if same else f"skips: [{', '.join(taken)}]")
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
            start = self._start()
            texts, total, last = [], 0, None
            for _ in range(self.chance.choice((1, 1, 2))):
                block, given, taken, repeat = self._written_use(bool(total))
                texts.append(self._run(block, given, taken, repeat, bool(start)))
                total, last = total + repeat, block
                if block.fields:
                    break
            item = " -> ".join((start, *texts)) if start else f"[{', '.join(texts)}]"
            item = texts[0] if len(texts) == 1 and not start else item
            if self.chance.random() < 0.2:
                names[-1] = self._stage_name(names)
                item = f"{names[-1]}: {item}"
            items.append(item)
            self._number(names[-1], total, last)
        self.fields.append(f"stages: [{', '.join(items)}]")

    def _start(self) -> str:
        """The earlier part that a stage starts from, if not from that before; behind a record it has to."""
        if not self.features or not (self.record or self.chance.random() < 0.4):
            return ""
        start = self.chance.choice(list(self.features))
        self.x, self.record = self.features[start], ()
        self.read.add(start)
        return start

    def _run(self, block: BlockSketch, given: Given, taken: Sequence[str], repeat: int, inner: bool) -> str:
        """Blocks in a row, put to use; the text of them, in parentheses where it stands in a pipeline."""
        before, first = self.x, len(self.pending) + 1
        self._stage([(block, given, taken)] * repeat)
        operands = zip(block.takes, taken, strict=True)
        arguments = [*(f"{name}={literal(value)}" for name, value in given.items())]
        arguments += [f"{name}={part}" for name, part in operands]
        text = f"{block.name}({', '.join(arguments)})" if arguments else block.name
        if repeat > 1 and self.x == before and self.chance.random() < 0.5:
            text = f"share({text})"
            self.pending[first:] = [(x, 0) for x, _ in self.pending[first:]]
        if repeat == 1:
            return text
        return f"({repeat} * {text})" if inner else f"{repeat} * {text}"

    def _skip(self) -> str:
        """An earlier part for a block that takes one."""
        part = self.chance.choice(list(self.features))
        self.read.add(part)
        return part

    def _written_use(self, behind: bool) -> tuple[BlockSketch, Given, list[str], int]:
        own = [block for name, block in self.shop.blocks.items() if name.startswith("own")]
        again = own and self.chance.random() < 0.4
        part = self.chance.choice(list(self.features)) if self.features and self.chance.random() < 0.3 else ""
        skip = self.features[part] if part else None
        results = self.chance.choice((1, 1, 1, 1, 2, 3))
        name = f"own{len(self.shop.blocks)}"
        block = self.chance.choice(own) if again else self._block(name, skip, results)
        if block.takes and not self.features:
            raise Misfit("no part is there")
        taken = [self._skip() if again else part for _ in block.takes]
        self.read |= set(taken)
        drawing = Drawing(self.chance, self.shop, {}, [], False, [])
        given = {
            p.name: drawing.another_value(p)
            for p in block.parameters
            if not p.is_tensor and (not p.optional or p.name in BY_DEFAULT or self.chance.random() < 0.5)
        }
        return block, given, taken, 1 if block.fields else self.chance.choice((1, 1, 2))

    def _stage_name(self, names: Sequence[str]) -> str:
        return self.chance.choice([name for name in STAGES if name not in names])

    def _stage(self, blocks: Sequence[tuple[BlockSketch, Given, Sequence[str]]]) -> None:
        """Apply blocks of a stage to what is there; they are numbered later."""
        for block, given, taken in blocks:
            ops, tensors = self.shop.ops, self.shop.tensors
            self.last = self.shop.results(block, given, self.x, *(self.features[part] for part in taken))
            self.x = self.last[0]
            if self.shop.ops == ops:
                raise Misfit("a block that does nothing")
            self.pending.append((self.x, self.shop.tensors - tensors))

    def _number(self, name: str, count: int, last: BlockSketch | None = None) -> None:
        blocks, self.pending = self.pending[-count:], []
        for index, found in enumerate(blocks):
            self.parts[f"{name}.{index}"] = found
        self.parts[name] = blocks[-1][0], sum(tensors for _, tensors in blocks)
        if last is None or not last.fields:
            self.features[name] = self.x
            return
        del self.parts[f"{name}.{count - 1}"]  # it stands for its fields, as the stage does
        self.record = tuple(f"{name}.{field}" for field in last.fields)
        self.features |= zip(self.record, self.last, strict=True)

    # --- what the model returns and trains ---

    def _outputs(self) -> None:
        """What the model returns, of that what exists in training only, and what is not trained.

        Outputs have to be listed where a part is there that no other takes: it would be an error else.
        """
        form = self.chance.random()
        left = set(self.features) - self.read - self._ends()
        outputs = list(dict.fromkeys(self.results))
        if form < 0.25 or left:
            names = [*(name for name in self.parts if name not in HEADS), *self.features, *outputs]
            hidden = {name.partition(".")[0] for name in self.features if "." in name}  # under other names
            hidden |= {"head"} if outputs else set()
            names = [name for name in dict.fromkeys(names) if name not in hidden]
            chosen = set(self.chance.sample(names, min(len(names), self.chance.choice((1, 2, 3)))))
            outputs = [name for name in names if name in chosen]
            self.fields.append(f"outputs: [{', '.join(outputs)}]")
        elif form < 0.45:
            self._freeze(list(self.parts))
        if len(outputs) > 1 and self.chance.random() < 0.4:
            auxiliary = self.chance.sample(outputs, self.chance.randrange(1, len(outputs)))
            self.fields.append(f"auxiliary: [{', '.join(auxiliary)}]")
        if "outputs" in self.fields[-1] and self.chance.random() < 0.3:
            self._freeze(outputs)

    def _ends(self) -> set[str]:
        """The parts that the model returns if no outputs are listed, or that its head starts from."""
        last = [name for name in self.parts if name not in HEADS][-1]
        return {last} if last in self.features else set(self.record) if last != "head" else set()

    def _freeze(self, names: Sequence[str]) -> None:
        """Freeze some of the parts that are there."""
        trained = [name for name in names if self.parts.get(name, (None, 0))[1]]
        if trained:
            frozen = self.chance.sample(trained, min(len(trained), self.chance.choice((1, 1, 2))))
            norms = ["norms"] * (self.chance.random() < 0.3)  # where there is none, that is a warning
            self.fields.append(f"freeze: [{', '.join([*frozen, *norms])}]")


if __name__ == "__main__":
    import sys

    for number in map(int, sys.argv[1:]):
        print(random_network(number).text)
