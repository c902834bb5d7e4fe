"""What a backend is: a name, a suffix, its rules and `render`; what else it can do are parts of their own.

Weights travel as arrays under canonical names in torch's layouts (`OIHW`, `(out, in)`). Importing a
backend's package must not import its framework: a part that needs one is a `Capability`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from resnet_dsl.backend.contents import Contents, Metadata
from resnet_dsl.backend.foreign_graph import ForeignGraph
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import Op
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field

if TYPE_CHECKING:
    from resnet_dsl.codegen.seal import Pieces
    from resnet_dsl.recipe.recipe import Recipe

LiveModel: TypeAlias = Any
"""A framework's own model; only the backend that built it looks inside."""

WITHIN = ""
"""For `Backend.weights`: they are in the artefact itself."""

Part = TypeVar("Part")


@dataclass(frozen=True)
class Capability(Generic[Part]):
    """A part of a backend that needs packages: `load` imports it when it is first asked for."""

    requires: tuple[str, ...]
    load: Callable[[], Part]


class Runtime(Protocol):
    """Live models: a module, or anything else, with these functions."""

    def build(self, program: Program, dtype: str = "float32") -> LiveModel:
        """Return the live model, started as its framework starts it.

        A framework that lets its users choose a precision, as Keras' dtype policies do, has that as its
        usual one.
        """

    def load_state(self, model: LiveModel, state: Mapping[str, Array]) -> LiveModel:
        """Return the model with these weights; every tensor must be given, none more."""

    def read_state(self, model: LiveModel) -> dict[str, Array]:
        """Return the weights of a model."""

    def run(self, model: LiveModel, x: Array) -> dict[str, Array]:
        """Return the outputs by name for one NCHW batch, in evaluation mode and the batch's dtype."""

    def trace(self, model: LiveModel, program: Program, x: Array) -> dict[str, Array]:
        """Return results by op, as many as the framework shows; a verification names the first to part."""


@runtime_checkable
class LoadedRuntime(Runtime, Protocol):
    """A runtime that makes a model with weights faster than by starting one and overwriting what it has."""

    def build_with(self, program: Program, state: Mapping[str, Array], dtype: str = "float32") -> LiveModel:
        """Return the live model with these weights, as `build` and `load_state` would.

        It keeps none of the arrays: they may be pages of a file.
        """


def built_with(
    runtime: Runtime, program: Program, state: Mapping[str, Array], dtype: str | None = None
) -> LiveModel:
    """Return a live model with weights; `dtype` is as `build` takes it."""
    chosen = () if dtype is None else (dtype,)
    if isinstance(runtime, LoadedRuntime):
        return runtime.build_with(program, state, *chosen)
    return runtime.load_state(runtime.build(program, *chosen), state)


@runtime_checkable
class PreparedRuntime(Runtime, Protocol):
    """A runtime that makes something of a model before it runs: several batches may have that in common."""

    def run_each(self, model: LiveModel, batches: Sequence[Array]) -> Iterator[dict[str, Array]]:
        """Yield for each batch, all of one dtype, what `run` returns."""


