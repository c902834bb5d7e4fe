"""How a backend refuses: diagnostics with a place in the author's text, and errors of use."""

from resnet_dsl.diagnostics.errors import CompileError, Findings, UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.diagnostics.wording import printable

__all__ = ["CompileError", "Diagnostic", "Findings", "Span", "UsageError", "printable"]
