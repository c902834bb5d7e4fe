"""Files of `torch.save`: read as tensors and nothing else, written as a state_dict with its counters."""

from __future__ import annotations

import functools
import pickletools
import re
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch

from resnet_dsl.backend.bounds import OPCODES, check_tensors
from resnet_dsl.backend.contents import KEY, Contents, Metadata, Stored
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_torch.runtime import COUNTER

NESTS = ("state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel, of torch.compile
STATISTIC = "running_var"
OLD_PICKLES = 4  # magic number, version, system, then the object
OBJECT = re.compile(r"GLOBAL (\S+)")


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the bytes of a state_dict as the model's own would be saved."""
    return encode_named(state, metadata, suffix)


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    """Return the bytes of a state_dict under whatever names, with the counters of batch norms.

    torch names the folder within after the file, which tells later that the file is ours.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        tensors[name] = torch.from_numpy(np.array(value, np.float32))
        owner, _, last = name.rpartition(".")
        if last == STATISTIC:
            tensors[f"{owner}.{COUNTER}"] = torch.tensor(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{KEY}{suffix}")
        torch.save(tensors, path)
        return path.read_bytes()


def read(path: Path) -> Contents:
    """Return the tensors of a state_dict, or of one within a checkpoint."""
    loaded, notes = _load(path), []
    for nest in NESTS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(nest), Mapping):
            others = ", ".join(sorted(ascii(key) for key in loaded if key != nest)[:8])
            notes.append(f"taken from its `{nest}`" + (f"; left aside: {others}" if others else ""))
            loaded = loaded[nest]
    if not isinstance(loaded, Mapping):
        raise UsageError(f"{path}: holds a {type(loaded).__name__}, not a state_dict")
    if any(not isinstance(name, str) for name in loaded):
        raise UsageError(f"{path}: not a state_dict: its keys are not all names")
    for prefix in PREFIXES:
        if loaded and all(name.startswith(prefix) for name in loaded):
            notes.append(f"without the prefix `{prefix}` of its names")
            loaded = {name.removeprefix(prefix): value for name, value in loaded.items()}
    return Contents("torch", {name: _stored(value) for name, value in loaded.items()}, {}, tuple(notes))


def _load(path: Path) -> object:
    """Unpickle nothing but tensors; `weights_only` is what stands between a file and the machine."""
    packed = zipfile.is_zipfile(path)
    if packed:
        with zipfile.ZipFile(path) as archive:
            check_tensors(path, len(archive.infolist()))
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise UsageError(f"{path}: a compressed archive; torch.save writes none")
    _check_pickle(path, packed)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except UnpicklingError as error:
        found = OBJECT.search(str(error))
        if found is None:
            raise
        raise UsageError(
            f"{path}: holds more than tensors ({found[1][:100]!a}); "
            "unpickling that can run code, so the file is refused"
        ) from None


def _check_pickle(path: Path, packed: bool) -> None:
    """Count the pickle's opcodes, each of which may make an object: a short file could fill the memory."""
    with ExitStack() as opened:
        if packed:
            archive = opened.enter_context(zipfile.ZipFile(path))
            pickles = [entry for entry in archive.infolist() if entry.filename.endswith("data.pkl")]
            files = [opened.enter_context(archive.open(entry)) for entry in pickles]
        else:  # the old format: several pickles one behind the other, then the data
            files = [opened.enter_context(path.open("rb"))] * OLD_PICKLES
        count = 0
        for file in files:
            try:
                for _ in pickletools.genops(file):
                    count += 1
                    if count > OPCODES.most:
                        raise UsageError(f"{path}: its pickle has more than {OPCODES.most:,} opcodes")
            except (ValueError, IndexError, UnicodeError):  # no pickle: loading it will say so
                return


def _stored(value: object) -> Stored:
    """A tensor as an array; what is none has its type for a dtype."""
    if not isinstance(value, torch.Tensor):
        return Stored((), type(value).__name__, lambda: np.array(value))
    dtype = str(value.dtype).removeprefix("torch.")
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        dtype = f"{dtype} (not dense)"
    return Stored(tuple(value.shape), dtype, functools.partial(_array, value))


def _array(value: torch.Tensor) -> Array:
    """NumPy has no bfloat16; float32 holds every value of it."""
    dense = value.detach()
    result: Array = (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
    return result
