"""What a backend translates: the program, its network and graph, and the catalogue of ops.

With `resnet_dsl.backend.interface` this is all that a backend without source of its own needs.
"""

from resnet_dsl.ir import ops
from resnet_dsl.ir.arguments import Pair, Sides, sides
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.formulas import names_of
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.kept_names import KEPT
from resnet_dsl.ir.network import AGAIN, BlockCall, Body, FurtherResult, Network, Node, PixelInput, Stage
from resnet_dsl.ir.ops import CATALOGUE, Op, TensorSpec
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.program import Program

__all__ = [
    "AGAIN",
    "CATALOGUE",
    "INPUT",
    "KEPT",
    "Array",
    "BlockCall",
    "Body",
    "Extent",
    "FurtherResult",
    "Graph",
    "GraphNode",
    "Network",
    "Node",
    "Op",
    "Pair",
    "PixelInput",
    "Program",
    "Shape",
    "Sides",
    "Stage",
    "TensorSpec",
    "names_of",
    "ops",
    "sides",
]  # fmt: skip
