"""A model in several files: the index beside them says which tensor lies in which.

Hugging Face writes `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from resnet_dsl.backend.bounds import HEADER, check_tensors
from resnet_dsl.backend.contents import Contents, Stored
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable

WHERE = "weight_map"


def read_shards(path: Path, read: Callable[[Path], Contents]) -> Contents:
    """Return the tensors of all files of an index; each has to lie beside it, and to hold what it says."""
    if path.stat().st_size > HEADER.most:
        raise UsageError(f"{path}: an index of more than {HEADER.most:,} bytes")
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: no index of shards: it is not JSON") from None
    where = found.get(WHERE) if isinstance(found, dict) else None
    if not isinstance(where, dict) or not all(isinstance(name, str) for name in where.values()):
        raise UsageError(f"{path}: no index of shards: it has no `{WHERE}`")
    check_tensors(path, len(where))
    files = {name: read(_beside(path, name)) for name in dict.fromkeys(where.values())}
    tensors = {name: _tensor(path, files[file], name, file) for name, file in where.items()}
    first = next(iter(files.values()), Contents("shards", {}))
    note = f"in {counted(len(files), 'file')}: {', '.join(printable(name) for name in list(files)[:4])}"
    return Contents(first.format, tensors, first.metadata, (note, *first.notes))


def _beside(path: Path, name: str) -> Path:
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise UsageError(f"{path}: the shard {printable(name)} does not lie beside it: refused")
    shard = path.with_name(name)
    if shard.suffix == ".json":
        raise UsageError(f"{path}: the shard {printable(name)} is no file of weights: refused")
    return shard


def _tensor(path: Path, contents: Contents, name: str, file: str) -> Stored:
    if name not in contents.tensors:
        raise UsageError(f"{path}: {printable(file)} lacks {printable(name)}")
    return contents.tensors[name]
