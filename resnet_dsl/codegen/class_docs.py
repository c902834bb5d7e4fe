"""What a class says of itself: the author's sentences that hold for this variant, or what it is made of."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from resnet_dsl.ir.network import Body, Call

SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z`])")
QUOTED = re.compile(r"`(\w+)(?:: ?([^`]+))?`")
LISTED = 6  # a longer list of steps says less than the code below it


def class_doc(bodies: Sequence[Body], parameters: Collection[str], called: Sequence[str]) -> str:
    """Return the docstring of the class of some bodies; `called` are the classes its steps use.

    A sentence of the author's comment that quotes a parameter of the block, as `name` or `name: value`,
    is about other variants where the class has no such parameter and no such value.
    """
    body = bodies[0]
    doc = " ".join(body.doc.split()).removeprefix(f"{body.definition}: ")
    sentences = [found for found in SENTENCE.split(doc) if _holds(found, bodies, parameters)]
    return " ".join(sentences) if doc and sentences else _made_of(body, called)


def _holds(sentence: str, bodies: Sequence[Body], parameters: Collection[str]) -> bool:
    for name, value in QUOTED.findall(sentence):
        given = {str(dict(body.arguments).get(name)) for body in bodies}
        if name in dict(bodies[0].arguments) and name not in parameters and given != {value}:
            return False
    return True


def _made_of(body: Body, called: Sequence[str]) -> str:
    """The steps of a chain in order, or what something else combines."""
    classes = iter(called)
    steps = [next(classes) if isinstance(n.what, Call) else n.what.kind for n in body.nodes]
    is_chain = all(node.inputs == (index - 1,) for index, node in enumerate(body.nodes))
    if is_chain and 0 < len(steps) <= LISTED:
        return f"Applies {_enumerated(steps)}{' in turn' if len(steps) > 1 else ''}"
    different = list(dict.fromkeys(steps))
    if 0 < len(different) <= LISTED:
        return f"Combines {_enumerated(different)}"
    return f"Block `{body.definition}` of the spec"


def _enumerated(names: Sequence[str]) -> str:
    *front, last = [f"`{name}`" for name in names]
    return f"{', '.join(front)} and {last}" if front else last
