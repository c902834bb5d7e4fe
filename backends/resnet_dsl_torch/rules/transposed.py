"""How PyTorch writes a transposed convolution; one whose padding differs by side is a class of the file."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Argument, Literal, Site, call, several
from resnet_dsl_torch.rules.lowering import TorchLowering, X, layer, lower


@lower.register
def _(op: ops.ConvTranspose, site: Site) -> TorchLowering:
    settings: dict[str, Argument] = {
        "stride": site.square("stride"),
        "output_padding": site.square("output_padding"),
        "groups": site.number("groups"),
        "bias": op.bias,
        "dilation": site.square("dilation"),
    }
    channels = (site.channels(), site.number("channels"), site.square("kernel"))
    if not ops.is_uneven(op.pad):
        made = call("nn.ConvTranspose2d", *channels, padding=site.square("pad"), **settings)
        return layer(site, made)
    cut = several(*(Literal(amount) for axis in op.pad for amount in axis))
    made = call("CutConvTranspose2d", *channels, cut=cut, **settings)
    return layer(site, made, X, "CutConvTranspose2d", kind="nn.ConvTranspose2d")
