"""Names in a generated file: what it uses itself, and what its classes keep for themselves."""

from __future__ import annotations

from resnet_dsl.backend.ir import KEPT
from resnet_dsl.backend.python_source import CONSTANTS
from resnet_dsl_torch.helpers import HELPERS

# What the file's own names are: no class, parameter or variable takes them.
RESERVED = frozenset({"self", "torch", "nn", "F", "math", "empty", *HELPERS, *CONSTANTS})

# Attributes of the classes: no parameter takes them, and no layer has them to begin with.
MODULE = KEPT
