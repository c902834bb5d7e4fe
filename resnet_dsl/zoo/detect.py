"""Whose names a file has: its own, or those of the libraries whose maps fit both the model and the file.

The files of maps are read only if the names are not the model's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resnet_dsl.backend.contents import COUNTER, Contents, Stored
from resnet_dsl.backend.layer_places import BY_PLACE
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.zoo.asked import NOTHING, Asked, Called
from resnet_dsl.zoo.candidates import HEAD, Candidate, owners
from resnet_dsl.zoo.fold import eps_differences
from resnet_dsl.zoo.head_layers import found_heads
from resnet_dsl.zoo.model_names import (
    ModelNames,
    candidates,
    check_called,
    closest,
    fitting_names,
    names_of,
    own_names,
    refusal,
)
from resnet_dsl.zoo.name_maps import known_libraries
from resnet_dsl.zoo.names_by_shape import names_by_shape
from resnet_dsl.zoo.translate import from_library
from resnet_dsl.zoo.unfold import with_biases_in_means, with_norms, without_norms

Tensors = Mapping[str, Stored]


class SeveralPrefixesError(UsageError):
    """A file that holds the network more than once, under several prefixes."""


@dataclass(frozen=True)
class _Reading:
    """Names of a model, and the tensors of a file under them: without `taken_off`, with `put_on`."""

    names: ModelNames
    tensors: Tensors
    taken_off: str = ""
    put_on: str = ""
    whole: bool = False
    """Whether all layers outside of the head are there."""

    def file_names(self) -> tuple[object, ...]:
        """What two readings have in common if they read the same: where each tensor of ours comes from."""
        there = {name: self.name_in_file(theirs) for name, theirs in sorted(self.present().items())}
        kept = {name: (layer.bias, layer.layout) for name, layer in self.names.layers.items()}
        return there, kept, eps_differences(self.names)

    def present(self) -> dict[str, str]:
        """Return the names there, by ours, that the file has."""
        return {name: theirs for name, theirs in self.names.tensors().items() if theirs in self.tensors}

    def name_in_file(self, name: str) -> str:
        """Return what the file calls a tensor."""
        return self.taken_off + (name.removeprefix(self.put_on) if self.put_on else name)


def under_our_names(
    contents: Contents, program: Program, asked: Asked = NOTHING, own_first: bool = False
) -> Contents:
    """Return what a file holds under our names.

    They may be those of a library, which is found where none is given; raises UsageError if the file
    does not say which, or has the names of another network. If `own_first`, names that are the model's
    own are so whatever the library.
    """
    if asked.unfold:
        return _unfolded(contents, program, asked)
    library, called = asked.names, asked.called
    wanted = {name for name, _ in program.graph.parameters()}
    if (library is None or own_first) and not called and wanted <= contents.tensors.keys():
        return contents
    check_called(program, called)
    own = _read(own_names(program, called), contents.tensors)
    if own.whole and (library is None or own_first):
        fuller = None if library is not None else _fuller(own, program, contents.tensors, called)
        return (
            _renamed(contents, own, asked)
            if fuller is None
            else _translated(contents, fuller, program, asked)
        )
    if library is not None:
        names = fitting_names(program, library, asked.partial, called)
        found = [_read(each, contents.tensors) for each in names]
        return _translated(contents, _chosen(found, program), program, asked)
    found = [each for each in _readings(program, contents.tensors, called) if each.whole]
    if found:
        return _translated(contents, _chosen(found, program), program, asked)
    if contents.by_place:
        return _placed(contents, program)
    by_shape = _by_shape(contents, program)
    if by_shape is None:
        return contents
    note = "names of no library; which layer is which is by kinds, shapes and order"
    return _renamed(replace(contents, notes=(*contents.notes, note)), by_shape, asked)


def _fuller(own: _Reading, program: Program, tensors: Tensors, called: Called) -> _Reading | None:
    """The reading by a map that finds more than the model's own names behind a prefix."""
    if not own.taken_off or len(own.present()) == len(own.names.tensors()):
        return None
    try:
        whole = [each for each in _readings(program, tensors, called) if each.whole]
        more = [each for each in whole if len(each.present()) > len(own.present())]
        return _chosen(more, program) if more else None
    except UsageError:
        return None  # the file is read by the model's own names


