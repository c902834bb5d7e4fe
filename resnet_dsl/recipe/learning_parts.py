"""Which parts of a network learn, and which are frozen, by their canonical paths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.network import NORMS, PARTS
from resnet_dsl.program import Program
from resnet_dsl.recipe.reader import RecipeReader, items_of
from resnet_dsl.records import dataclass
from resnet_dsl.syntax import ast


@dataclass(frozen=True)
class LearningParts:
    """The layers of a network that could learn, each with what it belongs to."""

    program: Program

    @cached_property
    def layers(self) -> dict[str, GraphNode]:
        """Every layer that has tensors, or works at random in training, by path."""
        graph = self.program.graph
        own = (node for node in graph.nodes if node.owner is None)
        return {node.name: node for node in own if node.op.random or any(True for _ in node.parameters())}

    @cached_property
    def learning(self) -> set[str]:
        """The paths of the layers that have something to learn, and are not frozen by the model."""
        graph = self.program.graph
        return {
            path
            for path, node in self.layers.items()
            if not graph.is_frozen(node) and any(tensor.learned for _, tensor in node.parameters())
        }

    @cached_property
    def known(self) -> dict[str, frozenset[str]]:
        """Every path that a recipe may name, with the layers below it."""
        found: dict[str, set[str]] = {}
        for node in self.program.graph.nodes:
            if node.owner is not None:
                continue
            for path in (node.part, *above(node.name)):
                found.setdefault(path, set()).update({node.name} & self.layers.keys())
        if NORMS not in found:
            norms = {path for path, node in self.layers.items() if node.op.normalises}
            found[NORMS] = norms
        return {path: frozenset(layers) for path, layers in found.items()}

    def of(self, reader: RecipeReader, name: str, value: ast.Expr) -> set[str] | None:
        """Return the layers below the parts that a field lists; None after an error."""
        found: set[str] = set()
        fine = True
        for item in items_of(value):
            path = reader.path(item)
            if path is None:
                hint = f"`{name}: [{next(iter(self.known), 'fc')}]`"
                reader.error("E0204", f"`{name}` lists parts such as `layer4` or `fc`", item.span, hint)
            elif path not in self.known:
                message = f"`{self.program.name}` has no part `{path}`"
                outer = [each for each in self.known if "." not in each and self.known[each]]
                near = [each for each in self.known if each.count(".") == path.count(".")]
                hint = reader.elaborator.suggest(path, near) or f"there are {', '.join(outer)}"
                reader.error("E0201", message, item.span, hint)
            else:
                if not self.known[path]:
                    message = f"`{path}` has no weights: listing it in `{name}` has no effect"
                    reader.warn("W0602", message, item.span, "leave it out")
                found |= self.known[path]
                continue
            fine = False
        return found if fine else None

    def check(self, reader: RecipeReader, frozen: set[str], at: Span, what: str) -> None:
        """Report what leaves nothing to learn."""
        if self.learning and not self.learning - frozen:
            message = f"nothing of `{self.program.name}` learns in {what}: all that could is frozen"
            reader.error("E0702", message, at, "`train: [parts]` of a phase says what learns")

    def paths(self, frozen: set[str]) -> tuple[str, ...]:
        """Return the highest paths that freeze these layers and no other, in the order of the network."""
        kept = {path for layer in self.layers.keys() - frozen for path in above(layer)}
        found: dict[str, None] = {}
        for layer in (layer for layer in self.layers if layer in frozen):
            # A step of the stem or head may be called as a part is: backends know the layers alone.
            own = (path for path in above(layer) if path not in kept and path not in PARTS)
            found[next(own, layer)] = None
        return tuple(found)


def above(layer: str) -> Iterator[str]:
    """Yield the paths that a layer is below, the highest first, and its own."""
    names = layer.split(".")
    return (".".join(names[:end]) for end in range(1, len(names) + 1))
