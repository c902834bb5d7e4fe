"""The text of a generated module: what is said elsewhere, each in its place.

No template engine: to import one would take longer than all else that a file of torch needs.
"""

from __future__ import annotations

from resnet_dsl.backend.records import dataclass
from resnet_dsl_torch.blocks import ClassText


@dataclass(frozen=True)
class ModelText:
    """The class of the model; what has several lines is indented already."""

    name: str
    doc: str
    opening: str
    init: str
    reset: str
    returns: str
    forward: str


@dataclass(frozen=True)
class ModuleText:
    """A module's parts in their order; `preprocess`, `frozen` and `norms` are constants, or empty."""

    name: str
    origin: list[str]
    spec: list[str]
    uses_math: bool
    uses_functional: bool
    preprocess: str
    frozen: str
    norms: str
    helpers: list[str]
    classes: list[ClassText]
    model: ModelText

    def text(self) -> str:
        """Return the module."""
        constants = [f"\n{each}\n" for each in (self.preprocess, self.frozen, self.norms) if each]
        parts = [self._header(), *constants, *map(_helper, self.helpers), *map(_class, self.classes)]
        return "".join([*parts, self._model()])

    def _header(self) -> str:
        origin = "".join(f"# {line}\n" for line in self.origin)
        spec = "".join(f"# | {line}\n" if line else "# |\n" for line in self.spec)
        return (
            f'"""{self.name}: a convolutional network for PyTorch."""\n\n{origin}#\n{spec}\n'
            + ("import math\n\n" if self.uses_math else "")
            + "import torch\n"
            + ("import torch.nn.functional as F\n" if self.uses_functional else "")
            + "from torch import nn\n"
        )

    def _model(self) -> str:
        model = self.model
        return (
            f"\n\nclass {model.name}(nn.Module):\n    {model.doc}\n\n"
            f"{model.opening}\n        super().__init__()\n"
            + (f"{model.init}\n" if model.init else "")
            + "        self.reset_parameters()\n"
            + (FREEZE_PARTS if self.frozen else "")
            + (FREEZE_NORMS if self.norms else "")
            + f"\n    def reset_parameters(self) -> None:\n{RESET_DOC}{model.reset}\n\n"
            + (self._train() if self.frozen or self.norms else "")
            + f"    def forward(self, x: torch.Tensor) -> {model.returns}:\n{model.forward}\n"
        )

    def _train(self) -> str:
        """The method that leaves statistics as they are."""
        kept = [("the frozen parts", self.frozen), ("the norms", self.norms)]
        what = " and ".join(words for words, given in kept if given)
        return (
            f'    def train(self, mode: bool = True) -> "{self.model.name}":\n'
            f'        """Set training mode, but for {what}: their statistics stay."""\n'
            "        super().train(mode)\n"
            + (KEEP_PARTS if self.frozen else "")
            + (KEEP_NORMS if self.norms else "")
            + "        return self\n\n"
        )


RESET_DOC = '        """Start afresh with the initial weights that the spec asks for."""\n'
FREEZE_PARTS = """\
        for name in FROZEN:
            self.get_submodule(name).requires_grad_(False)
"""
FREEZE_NORMS = """\
        for module in self.modules():
            if isinstance(module, FROZEN_NORMS):
                module.requires_grad_(False)
"""
KEEP_PARTS = """\
        for name in FROZEN:
            self.get_submodule(name).eval()
"""
KEEP_NORMS = """\
        for module in self.modules():
            if isinstance(module, FROZEN_NORMS):
                module.eval()
"""


def _helper(text: str) -> str:
    """A function or class has two blank lines before it, a constant one."""
    return f"\n\n{text}\n" if text.startswith(("def", "class")) else f"\n{text}\n"


def _class(block: ClassText) -> str:
    bodies = "".join(f"\n{body}\n" for body in (block.init, block.forward) if body)
    return f"\n\nclass {block.name}({block.parent}):\n    {block.doc}\n{bodies}"
