"""Every bound on what a text, a file or an option may ask for, so that none can eat the machine.

A bound is a row here and nowhere else: `docs/limits.md` is made from these rows, with the time and
the memory that the largest input within each takes. What a person has in earnest lies far below.
"""

from __future__ import annotations

from resnet_dsl.records import dataclass


@dataclass(frozen=True)
class Limit:
    """The most of something; past it is the error `code`, or a usage error where that is empty."""

    most: int
    what: str
    code: str = ""


def all_limits() -> dict[str, Limit]:
    """Return every bound by its name."""
    return {name: value for name, value in globals().items() if isinstance(value, Limit)}


# --- texts: check, fmt and expand take at most two seconds and 300 MB for what is within these ---

TEXT_BYTES = Limit(1_000_000, "bytes of a text", "E0105")
TOKENS = Limit(25_000, "words and signs of a text, those of the files that it uses included", "E0105")
NESTING = Limit(64, "brackets within each other", "E0105")
STEPS = Limit(256, "operations or steps in one expression", "E0105")
DIGITS = Limit(18, "digits of a whole number", "E0105")
CHARACTERS = Limit(72, "characters of another number, or of a size", "E0105")
NAME = Limit(200, "characters of a name", "E0105")
PATH = Limit(1_000, "characters of the path of a file that is used", "E0105")
FILES = Limit(64, "files that a text uses, those that they use included", "E0501")
BASES = Limit(16, "models based on each other in a row", "E0209")
CALLS = Limit(32, "blocks using each other in a row", "E0209")
CHAIN = Limit(32, "constants, or settings, that depend on each other in a row", "E0209")

# --- networks: the same for what a short text can ask for ---

OPS = Limit(75_000, "ops of a network", "E0501")
NAMES = Limit(10_000_000, "characters of the names of all ops together", "E0501")
EVALUATIONS = Limit(250_000, "evaluations of expressions", "E0501")
LIST = Limit(10_000, "items of a list, those of the lists in it included", "E0501")
VALUE = Limit(10**18, "a number that arithmetic gives", "E0502")
EXPONENT = Limit(64, "an exponent", "E0502")
ARGUMENT = Limit(10**9, "a whole number that an op takes, or an extent of the input", "E0204")
SHRINKING = Limit(1_000, "halvings of a map in a row, or as much by other strides", "E0502")
CONSTANTS = Limit(10_000_000, "numbers of the constants of an ONNX model")
PARAMETERS = Limit(10**11, "parameters of a model", "E0502")

# --- files of weights: inspect, and what convert and import read of one, take five seconds and twice the
# file at most ---

TENSORS = Limit(120_000, "tensors, groups or nodes of a file of weights")
AXES = Limit(64, "axes of a tensor")
HEADER = Limit(25_000_000, "bytes of the header of a .safetensors file")
METADATA = Limit(2_000_000, "characters of the metadata of a file of weights")
GROUPS = Limit(32, "groups within each other in a .h5 file")
GRAPH = Limit(16_000_000, "bytes of an ONNX model beside its tensors")
NODES = Limit(100_000, "nodes of an ONNX model by another exporter, and values that they take")
OPCODES = Limit(1_500_000, "opcodes of the pickle in a .pth file")
ADAPTED = Limit(2**24, "elements of a convolution that is adapted to the input")
CHOSEN = Limit(2**28, "elements of a classifier that rows are chosen of")

# --- options ---

SEED = Limit(2**63 - 1, "a seed")
TRAINING = Limit(10_000, "steps that `verify --train-steps` compares")
ACTIVATIONS = Limit(10**9, "results of all ops for one image, at a size that `verify` runs")
