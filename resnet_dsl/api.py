"""The library: a spec loaded and checked, from which sources, live models and summaries are made."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Unpack

from resnet_dsl.backend.discovery import find_backend, runtime_of
from resnet_dsl.backend.file_arrays import mapped_files
from resnet_dsl.backend.interface import LiveModel, LoadedRuntime, built_with
from resnet_dsl.codegen.seal import sealed
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.arrays import Array
from resnet_dsl.printing.stages import print_graph, print_network
from resnet_dsl.printing.summary import summary_facts, summary_text
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass
from resnet_dsl.weights.source import Given, weights_for
from resnet_dsl.zoo.asked import Asked, AskedWords, asked_in
from resnet_dsl.zoo.model_names import with_names


@dataclass(frozen=True)
class Model:
    """A checked model; `program` has it in all its forms.

    Of every method, `names` is the library, such as `timm`, whose names the layers have outside of the
    spec: in the weights that are given, and in an artefact. Without it an artefact has the spec's names, and
    whose names weights have is found. `build` and `render` take weights under the spec's own names, too.
    `called` are layers that are called otherwise there, by path: `{"fc": "last_linear"}`.
    """

    program: Program

    @property
    def name(self) -> str:
        """The model's name."""
        return self.program.name

    @property
    def params(self) -> int:
        """The number of learned elements."""
        return self.program.cost.params

    @property
    def trainable(self) -> int:
        """The number of learned elements that are not frozen."""
        return self.program.cost.trainable

    @property
    def buffers(self) -> int:
        """The number of elements of batch-norm statistics."""
        return self.program.cost.buffers

    @property
    def macs(self) -> int | None:
        """The multiply-adds at batch 1, None where the input's size is open."""
        return self.program.cost.macs

    @property
    def depth(self) -> int:
        """The most weight layers on one way from input to output."""
        return self.program.cost.depth

    @property
    def input(self) -> tuple[int | None, ...]:
        """The input's channels, height and width."""
        network = self.program.network
        return network.input.at(network.extent)

    @property
    def outputs(self) -> dict[str, tuple[int | None, ...]]:
        """The shape of each output by its name, without the batch."""
        return dict(self.program.cost.output)

    @property
    def output(self) -> tuple[int | None, ...]:
        """The shape of the first output, without the batch."""
        return next(iter(self.outputs.values()))

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What the check remarked on without refusing."""
        return self.program.warnings

    def build(
        self,
        backend: str,
        *,
        seed: int | None = None,
        weights: Given | None = None,
        dtype: str | None = None,
        auxiliary: bool = False,
        **how: Unpack[AskedWords],
    ) -> LiveModel:
        """Return the live model of a framework, with the initial weights of a seed or with those given.

        `weights` are a file or arrays under canonical names. Without either the model starts as its
        framework starts it. `dtype` is a precision or, in Keras, a policy such as `mixed_float16`; without
        it the framework's own setting counts. `auxiliary` asks Keras for the outputs that exist in training
        only; PyTorch returns them in training. Raises UsageError if the framework is not installed,
        WeightsError if the weights do not fit; `partial` loads what fits, starts the rest from the seed,
        and warns.
        `names` and `called` are as in the class; PyTorch's layers keep their paths.
        """
        found, asked = find_backend(backend), asked_in(how)
        runtime = runtime_of(found)
        read_only = weights is not None and not found.renames
        with mapped_files() if isinstance(runtime, LoadedRuntime) else nullcontext():
            state = self._state(seed, weights, asked)
            program = with_names(self.program, None if read_only else asked.names, found, asked.called)
            if state is not None:
                model = built_with(runtime, program, program.renamed(state), dtype)
            else:
                model = runtime.build(program) if dtype is None else runtime.build(program, dtype)
        reduced = found.without_auxiliary
        if reduced is None or auxiliary or not self.program.network.auxiliary:
            return model
        return reduced.load()(model)

    def render(
        self,
        backend: str,
        weights: Given | None = None,
        *,
        seed: int | None = None,
        **how: Unpack[AskedWords],
    ) -> str | bytes:
        """Return the artefact a backend writes: source, or the bytes of an ONNX file with its weights.

        `names` and `called` are as in the class.
        """
        found, asked = find_backend(backend), asked_in(how)
        if found.no_weights and (seed is not None or weights is not None):
            raise UsageError(found.no_weights)
        program = with_names(self.program, asked.names, found, asked.called)
        content = sealed(found.render(program, self._state(seed, weights, asked)))
        return b"".join(content) if isinstance(content, tuple) else content

    def state(
        self,
        weights: Given | None = None,
        *,
        seed: int | None = None,
        **how: Unpack[AskedWords],
    ) -> dict[str, Array]:
        """Return the arrays that `build` would load: those of a file, or the initial ones of a seed (0).

        They have the model's own names; `names` and `called` are those of the weights given.
        """
        asked = asked_in(how)
        if weights is None and asked.needs_weights:
            raise UsageError(f"`{asked.needs_weights}` is about weights, and none are given")
        if seed is None and weights is None:
            seed = 0
        return self._state(seed, weights, asked, own_first=False) or {}

    def for_inference(self) -> Model:
        """Return the model for inference alone: norms are folded into layers, weights are as they are read.

        Its methods take weights of this model, and weights that are folded already.
        """
        from resnet_dsl.optimize import for_inference

        return Model(for_inference(self.program))

    def taking_images(self) -> Model:
        """Return the model whose artefacts take images as bytes, N x H x W x C, red first.

        Raises UsageError where the spec's `preprocess` does not say what becomes of the numbers.
        """
        from resnet_dsl.optimize.preprocessing import taking_images

        return Model(taking_images(self.program))

    def average(self, weights: Sequence[Given], **how: Unpack[AskedWords]) -> dict[str, Array]:
        """Return the mean of several files or states, running statistics too; each has to fit whole.

        It is computed in double and rounded once. What is said of weights is said of each.
        """
        from resnet_dsl.weights.arithmetic.average import average

        return average(self.program, weights, asked_in(how))[0].state

    def _state(
        self, seed: int | None, weights: Given | None, asked: Asked, own_first: bool = True
    ) -> dict[str, Array] | None:
        found = weights_for(self.program, seed, weights, asked, own_first)
        if found is None:
            return None
        if asked.partial and found.report is not None and not found.report.fits:
            warnings.warn(found.remarks()[-1], stacklevel=3)
        return found.state

    def run(
        self,
        x: Array,
        weights: Given | None = None,
        *,
        seed: int | None = None,
        **how: Unpack[AskedWords],
    ) -> dict[str, Array]:
        """Run a batch (N, C, H, W) by the referee alone, in float64 and evaluation mode; outputs by name.

        Needs NumPy and no framework; meant for small sizes. Weights as `state` takes them.
        """
        from resnet_dsl.reference import evaluate  # NumPy is needed only to run

        state = self.state(weights, seed=seed, **how)
        return evaluate(self.program.graph, state, x)

    def summary(self, layers: bool = False) -> str:
        """Return the table of stages, or of ops, with the totals."""
        return summary_text(self.program, layers)

    def facts(self) -> dict[str, Any]:
        """Return the cost as `summary --format json` has them."""
        return summary_facts(self.program)

    def expand(self, format: str = "network") -> str:
        """Return the program after elaboration, as `network` or flat as `graph`."""
        printers = {"network": print_network, "graph": print_graph}
        if format not in printers:
            raise ValueError(f"format must be one of {', '.join(printers)}, not {format!r}")
        return printers[format](self.program)

    def draw(self, format: str = "svg", *, marked: Iterable[str] = (), prefix: str = "") -> str:
        """Return a picture of the network and its blocks, as `svg`, `dot` (Graphviz) or `mmd` (Mermaid).

        `marked` are canonical paths, such as `layer1.0.conv1`, of steps and parts that are to stand out.
        `prefix` is what the ids of an SVG begin with, where several pictures are within one page.
        """
        from resnet_dsl.drawing.writers import drawn  # who compiles or checks draws nothing

        return sealed(drawn(self.program, format, marked, prefix))

    def _repr_svg_(self) -> str:
        """Return what a notebook shows of a model: its picture."""
        return self.draw()

    def _repr_html_(self) -> str:
        """Return what a notebook shows first: the picture, and the table of its parts."""
        from resnet_dsl.printing.notebook_view import model_html

        return model_html(self.program, self.draw())

    def __repr__(self) -> str:
        return f"<resnet_dsl.Model {self.name}: {self.params:,} parameters>"


def load(spec: str | Path, /, model: str | None = None, **settings: Any) -> Model:
    """Load a spec: a path or a shipped name; `settings` are what `--set` takes.

    Raises CompileError with every diagnostic if the spec is wrong, UsageError if there is none.
    """
    return Model(compile_spec(spec, model, settings))


def loads(text: str, /, model: str | None = None, **settings: Any) -> Model:
    """Load a spec from its text."""
    return Model(compile_source(Source("<text>", text), None, model, settings))


def draw(spec: str | Path | Model, /, format: str = "svg", **settings: Any) -> str:
    """Return a picture of a spec or a model, as `Model.draw` does; `settings` are what `load` takes."""
    return (spec if isinstance(spec, Model) else load(spec, **settings)).draw(format)
