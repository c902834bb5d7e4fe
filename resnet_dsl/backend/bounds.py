"""The bounds that backends hold files and models to."""

from pathlib import Path

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.limits import AXES, CONSTANTS, GRAPH, GROUPS, HEADER, METADATA, NODES, OPCODES, TENSORS

__all__ = [
    "AXES", "CONSTANTS", "GRAPH", "GROUPS", "HEADER", "METADATA", "NODES", "OPCODES", "TENSORS",
    "check_metadata", "check_tensors",
]  # fmt: skip


def check_tensors(path: Path, count: int) -> None:
    """Raise UsageError for a file with more tensors, nodes or groups than any network has."""
    if count > TENSORS.most:
        raise UsageError(f"{path}: holds more than {TENSORS.most:,} tensors or parts of a graph")


def check_metadata(path: Path, length: int) -> None:
    """Raise UsageError for a file that says more of itself than any program would want to know."""
    if length > METADATA.most:
        raise UsageError(f"{path}: its metadata have {length:,} characters; the limit is {METADATA.most:,}")
