"""What a model amounts to: a table a stage or an op, and the same as JSON.

The JSON object, stable:

`name`         the model's name
`params`       learned elements (torchvision's `num_params`); `trainable`: those not frozen
`buffers`      elements of batch-norm statistics
`macs`         multiply-adds of convolutions and fully connected layers at batch 1
`depth`        the most weight layers on one way from input to output
`activations`  elements of all ops' results at batch 1
`input`        channels, height, width; `output` likewise, of the first output
`smallest`     height and width of the smallest input on which every window fits; `larger`: whether
               `all`, `some` or `none` of the larger are taken; both only where the input is a map
`outputs`      only where there are several: each by its name
`auxiliary`    only where there are outputs that exist in training only: each by its name; what they
               alone need is counted in `params`, and not in `macs`, `depth` and `activations`
`stages`       objects of `name`, `blocks`, `output`, `params`, `trainable`, `buffers`, `macs`,
               `receptive_field` (height, width)
`layers`       objects of `name`, `op`, `output`, `params`, `trainable`, `buffers`, `macs`

Sizes leave the batch out. What depends on an input size that the spec leaves open is null, as is
the receptive field of what has seen the whole map.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from resnet_dsl.analysis.cost import Known, OpCost
from resnet_dsl.analysis.input_sizes import InputSizes, input_sizes
from resnet_dsl.printing.bars import share_column
from resnet_dsl.printing.table import aligned, headed
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass

BYTES = 4  # of a float32
UNKNOWN = "?"
Bars = Literal["blocks", "plain"]
"""What bars are drawn with: block characters, or signs that every terminal has."""
COLUMNS = ("output", "parameters", "MACs", "receptive field")
NUMBERS = (1, 3, 4, 5)
"""The columns of the table of parts that are numbers, which stand to the right."""


@dataclass(frozen=True)
class PartCost:
    """What stem, head or one stage costs; `blocks` is None where it has none."""

    name: str
    blocks: int | None
    output: Known
    params: int
    trainable: int
    buffers: int
    macs: int | None
    field: tuple[int, int] | None


def summary_json(program: Program, more: Mapping[str, object] | None = None) -> str:
    """Return the cost of a model as a JSON object, described above, a stage or op a line; `more` ends it."""
    facts = {**summary_facts(program), **(more or {})}
    entries = (f"  {_json(name)}: {_json(value)}" for name, value in facts.items())
    return "{\n" + ",\n".join(entries) + "\n}"


def _json(value: object) -> str:
    if not (isinstance(value, list) and value and isinstance(value[0], dict)):
        return json.dumps(value, ensure_ascii=False)
    return "[\n" + ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n  ]"


def summary_facts(program: Program) -> dict[str, object]:
    """Return the object that `summary --format json` writes."""
    cost, network = program.cost, program.network
    facts: dict[str, object] = {
        "name": program.name,
        "params": cost.params,
        "trainable": cost.trainable,
        "buffers": cost.buffers,
        "macs": cost.macs,
        "depth": cost.depth,
        "activations": cost.activations,
        "input": list(network.input.at(network.extent)),
        "output": list(next(iter(cost.output.values()))),
    }
    if (sizes := input_sizes(program.lowered.runs)) is not None:
        facts |= {"smallest": [sizes.height, sizes.width], "larger": sizes.larger}
    if len(cost.output) > 1:
        facts["outputs"] = {name: list(shape) for name, shape in cost.output.items()}
    if cost.auxiliary:
        facts["auxiliary"] = {name: list(shape) for name, shape in cost.auxiliary.items()}
    facts["stages"] = [_part_facts(part) for part in parts(program)]
    facts["layers"] = [_layer_facts(layer) for layer in program.layers]
    return facts


def _part_facts(part: PartCost) -> dict[str, object]:
    return {
        "name": part.name,
        "blocks": part.blocks,
        "output": list(part.output),
        "params": part.params,
        "trainable": part.trainable,
        "buffers": part.buffers,
        "macs": part.macs,
        "receptive_field": None if part.field is None else list(part.field),
    }


def _layer_facts(layer: OpCost) -> dict[str, object]:
    return {
        "name": layer.node.name,
        "op": layer.node.op.kind,
        "output": list(layer.output),
        "params": layer.params,
        "trainable": layer.trainable,
        "buffers": layer.buffers,
        "macs": layer.macs,
    }


# --- parts -------------------------------------------------------------------------------------


def parts(program: Program) -> list[PartCost]:
    """Return the cost of stem, each stage and head, in order, as far as the model has them."""
    network, results = program.network, dict(program.graph.parts)
    blocks: dict[str, int | None] = {stage.name: stage.count for stage in network.stages}
    named: dict[str, int | None] = {} if network.stem is None else {"stem": None}
    named |= blocks
    named |= {} if network.head is None else {"head": None}
    by_name = {layer.node.name: layer for layer in program.layers}
    inside: dict[str, list[OpCost]] = {name: [] for name in named}
    for layer in program.layers:
        inside[layer.node.part].append(layer)
    start = network.input.at(network.extent)
    return [
        _part(name, count, inside[name], by_name.get(results[name]), start) for name, count in named.items()
    ]


def _part(name: str, blocks: int | None, layers: list[OpCost], last: OpCost | None, start: Known) -> PartCost:
    """Add up one part; `last` makes its result, or nothing does and the input passes through."""
    known = [layer.macs for layer in layers if layer.macs is not None]
    return PartCost(
        name=name,
        blocks=blocks,
        output=start if last is None else last.output,
        params=sum(layer.params for layer in layers),
        trainable=sum(layer.trainable for layer in layers),
        buffers=sum(layer.buffers for layer in layers),
        macs=sum(known) if len(known) == len(layers) else None,
        field=(1, 1) if last is None else last.field,
    )


# --- text --------------------------------------------------------------------------------------


def summary_text(program: Program, layers: bool = False, bars: Bars | None = None) -> str:
    """Return the table of a model's parts, or of its ops, and the totals."""
    # Names and words to the left; counts of blocks are a number, the kind of an op is none.
    rows, right = (_layer_rows(program), (3, 4, 5)) if layers else (part_rows(program, bars), NUMBERS)
    return "\n".join([title(program), "", *headed(rows, right), "", *_totals(program), ""])


