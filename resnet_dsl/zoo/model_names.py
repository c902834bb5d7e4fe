"""The names of a model in a library: the one map that covers its layers and whose conditions hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from resnet_dsl.backend.interface import Backend
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.ops import TensorSpec
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.zoo.asked import Called
from resnet_dsl.zoo.candidates import Candidate, NamedLayer, owners
from resnet_dsl.zoo.layouts import ORDERS
from resnet_dsl.zoo.name_maps import NameMap, find_library

LISTED = 6


@dataclass(frozen=True)
class ModelNames:
    """The names of one model in a library, or its own where that is none.

    `layers` are those with tensors by our paths, in the order of the rules, which is the order of
    their files; `names` has every path, blocks' among them. `own` are layers that the library has no
    names for, which keep theirs.
    """

    library: str
    map: NameMap
    layers: Mapping[str, NamedLayer]
    names: Mapping[str, str]
    own: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Titles of other names that are the same for this model."""

    @property
    def title(self) -> str:
        """The library and the kind of network."""
        return f"{self.library} ({self.map.about})"

    @property
    def is_identity(self) -> bool:
        """Whether everything is called there as it is here."""
        return not self.map.style.tensors and all(path == layer.theirs for path, layer in self.layers.items())

    def ignores(self, tensor: str) -> bool:
        """Whether a tensor there is none of the model that is meant."""
        return any(pattern.find(tensor) is not None for pattern in self.map.ignore)

    def tensor(self, path: str, parameter: TensorSpec) -> str:
        """Return what a tensor of a layer is called there."""
        layer = self.layers[path]
        return layer.theirs if layer.is_tensor else self.map.tensor(layer.theirs, parameter)

    def bias(self, path: str) -> str:
        """Return what the bias of a layer is called there, if it has one."""
        return self.map.tensor_in_role(self.layers[path].theirs, "bias", "bias")

    def tensors(self) -> dict[str, str]:
        """Return what the tensors of the model are called there, by our names."""
        return {
            name: self.tensor(path, parameter)
            for path, layer in self.layers.items()
            for name, parameter in layer.node.parameters()
        }

    def remarks(self) -> list[str]:
        """Return the sentence on layers that the library has no names for, if there are such."""
        if not self.own or not self.library:
            return []
        layers = counted(len(self.own), "layer")
        more = ", …" if len(self.own) > LISTED else ""
        return [f"{self.library} has no names for {layers} of the head: {', '.join(self.own[:LISTED])}{more}"]


def own_names(program: Program, called: Called) -> ModelNames:
    """Return a model's own names, but for the layers that the person names."""
    check_called(program, called)
    layers = {node.name: NamedLayer(node, called.get(node.name, node.name)) for node in owners(program.graph)}
    own = {node.name: node.name for node in program.graph.nodes}
    return ModelNames("", NameMap("its own"), layers, {**own, **called})


def model_names(
    program: Program, library: str, partial: bool = False, called: Called | None = None
) -> ModelNames:
    """Return a model's names in a library; raises UsageError unless exactly one map applies.

    Layers of the head that the map has no names for keep their own; if `partial` is asked for, so do
    any others. `called` are names that go before the map's.
    """
    fitting = [each for each in fitting_names(program, library, partial, called) if not each.map.older]
    if len(fitting) > 1:
        raise UsageError(alike(program, fitting))
    return fitting[0]


def fitting_names(
    program: Program, library: str, partial: bool = False, called: Called | None = None
) -> list[ModelNames]:
    """Return a model's names in a library by every map that applies; raises UsageError if none does."""
    tried = candidates(program, library, called)
    fitting = [each for each in tried if not each.unmet and (partial or not each.lacking)]
    if not fitting or all(each.map.older for each in fitting):
        raise UsageError(refusal(library, program, tried))
    return [names_of(library, program, each) for each in closest(fitting)]


