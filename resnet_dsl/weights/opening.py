"""The tensors that are meant, of a file that holds more: an entry of it, names without a wrapper's."""

from __future__ import annotations

from resnet_dsl.backend.contents import COUNTER, Contents
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.ir.graph import Graph
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.weights.arithmetic.in_parts import put_together
from resnet_dsl.zoo.asked import Asked
from resnet_dsl.zoo.detect import under_our_names
from resnet_dsl.zoo.prefixes import parts_of, under, unwrapped

SAY = "--key (in Python, key=) says which is meant"


def opened(contents: Contents, asked: Asked) -> Contents:
    """Return the tensors that are meant as file and person say; raises UsageError if they do not.

    Where entries have the same names and shapes, as a model and its average have, the first is as good.
    """
    if contents.entries or asked.key:
        contents = _entry(contents, asked)
    contents = unwrapped(contents)
    return under(contents, asked.prefix) if asked.prefix else contents


def meant(contents: Contents, program: Program, asked: Asked, own_first: bool = False) -> Contents:
    """Return the tensors that are meant, under the names that the file gives less those of wrappers.

    Of several entries it is the one that fits the model; where several do, the person has to say which.
    """
    if asked.key:
        contents = _entry(contents, asked)
    elif contents.entries:
        contents = _fitting(contents, program, asked, own_first)
    own = [name for name, _ in program.graph.parameters()]
    contents = unwrapped(contents, parts_of([*own, *asked.called.values()]))
    if asked.prefix:
        contents = under(contents, asked.prefix)
    return _told_apart(contents, program.graph)


def as_ours(contents: Contents, program: Program, asked: Asked, own_first: bool = False) -> Contents:
    """Return the tensors that are meant under our names; raises UsageError if they are no one's."""
    parts, _ = put_together(meant(contents, program, asked, own_first), asked.apply)
    return under_our_names(parts, program, asked, own_first)


def _told_apart(contents: Contents, graph: Graph) -> Contents:
    """The contents with each tensor that may be one of several called as the model's layers tell.

    That is the layer of its own path, or of a file with other paths what all layers with but one of
    the tensors have in common.
    """
    unsure = {name: stored.among for name, stored in contents.tensors.items() if stored.among}
    if not unsure:
        return contents
    own = {node.name: [tensor.name for _, tensor in node.parameters()] for node in graph.nodes}
    names = {}
    for name, among in unsure.items():
        path = name.rpartition(".")[0]
        layers = [own[path]] if path in own else [*own.values()]
        found = {had[0] for had in ([n for n in among if n in layer] for layer in layers) if len(had) == 1}
        if len(found) == 1 and f"{path}.{min(found)}" not in contents.tensors:
            names[name] = f"{path}.{min(found)}"
    return replace(contents, tensors={names.get(name, name): s for name, s in contents.tensors.items()})


@dataclass(frozen=True)
class _Fit:
    """An entry held against a model: how many of its tensors are those of the model, how many are not."""

    key: str
    contents: Contents
    fitting: int
    more: int


def _fitting(contents: Contents, program: Program, asked: Asked, own_first: bool) -> Contents:
    tried = [_try(key, entry, program, asked, own_first) for key, entry in contents.entries.items()]
    total = sum(1 for _ in program.graph.parameters())
    for found in (
        [each for each in tried if each.fitting == total and not each.more],
        [each for each in tried if each.fitting == total],
        [each for each in tried if each.fitting],
    ):
        if len(found) == 1:
            return found[0].contents
        if found:
            listed = ", ".join(f"`{printable(each.key)}` ({each.fitting} of {total} fit)" for each in found)
            raise UsageError(f"it holds several dictionaries of tensors: {listed}; {SAY}")
    # Nothing fits: the report on the largest says more than a list of them.
    return max(tried, key=lambda each: len(each.contents.tensors)).contents


def _try(key: str, entry: Contents, program: Program, asked: Asked, own_first: bool) -> _Fit:
    wanted = {name: tensor.shape for name, tensor in program.graph.parameters()}
    try:
        ours = as_ours(entry, program, replace(asked, key=None), own_first)
    except UsageError:
        return _Fit(key, entry, 0, len(entry.tensors))
    shapes = {
        name: tuple(stored.shape) for name, stored in ours.tensors.items() if not name.endswith(COUNTER)
    }
    fitting = sum(shapes.get(name) == shape for name, shape in wanted.items())
    return _Fit(key, entry, fitting, len(shapes.keys() - wanted.keys()) + len(ours.unplaced))


def _entry(contents: Contents, asked: Asked) -> Contents:
    """The entry that is asked for, or the only one there is."""
    entries = contents.entries
    if asked.key:
        if asked.key in entries:
            return entries[asked.key]
        if not entries:
            raise UsageError(f"its tensors lie in no entry, so none is called `{printable(asked.key)}`")
        hint = did_you_mean(asked.key, entries) or f"there are {_listed(contents)}"
        raise UsageError(f"no dictionary of tensors is called `{printable(asked.key)}`; {hint}")
    first = next(iter(entries.values()))
    shapes = [
        {name: stored.shape for name, stored in unwrapped(each).tensors.items()} for each in entries.values()
    ]
    if all(each == shapes[0] for each in shapes):
        return first
    raise UsageError(f"it holds several dictionaries of tensors: {_listed(contents)}; {SAY}")


def _listed(contents: Contents) -> str:
    return ", ".join(
        f"`{printable(key)}` ({counted(len(entry.tensors), 'tensor')})"
        for key, entry in contents.entries.items()
    )
