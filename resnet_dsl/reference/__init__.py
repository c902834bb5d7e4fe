"""The referee: what every op means, in NumPy and float64, with no framework's help.

Each family of ops has one module that holds its rules, forward and backward side by side.
The compiler never imports this package: it needs NumPy, the compiler does not.
"""

from resnet_dsl.reference import (
    attention,  # noqa: F401
    convolution,  # noqa: F401  the rules register themselves
    elementwise,  # noqa: F401
    functions,  # noqa: F401
    joins,  # noqa: F401
    layout,  # noqa: F401
    learned,  # noqa: F401
    normalisation,  # noqa: F401
    pooling,  # noqa: F401
    resizing,  # noqa: F401
    separable,  # noqa: F401
    shuffling,  # noqa: F401
    transposed,  # noqa: F401
    whole_map,  # noqa: F401
)
from resnet_dsl.reference.evaluation import evaluate, evaluate_all
from resnet_dsl.reference.meaning import (
    Array,
    Gradients,
    OpCall,
    backward,
    forward,
    missing_rules,
    statistics,
    weight_used,
)
from resnet_dsl.reference.objectives import BinaryEntropy, CategoricalEntropy, Criterion, Objective
from resnet_dsl.reference.optimising import (
    Division,
    Optimisation,
    OptimisedStep,
    OptimiserState,
    RatedBatch,
    optimise,
)
from resnet_dsl.reference.training import (
    Batch,
    Derivatives,
    Tape,
    TrainingResult,
    TrainingStep,
    backpropagate,
    cross_entropy,
    record,
    steps,
    train,
)
from resnet_dsl.reference.update_rules import (
    AdaptiveMoments,
    HeavyBall,
    LayerwiseMoments,
    RootMeanSquare,
    UpdateRule,
    averaged,
)

__all__ = [
    "AdaptiveMoments",
    "Array",
    "Batch",
    "BinaryEntropy",
    "CategoricalEntropy",
    "Criterion",
    "Derivatives",
    "Division",
    "Gradients",
    "HeavyBall",
    "LayerwiseMoments",
    "Objective",
    "OpCall",
    "Optimisation",
    "OptimisedStep",
    "OptimiserState",
    "RatedBatch",
    "RootMeanSquare",
    "Tape",
    "TrainingResult",
    "TrainingStep",
    "UpdateRule",
    "averaged",
    "backpropagate",
    "backward",
    "cross_entropy",
    "evaluate",
    "evaluate_all",
    "forward",
    "missing_rules",
    "optimise",
    "record",
    "statistics",
    "steps",
    "train",
    "weight_used",
]
