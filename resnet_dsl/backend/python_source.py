"""What writes Python: expressions as trees, classes for equal blocks, statements, printer, template.

Importing it imports neither Jinja2 nor NumPy.
"""

from resnet_dsl.codegen.class_docs import made_of, needed_sizes
from resnet_dsl.codegen.classes import INDEX, BlockClass, BlockStep, Classes, ClassUse, classes_of
from resnet_dsl.codegen.constants import CONSTANTS, frozen_constant, norms_constant, preprocess_constant
from resnet_dsl.codegen.live import module_of, own_classes
from resnet_dsl.codegen.lowering import Lowering, Site
from resnet_dsl.codegen.model_body import ModelBody, ModelPart, model_body, used_helpers
from resnet_dsl.codegen.names import PYTHON, camel, class_name
from resnet_dsl.codegen.parameters import IN_CHANNELS, ClassParameter
from resnet_dsl.codegen.printer import WIDTH, docstring, quoted, signature, statement, text
from resnet_dsl.codegen.python import (
    Argument,
    Attribute,
    Binary,
    Call,
    Conditional,
    Dictionary,
    Expression,
    Joined,
    Kept,
    Literal,
    Name,
    Negative,
    Operand,
    Sequence,
    Slice,
    Spread,
    StepName,
    Subscript,
    affine,
    binary,
    call,
    changed,
    listed,
    method,
    names,
    several,
    walk,
)
from resnet_dsl.codegen.shared_steps import SharedUse, shared_blocks
from resnet_dsl.codegen.statements import Assignment, Statements, Unpacked, Written
from resnet_dsl.codegen.templates import template
from resnet_dsl.ir.network import has_parameters

__all__ = [
    "CONSTANTS", "INDEX", "IN_CHANNELS", "PYTHON", "WIDTH", "Argument", "Assignment", "Attribute", "Binary",
    "BlockClass", "BlockStep", "Call", "ClassParameter", "ClassUse", "Classes", "Conditional", "Dictionary",
    "Expression", "Joined", "Kept", "Literal", "Lowering", "ModelBody", "ModelPart", "Name", "Negative",
    "Operand", "Sequence", "SharedUse", "Site", "Slice", "Spread", "Statements", "StepName", "Subscript",
    "Unpacked", "Written", "affine", "binary", "call", "camel", "changed", "class_name", "classes_of",
    "docstring",
    "frozen_constant", "has_parameters", "listed", "made_of", "method", "model_body", "module_of", "names",
    "needed_sizes", "norms_constant", "own_classes", "preprocess_constant", "quoted", "several",
    "shared_blocks", "signature", "statement", "template", "text", "used_helpers", "walk",
]  # fmt: skip
