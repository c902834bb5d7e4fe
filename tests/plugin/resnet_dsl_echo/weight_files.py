"""Weights as an archive of NumPy's, read without pickles."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from resnet_dsl.backend.contents import Contents, Metadata, Stored
from resnet_dsl.backend.ir import Array, Program


def read(path: Path) -> Contents:
    archive = np.load(path, allow_pickle=False)
    found = {name: archive[name] for name in archive.files}
    return Contents("npz", {n: Stored(v.shape, v.dtype.name, partial(np.array, v)) for n, v in found.items()})


def encode(program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    return encode_named(state, metadata, suffix)


def encode_named(state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes:
    file = io.BytesIO()
    np.savez(file, **state)
    return file.getvalue()
