"""How Keras writes a transposed convolution: a layer of the file, as its own has no groups."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops, sides
from resnet_dsl.backend.python_source import Literal, Site, listed, several
from resnet_dsl_keras.rules.lowering import KerasLowering, helper_call, lower


@lower.register
def _(op: ops.ConvTranspose, site: Site) -> KerasLowering:
    ends = zip(sides(op.pad), op.output_padding, strict=True)  # type: ignore[arg-type]
    cut = listed(*(several(Literal(before), Literal(after - more)) for (before, after), more in ends))
    return KerasLowering(
        helper_call(
            "conv_transpose",
            site.number("channels"),
            site.pair("kernel"),
            stride=site.pair("stride"),
            cut=cut,
            dilation=site.pair("dilation"),
            groups=site.number("groups"),
            bias=op.bias,
            init=op.init,
        )
    )
