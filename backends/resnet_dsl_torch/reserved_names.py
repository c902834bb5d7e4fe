"""Names in a generated file: what it uses itself, and what a step cannot be called in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.backend.ir import Network
from resnet_dsl.backend.python_source import CONSTANTS, has_parameters
from resnet_dsl.backend.refusals import Diagnostic, Findings, Span
from resnet_dsl_torch.helpers import HELPERS

# What the file's own names are: no class, parameter or variable takes them.
RESERVED = frozenset({"self", "torch", "nn", "F", "math", *HELPERS, *CONSTANTS})

# Attributes of every torch.nn.Module (2.4 to 2.13) and of the generated model, which a submodule of
# the same name would hide; what starts with an underscore is PyTorch's own too.
_ATTRIBUTES = """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule
    half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters
    parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ reset_parameters
    set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad
"""
MODULE = frozenset(_ATTRIBUTES.split())


def check_names(network: Network) -> None:
    """Raise CompileError for every step or stage that PyTorch needs the name of."""
    findings = Findings()
    for name, span in _kept(network):
        if name in MODULE or name.startswith("_"):
            findings.add(Diagnostic("E0601", _message(name), span, hint="take another name"))
    findings.check()


def _message(name: str) -> str:
    owner = "the generated model" if name == "reset_parameters" else "torch.nn.Module"
    return f"`{name}` cannot be the name of a layer in PyTorch: it is an attribute of {owner}"


def _kept(network: Network) -> Iterator[tuple[str, Span | None]]:
    """Yield (name, place) of what becomes an attribute: stages, blocks, and steps with parameters."""
    for stage in network.stages:
        yield stage.name, stage.span
    bodies = {id(inner): inner for _, _, body in network.parts() for inner in body.bodies()}
    for body in bodies.values():
        yield from ((node.name, node.author) for node in body.nodes if has_parameters(node, body))
