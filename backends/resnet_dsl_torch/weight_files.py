"""Files of `torch.save`: read as tensors and nothing else, written as a state_dict with its counters.

Neither takes torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from resnet_dsl.backend.artefacts import Pieces
from resnet_dsl.backend.containers import contents_of, with_note
from resnet_dsl.backend.contents import COUNTER, KEY, Contents, Metadata
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl.backend.refusals import UsageError, printable
from resnet_dsl.backend.unpickling import PickledTensor, StandIn
from resnet_dsl_torch.archives import Archive, read_archive
from resnet_dsl_torch.written_archive import written_archive

LISTED = 4
STATISTIC = "running_var"


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> Pieces:
    """Return the bytes of a state_dict as the model's own would be saved."""
    return encode_named(state, metadata, suffix)


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> Pieces:
    """Return the bytes of a state_dict under whatever names, with the counters of batch norms.

    torch names the folder within after the file; that it is this one tells later that the file is ours.
    """
    tensors: dict[str, Array] = {}
    for name, value in state.items():
        tensors[name] = np.asarray(value, np.float32, order="C")
        owner, _, last = name.rpartition(".")
        if last == STATISTIC:
            tensors[f"{owner}{COUNTER}"] = np.zeros((), np.int64)
    return written_archive(KEY, tensors)


def read(path: Path) -> Contents:
    """Return the tensors of a state_dict, of one in a checkpoint, or of a module; without torch."""
    archive = read_archive(path)
    found = contents_of(archive.value, "torch")
    if not found.tensors and not found.entries:
        raise UsageError(
            f"{path}: holds {_described(archive.value)}, and no state_dict{_passed_over(archive)}"
        )
    if archive.scripted:
        return with_note(found, "a TorchScript archive: the tensors of its modules, whose code is not run")
    return with_note(found, f"as tensors alone{passed}") if (passed := _passed_over(archive)) else found


def _described(value: object) -> str:
    """What a file holds in place of tensors by name."""
    if isinstance(value, StandIn):
        return f"an object of {printable(value.title or 'a class')}"
    if isinstance(value, PickledTensor):
        return "a tensor"
    return f"a {'dict' if isinstance(value, dict) else type(value).__name__}"


def _passed_over(archive: Archive) -> str:
    """What the file's pickle would have had imported, in words."""
    if not archive.named:
        return ""
    more = len(archive.named) - LISTED
    listed = ", ".join(ascii(name)[:100] for name in archive.named[:LISTED])
    return f"; not imported: {listed}" + (f" and {more} more" if more > 0 else "")
