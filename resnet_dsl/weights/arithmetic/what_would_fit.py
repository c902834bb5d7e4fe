"""What to ask for where that alone would make weights fit: said beside what does not."""

from __future__ import annotations

from resnet_dsl.backend.contents import Contents
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.program import Program
from resnet_dsl.weights.arithmetic.channels import channels_there, input_layers
from resnet_dsl.weights.arithmetic.classifier_rows import head_layers, rows_there
from resnet_dsl.weights.match_report import MatchReport
from resnet_dsl.zoo.asked import Asked


def what_would_fit(
    report: MatchReport, contents: Contents, program: Program, asked: Asked
) -> tuple[str, ...]:
    """Return the options that make fit what does not, a sentence each; none unless all would."""
    misshapen = {each.name for each in report.mismatches["misshapen"]}
    if not misshapen or any(report.mismatches[kind] for kind in report.mismatches if kind != "misshapen"):
        return ()
    found: list[str] = []
    layers = input_layers(program.graph)
    there = {} if asked.adapt_input or layers.problems else channels_there(contents, layers)
    if there:
        name, channels = next(iter(there.items()))
        here = layers.weights[name][1]
        what = "sums" if here == 1 else "repeats" if here > channels else "cuts"
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        found.append(
            f"--adapt-input (in Python, adapt_input=True) {what} the {counted(channels, 'input channel')} "
            f"of {name}{more} into {here}"
        )
    mended = set(there)
    for layer in head_layers(program.graph) if asked.classes is None else ():
        rows = rows_there(contents, layer)
        if rows.keys() == layer.tensors.keys() and set(rows.values()) == {layer.rows + 1}:
            if not mended.intersection(rows) and not any("--classes" in each for each in found):
                found.append(
                    '--classes 1: (in Python, classes="1:") leaves out the first of '
                    f"{layer.rows + 1:,} rows of {layer.name}, as of a class for the background"
                )
            mended |= set(rows)
    return tuple(found) if misshapen == mended else ()