def closest(fitting: list[Candidate]) -> list[Candidate]:
    """Return those of the maps that apply which name the most layers; older maps are for themselves."""
    found = []
    for older in (False, True):
        kind = [each for each in fitting if each.map.older == older]
        least = min((len(each.uncovered) for each in kind), default=0)
        found += [each for each in kind if len(each.uncovered) == least]
    return found


def candidates(program: Program, library: str, called: Called | None = None) -> list[Candidate]:
    """Return every map of a library held against a model."""
    check_called(program, called or {})
    return [Candidate(each, program.graph, called or {}) for each in find_library(library).maps]


def names_of(library: str, program: Program, chosen: Candidate) -> ModelNames:
    """Return the names by a map; raises UsageError if two layers would have one name."""
    names = chosen.names()
    for name, count in Counter(names[node.name] for node in program.graph.nodes).items():
        if count > 1:
            raise UsageError(f"{library}: {count} layers of {program.name} would be called `{name}`")
    return ModelNames(library, chosen.map, chosen.layers(), names, tuple(chosen.uncovered))


def check_called(program: Program, called: Called) -> None:
    """Raise UsageError for a name given to a layer that has no tensors, or is not there."""
    known = [node.name for node in owners(program.graph)]
    for path in called:
        if path not in known:
            hint = f"; {found}" if (found := did_you_mean(path, known)) else ""
            raise UsageError(f"no layer `{path}` of {program.name} has weights{hint}")


def with_names(
    program: Program, library: str | None, backend: Backend, called: Called | None = None
) -> Program:
    """Return the program with the names of a library; raises UsageError if the backend cannot use them."""
    if library is None:
        return program
    if program.original is not None:  # a library names layers as they were before norms were folded
        named = with_names(program.original.program, library, backend, called)
        return replace(program, names=named.names)
    found = model_names(program, library, called=called)
    for path, layer in found.layers.items():
        if layer.layout in ORDERS:
            raise UsageError(
                f"{layer.theirs} of {library} takes its input in another order than {path}, "
                "so that weights of one would pass for those of the other; "
                f"`weights convert --to {library}` puts them in order"
            )
    if found.map.style.tensors:
        raise UsageError(
            f"{library} has names for tensors, such as {next(iter(found.tensors().values()))}, and none for "
            f"layers; `weights convert --to {library}` writes weights under them"
        )
    if backend.renames:
        return replace(program, names=found.names)
    if found.is_identity:
        return program
    path, layer = next((p, layer) for p, layer in found.layers.items() if p != layer.theirs)
    raise UsageError(
        f"{backend.name} calls layers by the spec's own paths, as {path}, and not as {layer.theirs}; "
        f"`weights convert --to {library}` writes weights under the names of {library}"
    )


# --- refusing ----------------------------------------------------------------------------------


def alike(program: Program, fitting: list[ModelNames]) -> str:
    """Return the sentence on several maps of a library that apply."""
    kinds = " and ".join(f"`{each.map.about}`" for each in fitting)
    return f"{fitting[0].library}: the names of {program.name} are those of {kinds} alike"


def refusal(library: str, program: Program, tried: list[Candidate]) -> str:
    """Return why no map of a library applies."""
    covering = [each for each in tried if not each.lacking]
    if covering:
        found = min(covering, key=lambda each: (len(each.uncovered), *each.distance()))
        whose = "all layers" if not found.uncovered else "the layers"
        title = f"{library} has names for {whose} of {program.name}, but for another network"
        return f"{title} ({found.map.about}):\n{_listed([each.sentence for each in found.unmet])}"
    found = min(tried, key=lambda each: len(each.uncovered))
    title = f"{library} has no names for some layers of {program.name}; closest are those of"
    return f"{title} {found.map.about}, without:\n{_listed(found.uncovered)}"


def _listed(items: list[str]) -> str:
    lines = [f"  {item}" for item in items[:LISTED]]
    more = len(items) - LISTED
    return "\n".join([*lines, f"  and {more} more"] if more > 0 else lines)
