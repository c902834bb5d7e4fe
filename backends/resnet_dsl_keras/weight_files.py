"""Keras' weights in HDF5, both kinds: every layer is found by its name, never by its place.

`.weights.h5` numbers its groups by class and order, and keeps a layer's name as an attribute; the
legacy `.h5` names its groups after the layers. Reading needs h5py alone.
"""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from resnet_dsl.backend.bounds import GROUPS, check_metadata, check_tensors
from resnet_dsl.backend.contents import KEY, Contents, Metadata, Stored, metadata_value
from resnet_dsl.backend.interface import LiveModel
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.records import replace
from resnet_dsl.backend.refusals import UsageError, printable
from resnet_dsl_keras.tensor_names import (
    DEPTHWISE,
    KERNEL,
    NAMES,
    keras_variables,
    layer_name,
    path_of,
    shape_in_torch,
    variable_in_torch,
)

LEGACY_ROOT = "model_weights"
LEGACY_LAYERS = "layer_names"
VERSION, LONGEST_VERSION = "keras_version", 40
PRODUCER = "producer"
STATISTICS = ("moving_mean", "moving_variance")
# The variables of a layer by its class, as `.weights.h5` numbers them.
VARIABLES = {
    "conv2d": ("kernel", "bias"),
    "standardized_conv2d": ("kernel", "bias"),
    "conv1d": ("kernel", "bias"),
    "depthwise_conv2d": (DEPTHWISE, "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", *STATISTICS),
    "group_normalization": ("gamma", "beta"),
    "layer_normalization": ("gamma", "beta"),
    "p_re_lu": ("alpha",),
    # Layers of our own.
    "scaled_standardized_conv2d": ("kernel", "bias", "gain"),
    "conv_transpose": ("kernel", "bias"),
    "learned_scale": ("alpha",),
    "learned_shift": ("beta",),
    "global_response_norm": ("gamma", "beta"),
    "generalized_mean": ("alpha",),
    "positions": ("positional_embedding",),
    "attention": ("height_rel", "width_rel"),
}
WITHOUT_BIAS = {("scaled_standardized_conv2d", 2): ("kernel", "gain")}
NORM = "batch_normalization"
WHOLE = {
    "group_normalization": 2,
    "layer_normalization": 2,
    "attention": 2,
}  # with fewer, their numbers do not tell which they are
# A batch norm always has its statistics, behind what is learned; of three variables the first is either.
EITHER = "gamma or beta"
# What else a variable may be: Keras 3 calls depthwise kernels as all others in a legacy file, and name
# maps of other libraries count the axes of a depthwise kernel as if it were a usual one.
OTHERWISE = {KERNEL: DEPTHWISE, DEPTHWISE: KERNEL}
NO_LAYERS = ("optimizer", "metrics", "compile_metrics")
GENERATOR = "seed_generator"  # of a dropout; no weight
LARGEST_CHUNK = 1 << 20  # of elements; HDF5 unpacks a chunk whole, however small the dataset
NUMBERED = re.compile(r"_\d+$")


# --- writing -----------------------------------------------------------------------------------


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the bytes of a file that Keras' own `load_weights` takes."""
    from resnet_dsl_keras.runtime import build_unstarted, build_with  # Keras; reading needs h5py alone

    renamed = program.renamed(state)
    result = io.BytesIO()
    with h5py.File(result, "w") as file:
        file.attrs[KEY] = json.dumps(metadata, sort_keys=True)  # first, so that it lies near the start
        if suffix == ".h5":
            _write_legacy(file, build_unstarted(program), renamed)
        else:
            _write_saved(file, build_with(program, renamed, "float32"))
    return result.getvalue()


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the bytes of a legacy file under whatever names, its layers in the order of the tensors."""
    if suffix != ".h5":
        raise UsageError(f"a {suffix} is in the order of a whole model of Keras: write a .h5 for other names")
    layers: dict[str, dict[str, Array]] = {}
    for name, value in state.items():
        owner, _, tensor = name.rpartition(".")
        layers.setdefault(owner, {})[tensor] = np.asarray(value, np.float32)
    result = io.BytesIO()
    with h5py.File(result, "w") as file:
        file.attrs[KEY] = json.dumps(metadata, sort_keys=True)
        variables = ((layer_name(path), keras_variables(tensors)) for path, tensors in layers.items())
        _write_layers(file, variables)
    return result.getvalue()


def _write_saved(file: h5py.File, model: LiveModel) -> None:
    """Copy what Keras saves."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.weights.h5")
        model.save_weights(path)
        with h5py.File(path, "r") as saved:
            for name in saved:
                saved.copy(name, file)