def title(program: Program) -> str:
    """Return the first line of a summary: the name, and the input."""
    network = program.network
    return f"{program.name}  (input {network.input.text(network.extent)})"


def part_rows(program: Program, bars: Bars | None = None) -> list[tuple[str, ...]]:
    """Return the table of parts: its header, then a row for each, with bars behind if they are wanted."""
    found = parts(program)
    rows: list[tuple[str, ...]] = [("part", "blocks", *COLUMNS)]
    for part in found:
        blocks = "" if part.blocks is None else f"{part.blocks:,}"
        rows.append((part.name, blocks, *_cells(part)))
    if bars is None:
        return rows
    params = share_column("of parameters", [part.params for part in found], bars == "plain")
    macs = share_column("of MACs", [part.macs for part in found], bars == "plain")
    return [(*row, *shares) for row, *shares in zip(rows, params, macs, strict=True)]


def _layer_rows(program: Program) -> list[tuple[str, ...]]:
    layers = program.layers
    return [
        ("layer", "op", *COLUMNS),
        *((layer.node.name, layer.node.op.kind, *_cells(layer)) for layer in layers),
    ]


def _cells(cost: PartCost | OpCost) -> tuple[str, ...]:
    """The columns that parts and ops have alike."""
    field = "all" if cost.field is None else f"{cost.field[0]}x{cost.field[1]}"
    return _size(cost.output), f"{cost.params:,}", _number(cost.macs), field


def _totals(program: Program) -> list[str]:
    cost = program.cost
    frozen = f", {cost.params - cost.trainable:,} frozen" if cost.trainable < cost.params else ""
    activations = None if cost.activations is None else cost.activations * BYTES
    weights = (cost.params + cost.buffers) * BYTES
    flops = None if cost.macs is None else 2 * cost.macs
    lines = [
        ("parameters", f"{cost.params:,} ({cost.trainable:,} trainable{frozen})"),
        ("buffers", f"{cost.buffers:,}"),
        ("weights", f"{_megabytes(weights)} as float32, buffers included"),
        ("MACs", f"{_number(cost.macs)} (FLOPs: {_number(flops)})"),
        ("activations", f"{_megabytes(activations)} as float32 at batch 1"),
        ("depth", f"{cost.depth:,} weight layers"),
        ("input", _taken(input_sizes(program.lowered.runs))),
    ]
    if len(cost.output) > 1 or cost.auxiliary:
        lines += [("output", f"{name}: {_size(shape)}") for name, shape in cost.output.items()]
    lines += [("in training", f"{name}: {_size(shape)}") for name, shape in cost.auxiliary.items()]
    return aligned(lines)


def _taken(sizes: InputSizes | None) -> str:
    """Which inputs are taken, in words."""
    if sizes is None:
        return "of this length only"
    if sizes.larger == "none":
        return "of this size only"
    return f"{sizes.text} or {'any' if sizes.larger == 'all' else 'some, not every,'} larger"


def _size(shape: Known) -> str:
    return "x".join(UNKNOWN if size is None else str(size) for size in shape)


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _megabytes(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count / 1e6:,.1f} MB"
