"""Nothing set may go unused: fields that nothing knows, and those that have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.suggest import close_names, spelled_alike
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.settings import FIELDS, Setting
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.syntax import ast

# What the settings of a stage may speak of; nobody sets them.
COUNTERS = frozenset(("stage", "index"))


def check_use(state: ModelState) -> None:
    """Report what a whole model does not use: an error for an unknown name, else a warning."""
    for layer in state.settings.layers:
        for name, setting in layer.items():
            if name in state.settings.read or setting.by in ("parameter", "library") or name == "expect":
                continue
            if name in FIELDS or _is_declared(state, name, layer):
                if setting.scope.source != state.model.name_at.source:
                    continue  # a file that is used: what it says may have its effect in its own models
                message, hint = f"`{name}` has no effect here", "leave it out"
                state.elaborator.warn("W0602", message, setting.name_at or setting.span, hint)
            else:
                _unknown(state, name, setting)


def check_names(state: ModelState) -> None:
    """Report the fields of a model that failed which no block that it could mean would take."""
    blocks = list(state.blocks) or list(_blocks(state.settings.layers, state))
    taken = {*_names(blocks), *FIELDS}
    mentioned = {name for _, setting in state.settings.all() for name in _mentioned(setting)} - COUNTERS
    for layer in state.settings.layers:
        for name, setting in layer.items():
            mine = setting.by not in ("parameter", "library")
            known = name in taken or name in mentioned or name in state.settings.read
            if known or not mine or _is_declared(state, name, layer):
                continue
            # A block that is not known may have any parameter: then only near misses are certain.
            if state.blocks or close_names(name, FIELDS) or spelled_alike(name, _known(state, blocks)):
                _unknown(state, name, setting, blocks)


def _mentioned(setting: Setting) -> Iterator[str]:
    return iter(()) if setting.value is None else ast.names(setting.value)


def _is_declared(state: ModelState, name: str, layer: dict[str, Setting]) -> bool:
    """Whether another layer has the name too, or this one as a parameter."""
    return any(
        name in other and (other[name].by in ("parameter", "library") or other is not layer)
        for other in state.settings.layers
    )


def _unknown(state: ModelState, name: str, setting: Setting, blocks: list[Definition] | None = None) -> None:
    message = f"`{name}` is neither a field of models nor a parameter of the block"
    blocks = list(state.blocks) if blocks is None else blocks
    hint = state.elaborator.suggest(name, _known(state, blocks)) or _taken(list(state.blocks))
    state.error("E0205", message, setting.name_at or setting.span, hint)


def _known(state: ModelState, blocks: list[Definition]) -> Iterator[str]:
    """What a field of this model could be called."""
    yield from FIELDS
    yield from (name for name, setting in state.settings.all() if setting.by != "field")
    yield from _names(blocks)


def _names(blocks: list[Definition]) -> Iterator[str]:
    """The fields that the parameters of blocks make: their names and plurals."""
    for definition in blocks:
        for parameter in definition.block.parameters:
            yield parameter.name
            yield f"{parameter.name}s"


def _taken(blocks: list[Definition]) -> str:
    """Say what the blocks of the model take."""
    return "; ".join(
        f"block `{definition.block.name}` takes "
        + (", ".join(f"`{parameter.name}`" for parameter in definition.block.parameters) or "nothing")
        for definition in blocks
    )


def _blocks(layers: list[dict[str, Setting]], state: ModelState) -> Iterator[Definition]:
    """Every block that the model's file and the library have."""
    own = dict.fromkeys(setting.scope for layer in layers for setting in layer.values())
    for scope in dict.fromkeys(each for start in own for each in start.visible):
        yield from scope.blocks.values()
