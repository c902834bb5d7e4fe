"""Names of layers that a framework could not give them: refused whatever backend comes later."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.ir.kept_names import is_kept
from resnet_dsl.ir.network import Body, Network, has_parameters


def check_kept_names(state: ModelState, network: Network) -> None:
    """Report every stage, block and layer whose name a framework keeps for itself."""
    for name, span in dict.fromkeys(_named(network)):
        if is_kept(name):
            owner = "the generated model" if name == "reset_parameters" else "torch.nn.Module"
            message = f"`{name}` cannot be the name of a layer in PyTorch: it is an attribute of {owner}"
            if name.startswith("_"):
                message = f"`{name}` cannot be the name of a layer: PyTorch keeps what starts with `_`"
            state.findings.add(Diagnostic("E0601", message, span, hint="take another name"))


def _named(network: Network) -> Iterator[tuple[str, Span | None]]:
    """Yield (name, place) of stages, blocks, and steps with parameters."""
    for stage in network.stages:
        yield stage.name, stage.span
    outer: dict[int, Body] = {id(run.body): run.body for stage in network.stages for run in stage.runs}
    outer |= {id(part): part for part in (network.stem, network.head) if part is not None}
    bodies = {id(inner): inner for body in outer.values() for inner in body.bodies()}
    for body in bodies.values():
        yield from ((node.name, node.author) for node in body.nodes if has_parameters(node, body))
