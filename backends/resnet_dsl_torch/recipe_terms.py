"""Optimisers and losses of a recipe as expressions of PyTorch."""

from __future__ import annotations

from functools import singledispatch

from resnet_dsl.backend.ir import Program
from resnet_dsl.backend.recipes import (
    LAMB,
    SGD,
    Adam,
    AdamW,
    BinaryCrossEntropy,
    CrossEntropy,
    Loss,
    Optimiser,
    RMSprop,
    WeightedLoss,
)
from resnet_dsl.backend.training_parts import WIDTH, with_call
from resnet_dsl_torch.rules.scores import gives_probabilities


@singledispatch
def optimiser_text(optimiser: Optimiser) -> str:
    """Return what makes an optimiser of its parameters."""
    raise NotImplementedError(f"the torch backend has no optimiser for `{optimiser.kind}`")


@optimiser_text.register
def _(optimiser: SGD) -> str:
    return _partial(
        "torch.optim.SGD",
        lr=optimiser.lr,
        momentum=optimiser.momentum,
        dampening=0,
        weight_decay=optimiser.weight_decay,
        nesterov=optimiser.nesterov,
    )


@optimiser_text.register(Adam)
@optimiser_text.register(AdamW)
@optimiser_text.register(LAMB)
def _(optimiser: Adam | AdamW | LAMB) -> str:
    kind = type(optimiser).__name__
    ours = isinstance(optimiser, LAMB)  # written out in the script, which knows no variant of it
    return _partial(
        kind if ours else f"torch.optim.{kind}",
        lr=optimiser.lr,
        betas=(optimiser.beta1, optimiser.beta2),
        eps=optimiser.eps,
        weight_decay=optimiser.weight_decay,
        **({} if ours else {"amsgrad": False}),
    )


@optimiser_text.register
def _(optimiser: RMSprop) -> str:
    return _partial(
        "torch.optim.RMSprop",
        lr=optimiser.lr,
        alpha=optimiser.alpha,
        eps=optimiser.eps,
        momentum=optimiser.momentum,
        centered=False,
        weight_decay=optimiser.weight_decay,
    )


def _partial(name: str, **arguments: object) -> str:
    lines = "".join(f"            {key}={value!r},\n" for key, value in arguments.items())
    return f"partial(\n            {name},\n{lines}        )"


def output_text(program: Program, output: str, by_name: bool) -> str:
    """Return an output of the network, N x K, where `outputs` is what the network returns."""
    graph = program.graph
    found = f'outputs["{output}"]' if by_name else "outputs"
    return found if graph.shape_of(dict(graph.outputs)[output]).is_vector else f"{found}.flatten(1)"


def loss_lines(program: Program, losses: tuple[WeightedLoss, ...], by_name: bool) -> list[str]:
    """Return the statements that add up the losses of a batch and return their sum."""
    terms = []
    for each in losses:
        binary = isinstance(each.loss, BinaryCrossEntropy)
        scores = output_text(program, each.output, by_name)
        text = loss_text(each.loss, scores, gives_probabilities(program.graph, each.output, binary))
        terms.append(text if each.weight == 1 else f"{each.weight!r} * {text}")
    if len(terms) == 1:
        return with_call("return ", terms[0], width=WIDTH - 4)
    starts = ["loss = ", *["loss = loss + "] * (len(terms) - 1)]
    pairs = zip(starts, terms, strict=True)
    return [*(line for pair in pairs for line in with_call(*pair, width=WIDTH - 4)), "return loss"]


@singledispatch
def loss_text(loss: Loss, scores: str, probabilities: bool) -> str:
    """Return a loss of scores and `y`; scores are logits, or probabilities."""
    raise NotImplementedError(f"the torch backend has no loss for `{loss.kind}`")


@loss_text.register
def _(loss: CrossEntropy, scores: str, probabilities: bool) -> str:
    # The logarithm of probabilities are logits: those of which they are the softmax.
    logits = f"logarithm({scores})" if probabilities else scores
    return f'F.cross_entropy({logits}, y, reduction="mean", label_smoothing={loss.smoothing!r})'


@loss_text.register
def _(loss: BinaryCrossEntropy, scores: str, probabilities: bool) -> str:
    wanted = f"y.to({scores}.dtype)"
    if loss.smoothing:
        wanted = f"{1 - loss.smoothing!r} * {wanted} + {loss.smoothing / 2!r}"
    name = "binary_cross_entropy" + ("" if probabilities else "_with_logits")
    return f'F.{name}({scores}, {wanted}, reduction="mean")'


def view_text(loss: Loss, scores: str, probabilities: bool) -> str:
    """Return probabilities of a view for a binary loss, else their logarithms; in double precision."""
    scores = f"{scores}.double()"  # they may be bfloat16
    if isinstance(loss, BinaryCrossEntropy):
        return scores if probabilities else f"{scores}.sigmoid()"
    return f"logarithm({scores})" if probabilities else f"F.log_softmax({scores}, 1)"