def _write_legacy(file: h5py.File, model: LiveModel, state: Mapping[str, Array]) -> None:
    """Write groups by layer in the model's order, since Keras reads them by order unless told otherwise.

    The values come from their arrays: of the model, only its layers and the shapes of their variables matter.
    """
    import keras

    from resnet_dsl_keras.runtime import matching_variables, named_in, written

    matching_variables(model, state)
    layers = (
        (layer.name, {named.kind: written(named, state[named.name]) for named in named_in(layer)})
        for layer in model.layers
    )
    _write_layers(file, layers)
    file.attrs["backend"] = keras.backend.backend()
    file.attrs["keras_version"] = keras.__version__


def _write_layers(file: h5py.File, layers: Iterable[tuple[str, Mapping[str, Array]]]) -> None:
    """Write a group for each layer, with its variables."""
    written = []
    for layer, variables in layers:
        written.append(layer)
        group = file.create_group(layer)
        _put_names(group, "weight_names", [f"{layer}/{name}" for name in variables])
        for name, value in variables.items():
            group.create_dataset(f"{layer}/{name}", data=value)
    _put_names(file, LEGACY_LAYERS, written)


def _put_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    """Write names as Keras does: in so many attributes that each stays below HDF5's 64 KiB."""
    encoded = np.array([name.encode() for name in names], "S" if names else "S1")
    parts = encoded.nbytes // 64_000 + 1
    if parts == 1:
        group.attrs[attribute] = encoded
        return
    for index, part in enumerate(np.array_split(encoded, parts)):
        group.attrs[f"{attribute}{index}"] = part


# --- reading -----------------------------------------------------------------------------------


def read(path: Path) -> Contents:
    """Return the weights of a file, whichever of the two kinds it is."""
    file = h5py.File(path, "r")
    root = file
    if isinstance(file.get(LEGACY_ROOT, getlink=True), h5py.HardLink):
        root = file[LEGACY_ROOT]
    legacy = any(_names(path, root, LEGACY_LAYERS))
    found = _legacy(path, root) if legacy else _saved(path, file)
    tensors: dict[str, Stored] = {}
    for layer, variable, dataset in found:
        name = f"{path_of(layer)}.{NAMES.get(variable, variable)}"
        if name in tensors:
            raise UsageError(f"{path}: two layers are called {printable(layer)}")
        tensors[name] = _stored(path, variable, dataset)
        if variable == EITHER:
            tensors[name] = replace(tensors[name], among=(NAMES["gamma"], NAMES["beta"]))
    if not tensors:
        raise UsageError(f"{path}: an HDF5 file without weights of Keras")
    ours = str(file.attrs[KEY]) if KEY in file.attrs else ""
    check_metadata(path, len(ours))
    metadata = {KEY: metadata_value(ours)} if ours else {}
    version = next((each.attrs[VERSION] for each in (file, root) if VERSION in each.attrs), None)
    if version is not None and not ours:
        metadata[PRODUCER] = f"Keras {_text(version)[:LONGEST_VERSION]}"
    return Contents("keras legacy" if legacy else "keras", tensors, metadata)


Found = Iterator[tuple[str, str, h5py.Dataset]]


def _saved(path: Path, file: h5py.File) -> Found:
    """Yield (layer, variable, dataset) of a `.weights.h5`; what a link leads to is not visited."""
    for place, dataset in _datasets(path, file):
        *above, number = PurePosixPath(place).parts
        if len(above) < 2 or above[-1] != "vars" or above[0] in NO_LAYERS or GENERATOR in above:
            continue
        kind = NUMBERED.sub("", above[-2])
        attributes = dataset.parent.attrs
        if "name" not in attributes:
            raise UsageError(f"{path}: {printable(place)} does not say which layer it belongs to")
        yield _text(attributes["name"]), _variable(kind, number, len(dataset.parent)), dataset