def _by_shape(contents: Contents, program: Program) -> _Reading | None:
    """The reading of a file with names of nobody, if kinds, shapes and order tell all layers of the body."""
    shapes = {n: tuple(s.shape) for n, s in contents.tensors.items() if not n.endswith(COUNTER)}
    theirs = {ours: path for path, ours in (names_by_shape(shapes) or {}).items()}
    layers = {node.name: node for node in owners(program.graph)}
    body = {path for path, node in layers.items() if node.part != HEAD}
    if not body or not body <= theirs.keys() <= layers.keys():
        return None
    named = own_names(program, theirs)
    wanted = {
        named.tensor(path, parameter): parameter.shape
        for path in theirs
        for _, parameter in layers[path].parameters()
    }
    there = set(theirs.values())
    fits = wanted == {name: shape for name, shape in shapes.items() if name.rpartition(".")[0] in there}
    return _Reading(named, contents.tensors, whole=True) if fits else None


def _placed(contents: Contents, program: Program) -> Contents:
    """What a graph holds under the names of its layers' places, if more of the model's are among those."""
    wanted = {name for name, _ in program.graph.parameters()}
    ours = {theirs: name for name, theirs in contents.by_place.items()}
    tensors = {ours.get(name, name): stored for name, stored in contents.tensors.items()}
    if len(wanted & tensors.keys()) <= len(wanted & contents.tensors.keys()):
        return contents
    called = {name: theirs for name, theirs in contents.by_place.items() if name != theirs}
    return replace(contents, tensors=tensors, called=called, notes=(*contents.notes, BY_PLACE))


def _unfolded(contents: Contents, program: Program, asked: Asked) -> Contents:
    """What a file of folded norms holds under our names, with norms that do nothing."""
    graph, tensors = program.graph, contents.tensors
    check_called(program, asked.called)
    own = own_names(program, asked.called)
    reading = _read(without_norms(own, graph), tensors)
    if asked.names is not None and not reading.whole:
        names = fitting_names(program, asked.names, asked.partial, asked.called)
        found = _chosen([_read(without_norms(each, graph), tensors) for each in names], program)
        whole = next(each for each in names if each.map is found.names.map)
        layers = {path: replace(layer, bias=True) for path, layer in whole.layers.items()}
        named = replace(found, names=replace(whole, layers=layers))
        added = with_norms(found.tensors, named.names, graph)
        return _translated(contents, replace(named, tensors=added), program, asked)
    ours = _renamed(contents, reading, asked) if reading.whole else _placed(contents, program)
    added = with_norms(ours.tensors, own_names(program, {}), graph)
    return with_biases_in_means(replace(ours, tensors=added), graph)


def _chosen(found: list[_Reading], program: Program) -> _Reading:
    """The one reading of a file, or the first of several that read the same."""
    best = [each for each in found if each.whole] or found
    most = max(len(each.present()) for each in best)
    best = [each for each in best if len(each.present()) == most]
    current = [each for each in best if not each.names.map.older] or best
    shortest = sorted(current, key=lambda each: len(each.taken_off))
    first = shortest[0]
    if any(each.file_names() != first.file_names() for each in shortest[1:]):
        kinds = " and of ".join(each.names.title for each in shortest)
        what = "its names" if first.whole else f"the names of {program.name}"
        raise UsageError(f"{what} are those of {kinds} alike; --from (in Python, names=) says which they are")
    others = tuple(each.names.title for each in shortest[1:])
    return replace(first, names=replace(first.names, others=others))


def _readings(program: Program, tensors: Tensors, called: Called) -> Iterator[_Reading]:
    """Yield what maps of all libraries make of a file; raises UsageError where all fits but the network."""
    others: list[tuple[str, list[Candidate]]] = []
    any_whole = False
    for library in known_libraries():
        tried = [each for each in candidates(program, library, called) if _may_be(each, tensors)]
        fitting = [each for each in tried if not each.lacking and not each.unmet]
        for each in closest(fitting):
            reading = _by(library, program, each, tensors)
            if reading is not None:
                any_whole |= reading.whole
                yield reading
        others.append((library, [each for each in tried if not each.lacking and each.unmet]))
    if any_whole:
        return
    for library, tried in others:
        read = {each: _by(library, program, each, tensors) for each in tried}
        meant = [each for each, reading in read.items() if reading is not None and reading.whole]
        if meant:
            raise UsageError(f"its names are not those of {program.name}: {refusal(library, program, meant)}")


def _by(library: str, program: Program, candidate: Candidate, tensors: Tensors) -> _Reading | None:
    """The reading by a map, None if the model has no names by it, such as two layers of one."""
    try:
        return _read(names_of(library, program, candidate), tensors)
    except SeveralPrefixesError:
        raise
    except UsageError:
        return None


