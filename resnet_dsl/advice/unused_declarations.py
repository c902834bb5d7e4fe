"""Declarations of a file that none of its models needs, and parameters and steps that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.syntax import ast

# Fields whose blocks the model itself puts to use. What stands in others is called by someone else,
# who decides what it has to take.
OWN_USES = ("stem", "head", "block", "stages")


def unused_declarations(scope: Scope, state: ModelState) -> Iterator[Diagnostic]:
    """Yield a warning for each block, constant and `use` of the file that no model of it needs."""
    needed = _needed(scope, state)
    hint = "delete it, or say what it is for: `# resnet-dsl: allow W0610`"
    declared: list[tuple[str, str, ast.Named]] = [
        *(("constant", name, const) for name, const in scope.constants.items()),
        *(("block", name, definition.block) for name, definition in scope.blocks.items()),
    ]
    for what, name, node in declared:
        if name not in needed:
            message = f"{what} `{name}` is used by no model of this file"
            yield Diagnostic("W0610", message, node.name_at, hint=hint, severity="warning")
    mentioned = needed | set(_everywhere(scope))
    for use in scope.uses:
        parent = next((p for p in scope.parents if _is_of(p, use)), None)
        if parent is not None and not mentioned.intersection(_offered(parent)):
            message = f"nothing of `{use.target}` is used"
            yield Diagnostic("W0610", message, use.span, hint="delete the line", severity="warning")


def _is_of(parent: Scope, use: ast.Use) -> bool:
    """Whether a file is what `use` names: itself, or by a model that it declares."""
    name = parent.source.name
    if not use.shipped:
        return name == use.target
    return name == f"{use.target}.resnet" or use.target in parent.models


def _needed(scope: Scope, state: ModelState) -> set[str]:
    """The names that the models of a file, and what is set from outside, lead to."""
    overrides = state.settings.layers[0].values()
    roots: list[ast.Node] = [*(model for model, _ in scope.models.values()), *scope.recipes.values()]
    roots += [setting.value for setting in overrides if setting.value is not None]
    found: set[str] = set()
    while roots:
        for name in set(ast.names(roots.pop())) - found:
            found.add(name)
            if name in scope.blocks:
                roots.append(scope.blocks[name].block)
            elif name in scope.constants:
                roots.append(scope.constants[name].value)
    return found


def _everywhere(scope: Scope) -> Iterator[str]:
    """Every name that any declaration of the file mentions."""
    nodes: list[ast.Node] = [*scope.constants.values(), *(model for model, _ in scope.models.values())]
    nodes += [*(definition.block for definition in scope.blocks.values()), *scope.recipes.values()]
    return (name for node in nodes for name in ast.names(node))


def _offered(scope: Scope) -> set[str]:
    """Every name that a `use` of this file makes known."""
    own = {*scope.blocks, *scope.constants, *scope.models, *scope.recipes}
    return own.union(*(_offered(parent) for parent in scope.parents if not parent.source.ours))


# --- parameters and steps ------------------------------------------------------------------------


def unread_names(scope: Scope, state: ModelState) -> Iterator[Diagnostic]:
    """Yield a warning for each parameter, and each step that makes no tensor, that nothing reads."""
    needed, called_by_others = _needed(scope, state), _handed_on(scope, state)
    for name, definition in scope.blocks.items():
        if name in needed:
            yield from _unread_of_block(scope, definition, name in called_by_others)
    yield from _unread_of_model(scope, state)


def _handed_on(scope: Scope, state: ModelState) -> set[str]:
    """Names of functions that are values here: whoever calls them decides what they have to take."""
    nodes: list[ast.Node] = [const.value for const in scope.constants.values()]
    nodes += [setting.value for setting in state.settings.layers[0].values() if setting.value is not None]
    for model, _ in scope.models.values():
        nodes += [*model.parameters, *(field.value for field in model.fields if field.name not in OWN_USES)]
        nodes += [argument for field in model.fields for argument in _arguments(field)]
    for definition in scope.blocks.values():
        nodes += [*definition.block.parameters, *_arguments(definition.block)]
    return {name for node in nodes for name in ast.names(node)}


def _arguments(node: ast.Node) -> Iterator[ast.Argument]:
    for child in ast.children(node):
        if isinstance(child, ast.Argument):
            yield child
        yield from _arguments(child)


def _unread_of_block(scope: Scope, definition: Definition, called_by_others: bool) -> Iterator[Diagnostic]:
    block = definition.block
    read = {name for node in (*block.parameters, *block.statements, block.result) for name in ast.names(node)}
    passed = _passed_on(scope, block)
    if passed is None:
        return
    for parameter in () if called_by_others else block.parameters:
        if parameter.name not in read | passed:
            message = f"nothing in block `{block.name}` reads its parameter `{parameter.name}`"
            yield _unread(message, parameter, "use it, or delete it")
    for statement in block.statements:
        if statement.name not in read | passed:
            message = f"nothing in block `{block.name}` reads `{statement.name}`"
            yield _unread(message, statement, "use it, or delete the line")


def _passed_on(scope: Scope, block: ast.Block) -> set[str] | None:
    """The names that `...` passes on to the blocks that a block calls; None where anything may be."""
    found: set[str] = set()
    for call in _calls(block):
        if any(isinstance(argument.value, ast.Rest) for argument in call.arguments):
            callee = scope.find(call.callee.id) if isinstance(call.callee, ast.Name) else None
            if callee is None or not isinstance(callee[1], Definition):
                return None
            found |= {parameter.name for parameter in callee[1].block.parameters}
    return found


def _calls(node: ast.Node) -> Iterator[ast.Call]:
    if isinstance(node, ast.Call):
        yield node
    for child in ast.children(node):
        yield from _calls(child)


def _unread_of_model(scope: Scope, state: ModelState) -> Iterator[Diagnostic]:
    """Parameters of the model that no setting mentions and no block takes."""
    texts = [setting.value for _, setting in state.settings.all() if setting.value is not None]
    others: list[ast.Node] = [model for model, _ in scope.models.values()]
    read = state.settings.read.union(*map(ast.names, (*texts, *others)))
    for parameter in state.model.parameters:
        plural_of = parameter.name.removesuffix("s")
        taken = any(p.name in (parameter.name, plural_of) for d in state.blocks for p in d.block.parameters)
        if parameter.name not in read and not taken and parameter.name not in FIELDS:
            message = f"nothing reads the parameter `{parameter.name}` of model `{state.model.name}`"
            yield _unread(message, parameter, "use it, or delete it")


def _unread(message: str, node: ast.Named, hint: str) -> Diagnostic:
    return Diagnostic("W0611", message, node.name_at, hint=hint, severity="warning")
