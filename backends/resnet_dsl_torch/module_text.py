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
class PixelText:
    """What a module that takes images says of them: the constants, and whether the channels turn round."""

    constants: str
    reversed: bool


@dataclass(frozen=True)
class ModuleText:
    """A module's parts in their order; `preprocess`, `frozen` and `norms` are constants, or empty.

    One for `inference` alone keeps maps with channels innermost, where it takes any.
    """

    name: str
    origin: list[str]
    spec: list[str]
    uses_math: bool
    uses_functional: bool
    preprocess: str
    frozen: str
    norms: str
    inference: bool
    pixels: PixelText | None
    takes_map: bool
    helpers: list[str]
    classes: list[ClassText]
    model: ModelText

    def text(self) -> str:
        """Return the module."""
        pixels = "" if self.pixels is None else f"{PIXELS_DOC}{self.pixels.constants}"
        found = (self.preprocess, pixels, self.frozen, self.norms)
        constants = [f"\n{each}\n" for each in found if each]
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
            + (PIXEL_BUFFERS if self.pixels else "")
            + f"{model.opening}\n        super().__init__()\n"
            + (f"{model.init}\n" if model.init else "")
            + "        self.reset_parameters()\n"
            + (KEEP_PIXELS if self.pixels else "")
            + (FREEZE_PARTS if self.frozen else "")
            + (FREEZE_NORMS if self.norms else "")
            + (KEEP_LAYOUT if self.inference and self.takes_map else "")
            + (KEEP_EVALUATION if self.inference else "")
            + f"\n    def reset_parameters(self) -> None:\n{RESET_DOC}{model.reset}\n\n"
            + (self._train() if self.frozen or self.norms else "")
            + (
                f'    def train(self, mode: bool = True) -> "{model.name}":\n{REFUSE}'
                if self.inference
                else ""
            )
            + f"    def forward(self, x: torch.Tensor) -> {model.returns}:\n{self._start()}{model.forward}\n"
        )

    def _start(self) -> str:
        """The lines of `forward` before what the network does."""
        turned = ".flip(1)" if self.pixels is not None and self.pixels.reversed else ""
        pixels = f"        x = x.permute(0, 3, 1, 2){turned}\n{SHIFT_PIXELS}" if self.pixels else ""
        return pixels + (PUT_LAYOUT if self.inference and self.takes_map else "")

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
PIXELS_DOC = "# Of each channel: pixel * scale + shift is what the network takes.\n"
PIXEL_BUFFERS = "    _scale: torch.Tensor\n    _shift: torch.Tensor\n\n"
KEEP_PIXELS = """\
        for name, values in (("_scale", PIXEL_SCALE), ("_shift", PIXEL_SHIFT)):
            channels = torch.tensor(values, device="cpu").view(1, -1, 1, 1)
            self.register_buffer(name, channels, persistent=False)
"""
SHIFT_PIXELS = "        x = x * self._scale.to(x.device) + self._shift.to(x.device)\n"
PUT_LAYOUT = "        x = x.contiguous(memory_format=torch.channels_last)\n"
KEEP_LAYOUT = """\
        # Convolutions are fastest with channels innermost: nothing is put in another order then.
        self.to(memory_format=torch.channels_last)
"""
KEEP_EVALUATION = "        self.eval().requires_grad_(False)\n"
REFUSE = '''\
        """Refuse training mode: what only training needs is not there, and values are overwritten."""
        if mode:
            raise RuntimeError(
                "this model is for inference: compile its spec without --optimize to train it"
            )
        return super().train(False)

'''
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
