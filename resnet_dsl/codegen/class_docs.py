"""What a class says of itself: the author's sentences that hold for this variant, or what it is made of."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from resnet_dsl.analysis.input_sizes import input_sizes
from resnet_dsl.ir.network import Body
from resnet_dsl.program import Program

SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z`])")
QUOTED = re.compile(r"`(\w+)(?:: ?([^`]+))?`")
LISTED = 6  # a longer list of steps says less than the code below it


def needed_sizes(program: Program) -> str:
    """Return how large an input has to be where the spec leaves that open: `, with H >= 8, W >= 8`."""
    extent = program.network.extent
    sizes = input_sizes(program.graph) if None in (extent.height, extent.width) else None
    return f", with {sizes.needs}" if sizes is not None and sizes.needs else ""


def true_of(bodies: Sequence[Body], parameters: Collection[str]) -> str:
    """Return what the author says of a block, as far as it holds for the class of these bodies.

    A sentence that quotes a parameter of the block, as `name` or `name: value`, is about other
    variants where the class has no such parameter and no such value.
    """
    doc = " ".join(bodies[0].doc.split()).removeprefix(f"{bodies[0].definition}: ")
    return " ".join(found for found in SENTENCE.split(doc) if _holds(found, bodies, parameters))


def _holds(sentence: str, bodies: Sequence[Body], parameters: Collection[str]) -> bool:
    for name, value in QUOTED.findall(sentence):
        given = {str(dict(body.arguments).get(name)) for body in bodies}
        if name in dict(bodies[0].arguments) and name not in parameters and given != {value}:
            return False
    return True


def made_of(definition: str, steps: Sequence[str], is_chain: bool) -> str:
    """Return the steps of a chain in order, or what something else combines, as one sentence."""
    listed = list(steps) if is_chain else list(dict.fromkeys(steps))
    if not 0 < len(listed) <= LISTED:
        return f"Block `{definition}` of the spec"
    *front, last = [f"`{name}`" for name in listed]
    names = f"{', '.join(front)} and {last}" if front else last
    return f"Applies {names}{' in turn' if front else ''}" if is_chain else f"Combines {names}"