def _variable(kind: str, number: str, count: int) -> str:
    """The name of a layer's variable, its number where that does not tell."""
    known = WITHOUT_BIAS.get((kind, count), VARIABLES.get(kind, ()))
    if kind == NORM and len(STATISTICS) <= count < len(known) and number.isdecimal() and int(number) < count:
        return (EITHER, *STATISTICS)[int(number) - count]
    certain = number.isdecimal() and int(number) < len(known) and count >= WHOLE.get(kind, 0)
    return known[int(number)] if certain else number


def _legacy(path: Path, root: h5py.Group) -> Found:
    """Yield (layer, variable, dataset) of a legacy file; in a group for a whole model, by the inner names."""
    for layer in _names(path, root, LEGACY_LAYERS):
        if not isinstance(root.get(layer, getlink=True), h5py.HardLink):
            raise UsageError(f"{path}: no group for the layer {printable(layer)}")
        group = root[layer]
        datasets = {place.removesuffix(":0"): dataset for place, dataset in _datasets(path, group)}
        weights = [name.removesuffix(":0") for name in _names(path, group, "weight_names")]
        owners = {PurePosixPath(weight).parent.name for weight in weights}
        for weight in weights:
            if weight not in datasets:
                raise UsageError(f"{path}: no data for {printable(weight)}")
            within = PurePosixPath(weight)
            yield layer if len(owners) == 1 else within.parent.name, within.name, datasets[weight]


def _datasets(path: Path, group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every dataset below a group, each once; soft and external links are not followed."""
    seen: set[object] = set()
    waiting: list[tuple[str, h5py.Group]] = [("", group)]
    while waiting:
        above, parent = waiting.pop()
        check_tensors(path, len(seen) + len(parent))
        if above.count("/") > GROUPS.most:
            raise UsageError(f"{path}: more than {GROUPS.most} groups lie within each other")
        inner = []
        for name in sorted(parent):
            if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                continue
            item = parent[name]
            if (key := _identity(item)) in seen:
                continue
            seen.add(key)
            if isinstance(item, h5py.Dataset):
                yield f"{above}{name}", item
            elif isinstance(item, h5py.Group):
                inner.append((f"{above}{name}/", item))
        waiting += reversed(inner)


def _identity(item: h5py.HLObject) -> object:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _names(path: Path, group: h5py.Group, attribute: str) -> list[str]:
    """Names in an attribute, or in several where one would be too large."""
    if attribute in group.attrs:
        return _listed(path, group, attribute)
    names, index = [], 0
    while f"{attribute}{index}" in group.attrs:
        names += _listed(path, group, f"{attribute}{index}")
        check_tensors(path, len(names))
        index += 1
    return names


def _listed(path: Path, group: h5py.Group, attribute: str) -> list[str]:
    check_tensors(path, prod(group.attrs.get_id(attribute).shape))
    return [_text(name) for name in group.attrs[attribute]]


def _text(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _stored(path: Path, variable: str, dataset: h5py.Dataset) -> Stored:
    """A dataset in torch's layout; one whose values lie in another file is refused."""
    if dataset.external or dataset.is_virtual:
        raise UsageError(f"{path}: {printable(str(dataset.name))} lies in another file: refused")
    if dataset.chunks and prod(dataset.chunks) > max(dataset.size, LARGEST_CHUNK):
        raise UsageError(
            f"{path}: {printable(str(dataset.name))} would unpack to far more than it is: refused"
        )
    half = _text(dataset.attrs.get("dtype", "")) == "bfloat16" and dataset.dtype.itemsize == 2
    dtype = "bfloat16" if half else dataset.dtype.name
    shape = dataset.shape or ()

    def as_variable(kind: str) -> Stored:
        return Stored(shape_in_torch(kind, shape), dtype, functools.partial(_load, kind, dataset, half))

    other = OTHERWISE.get(variable) if len(shape) == 4 else None
    return replace(as_variable(variable), otherwise=as_variable(other) if other else None)


def _load(variable: str, dataset: h5py.Dataset, half: bool) -> Array:
    """Read values; bfloat16 lies there as two bytes of no type, the upper half of a float32."""
    value = np.asarray(dataset[()])
    if half:
        value = (value.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(variable_in_torch(variable, value))