def _may_be(candidate: Candidate, tensors: Tensors) -> bool:
    """Whether the file may have the names of a map, as far as the first layer tells."""
    first = candidate.first()
    if first is None:
        return False
    rest = first.removeprefix(candidate.map.prefix)
    return any(name.rpartition(candidate.map.style.joint)[0].endswith(rest) for name in tensors)


def _read(names: ModelNames, tensors: Tensors) -> _Reading:
    """The tensors of a file under the names of a map: less what stands before all of them in the file."""
    body = _body(names)
    found: dict[str, _Reading] = {}
    for put_on in dict.fromkeys(("", names.map.prefix)):
        wanted = [name.removeprefix(put_on) for name in body]
        for taken_off in _fronts(wanted, tensors):
            if all(taken_off + name in tensors for name in wanted):
                theirs = set(names.tensors().values())
                under = {_name(n, taken_off, put_on, theirs): stored for n, stored in tensors.items()}
                reading = _Reading(names, under, taken_off, put_on, True)
                if not taken_off:
                    return reading
                found.setdefault(taken_off + wanted[0], reading)
    if len(found) > 1:
        listed = (f"`{printable(each.taken_off)}`" for each in list(found.values())[:4])
        fronts = " and without ".join(listed)
        raise SeveralPrefixesError(
            f"the tensors of the network fit without the prefix {fronts} alike; "
            "--prefix (in Python, prefix=) says which are meant"
        )
    return next(iter(found.values()), _Reading(names, tensors))


def _name(name: str, taken_off: str, put_on: str, wanted: set[str]) -> str:
    short = name.removeprefix(taken_off)
    return put_on + short if put_on + short in wanted else short


def _body(names: ModelNames) -> list[str]:
    """The tensors outside of the head that a file has to have; a bias that a library has not is none."""
    return [
        names.tensor(path, parameter)
        for path, layer in names.layers.items()
        if layer.node.part != HEAD
        for _, parameter in layer.node.parameters()
        if not (parameter.role == "bias" and layer.bias is False)
    ]


def _fronts(wanted: list[str], tensors: Tensors) -> list[str]:
    """What may stand before the names in the file, nothing first."""
    if not wanted:
        return []
    found = [name[: -len(wanted[0])] for name in tensors if name.endswith(f".{wanted[0]}")]
    return ["", *sorted(found, key=len)]


# --- under our names ---------------------------------------------------------------------------


def _translated(contents: Contents, reading: _Reading, program: Program, asked: Asked) -> Contents:
    """The contents of a file with the names of a library."""
    heads = found_heads(reading.names, reading.tensors, any_rows=asked.classes is not None)
    if heads:
        layers = dict(reading.names.layers)
        layers |= {path: replace(layers[path], theirs=theirs) for path, theirs in heads.items()}
        reading = replace(reading, names=replace(reading.names, layers=layers))
    notes = (*contents.notes, *_front_notes(reading), *_head_notes(heads))
    ways = (*contents.ways, *_front_notes(reading), f"by the names of {reading.names.library}")
    named = replace(contents, tensors=reading.tensors, notes=notes, ways=ways)
    return from_library(named, reading.names, program.graph)


def _renamed(contents: Contents, reading: _Reading, asked: Asked) -> Contents:
    """The contents of a file whose names are ours, but for layers of the head."""
    heads = found_heads(reading.names, reading.tensors, any_rows=asked.classes is not None)
    layers = {path: layer.theirs for path, layer in reading.names.layers.items()} | heads
    ours = {theirs: path for path, theirs in layers.items() if theirs != path}
    tensors = {_under(name, ours): stored for name, stored in reading.tensors.items()}
    called = {new: old for old in reading.tensors if (new := _under(old, ours)) != old}
    notes = (*contents.notes, *_front_notes(reading), *_head_notes(heads))
    ways = (*contents.ways, *_front_notes(reading))
    return replace(contents, tensors=tensors, notes=notes, called=called, ways=ways)


def _under(name: str, ours: Mapping[str, str]) -> str:
    layer, _, tensor = name.rpartition(".")
    return f"{ours[layer]}.{tensor}" if layer in ours else name


def _front_notes(reading: _Reading) -> list[str]:
    return [f"without the prefix `{printable(reading.taken_off)}`"] if reading.taken_off else []


def _head_notes(heads: Mapping[str, str]) -> list[str]:
    return [
        f"{path} is `{printable(theirs)}` there: no other has its kind and shape"
        for path, theirs in heads.items()
    ]
