"""A network as one Python file: classes of blocks, then the model, placed by a template."""

from __future__ import annotations

from resnet_dsl.codegen.constants import frozen_constant, has_parameters, preprocess_constant
from resnet_dsl.codegen.provenance import origin, spec_lines
from resnet_dsl.codegen.templates import template
from resnet_dsl.codegen.text_classes import class_name, classes_of
from resnet_dsl.codegen.text_model_body import outline, used_helpers
from resnet_dsl.codegen.text_statements import docstring
from resnet_dsl.program import Program
from resnet_dsl_torch import model
from resnet_dsl_torch.blocks import class_text
from resnet_dsl_torch.helpers import HELPERS
from resnet_dsl_torch.initialise import reset_lines
from resnet_dsl_torch.reserved_names import MODULE, RESERVED, check_names
from resnet_dsl_torch.rules import lower


def render(program: Program) -> str:
    """Return the source of a program's model; raises CompileError for a name that torch needs."""
    check_names(program.network)
    classes = classes_of(program.network, RESERVED | MODULE)
    taken = RESERVED.union(block.name for block in classes.classes)
    whole = outline(program, classes, RESERVED)
    used = used_helpers(whole, classes, lambda op, step: lower(op, step).helpers)
    helpers = [HELPERS[name] for name in HELPERS if name in used]
    texts = [class_text(block) for block in classes.classes]
    forward = "\n".join(model.forward_lines(whole))
    reset = "\n".join(reset_lines(program, classes))
    body = "\n".join([forward, *(text.forward for text in texts), *helpers])
    return template("resnet_dsl_torch").render(
        name=program.name,
        origin=list(origin(program)),
        spec=list(spec_lines(program)),
        uses_math="math." in reset,
        uses_functional="F." in body,
        preprocess=preprocess_constant(program),
        frozen=frozen_constant(program, has_parameters),
        helpers=helpers,
        classes=texts,
        model={
            "name": class_name(program.name, taken, "Model"),
            "doc": docstring(model.doc(program), 4),
            "init": "\n".join(model.init_lines(whole, classes)),
            "reset": reset,
            "returns": "dict[str, torch.Tensor]" if whole.outputs else "torch.Tensor",
            "forward": forward,
        },
    )
