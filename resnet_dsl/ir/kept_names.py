"""Names that a layer, a block or a stage cannot have: the classes of frameworks keep them for themselves.

It is one list for the whole language, so that a spec means the same whichever backends are installed:
a name is refused by `check`, or every backend takes it. What else a framework needs a name for, its
backend calls otherwise in the files that it writes.
"""

from __future__ import annotations

# Attributes of every torch.nn.Module (2.4 to 2.13) and of generated models, which a submodule of the
# same name would hide; what starts with an underscore is PyTorch's own too.
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
KEPT = frozenset(_ATTRIBUTES.split())


def is_kept(name: str) -> bool:
    """Whether a framework keeps the name for itself."""
    return name in KEPT or name.startswith("_")