def run_each(runtime: Runtime, model: LiveModel, batches: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """Yield the outputs of each batch."""
    if isinstance(runtime, PreparedRuntime):
        return runtime.run_each(model, batches)
    return (runtime.run(model, batch) for batch in batches)


class Sgd(NamedTuple):
    """SGD as torch's: v = momentum v + (gradient + weight_decay w), then w -= lr v."""

    lr: float
    momentum: float
    weight_decay: float


class TrainingState(NamedTuple):
    """All that a step of SGD starts from: the weights and statistics, and the velocity v of each weight."""

    state: Mapping[str, Array]
    velocity: Mapping[str, Array]


class Lesson(NamedTuple):
    """A batch to take a step on, and what the model and its optimizer are set to before, if anything.

    `auxiliary` names the outputs of which half the mean square is added to the loss.
    """

    x: Array
    labels: Array
    start: TrainingState | None = None
    auxiliary: tuple[str, ...] = ()


class TrainedStep(NamedTuple):
    """What a step gives: the loss before it, its gradients without decay, and what the next starts from."""

    loss: float
    gradients: dict[str, Array]
    after: TrainingState


@dataclass(frozen=True)
class Statistics:
    """How a framework moves running statistics, where that cannot be made the same.

    `unbiased` is whether the running variance takes N / (N - 1); `momentum` gives the weight of
    the new batch that a momentum of the language comes to in that framework's arithmetic.
    """

    unbiased: bool
    momentum: Callable[[float], float]


class Trainer(Protocol):
    """Steps of training on the live models of the backend's runtime."""

    STATISTICS: Statistics

    def steps(self, model: LiveModel, lessons: Iterable[Lesson], sgd: Sgd) -> Iterator[TrainedStep]:
        """Yield each step of SGD on the cross-entropy of the first output, in the precision of the images.

        A lesson is taken when its step is asked for and not before: its start may be what the one
        before gave. The first without a start begins with no velocity.
        """


class WeightFile(Protocol):
    """A format of weight files, read and written."""

    def read(self, path: Path) -> Contents:
        """Return what a file holds."""

    def encode(
        self, program: Program, state: Mapping[str, Array], metadata: Metadata, suffix: str
    ) -> bytes | Pieces:
        """Return the bytes of a file with the weights of a program."""

    def encode_named(self, state: Mapping[str, Array], metadata: Metadata, suffix: str) -> bytes | Pieces:
        """Return the bytes of a file of tensors under any names, in the order that they come in.

        Raises UsageError for a format whose files are more than tensors.
        """


@dataclass(frozen=True)
class WeightFormat:
    """A kind of weight file: `title` is how messages call it, `load` gives what reads and writes it."""

    title: str
    reading: tuple[str, ...]
    """The packages that reading needs."""
    writing: tuple[str, ...]
    load: Callable[[], WeightFile]
    install: str = ""
    """What `pip install` takes to have those packages; without it they themselves."""


class GraphReader(Protocol):
    """The graphs that files of the backend's own suffix hold, for `resnet-dsl import`."""

    def read(self, path: Path) -> ForeignGraph:
        """Return the graph of a file."""

    def of_program(self, program: Program) -> ForeignGraph:
        """Return the graph that a program is written as."""

    def of_op(self, node: GraphNode) -> ForeignGraph:
        """Return the graph that one op is written as, where the input's height and width are open."""


@dataclass(frozen=True)
class SelfTest:
    """The backend's part of a generated test: source that needs pytest, NumPy and the framework alone.

    `shapes(path)` in it gives the shape of each tensor of an artefact by its canonical name,
    `outputs(path, state, x)` the outputs by name, or None where the engine lacks the dtype of `x`.
    """

    source: str
    shapes: str
    outputs: str


@dataclass(frozen=True)
class ScriptSteps:
    """A program that takes steps by a training script of the backend, and leaves what each of them makes.

    It is a module that is run with a folder, about which `resnet_dsl.backend.script_steps` says all. Several
    processes are started by the words of `launcher`, after which come their number and `-m` with the module.
    """

    module: str
    requires: tuple[str, ...]
    launcher: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backend:
    """A backend. Only the first four are needed to compile; a part that is None it does not have."""

    name: str
    """Its name on the command line."""
    suffix: str
    """What follows the model's name in the file it writes."""
    rules: frozenset[type[Op]]
    """The op classes it has a rule for."""
    render: Callable[[Program, Mapping[str, Array] | None], str | bytes | Pieces]
    """Returns the artefact: source text, or bytes, in pieces where they are many; weights that are given
    are written in if it holds any."""

    weights: str | None = None
    """The suffix of the file of weights beside the artefact, or `WITHIN`; None if there is no place."""
    renames: bool = False
    """Whether artefact and live model call layers as `program.names` says."""
    install: str = ""
    """What `pip install` takes to have all that its parts need; without it the packages themselves."""

    runtime: Capability[Runtime] | None = None
    trainer: Capability[Trainer] | None = None
    weight_formats: Mapping[str, WeightFormat] = field(default_factory=dict)
    """The files of weights it reads and writes, by suffix."""
    without_auxiliary: Capability[Callable[[LiveModel], LiveModel]] | None = None
    """Makes of a live model one without its auxiliary outputs, where the framework has no mode for them."""
    graph_reader: Capability[GraphReader] | None = None
    recipe_script: Capability[Callable[[Recipe], str]] | None = None
    """Returns the script that trains by a recipe; it imports the artefact, and the data file beside it."""
    script_steps: ScriptSteps | None = None
    self_test: SelfTest | None = None

    precisions: tuple[str, ...] = ("float64", "float32")
    """Those in which `verify` holds its results against the referee."""
    engines: Mapping[str, Backend] = field(default_factory=dict)
    """What can run its artefacts, by name: each a backend that runs in a process of its own."""
    engine: Callable[[], str] = lambda: ""
    """Returns which of the engines the backend's own models run on here."""

    @property
    def no_weights(self) -> str:
        """Why weights cannot go into its artefact, in a sentence; nothing if they can."""
        if self.weights == WITHIN:
            return ""
        if self.weights is None:
            return f"{self.name} artefacts have no place for weights"
        return f"{self.name} source holds no weights: `compile` writes them to a file beside it"
