"""Where the weights of a model come from: a seed, a file, or arrays; and a file that lacks some, if asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.program import Program
from resnet_dsl.weights.match_report import Account, WeightsError, tensors
from resnet_dsl.weights.read import Given, examine, need_numpy

if TYPE_CHECKING:
    from resnet_dsl.ir.arrays import Array

HINT = "--partial (in Python, partial=True) loads what fits and starts the rest from a seed"


@dataclass(frozen=True)
class Weights:
    """Every tensor of a model, what a file says of their origin, and the account if they were given."""

    state: dict[str, Array]
    origin: Mapping[str, Any]
    account: Account | None = None

    def remarks(self) -> list[str]:
        """Return what a person should know of how the weights came about, a sentence each."""
        account = self.account
        if account is None:
            return []
        found = [f"{account.source}: {remark}" for remark in account.remarks()]
        if not account.fits:
            seed = self.origin["seed"]
            part = f"{len(account.fitting)} of {tensors(account.total)}"
            rest = f"{account.kept} start from seed {seed}" if account.kept else "the rest is left aside"
            found.append(f"{account.source}: gives {part} of {account.model}, {rest}:\n{account.text()}")
        return found


def check_choice(seed: int | None, weights: Given | None, partial: bool) -> None:
    """Raise UsageError for a seed and weights that contradict each other."""
    if partial and weights is None:
        raise UsageError("`partial` is about weights, and none are given")
    if seed is not None and weights is not None and not partial:
        raise UsageError("either a seed or weights, not both; with `partial` the seed starts what they lack")
    if seed is not None and seed < 0:
        raise UsageError(f"a seed is 0 or more, not {seed}")


def weights_for(
    program: Program,
    seed: int | None = None,
    weights: Given | None = None,
    partial: bool = False,
    world: str | None = None,
) -> Weights | None:
    """Return the weights asked for, None if none are; those given may be under the names of a world.

    Raises WeightsError if what is given does not fit and `partial` is not asked for, or nothing fits.
    """
    check_choice(seed, weights, partial)
    if weights is not None:
        return _given(program, weights, seed or 0, partial, world)
    if seed is None:
        return None
    return Weights(_initial(program, seed), {"seed": seed})


def _given(program: Program, weights: Given, seed: int, partial: bool, world: str | None) -> Weights:
    state, account = examine(weights, program, world, partial)
    if not account.fits and not (partial and state):
        raise WeightsError(account, "" if partial or not state else HINT)
    names = [name for name, _ in program.graph.parameters()]
    rest = _initial(program, seed) if account.kept else {}
    whole = {name: state[name] if name in state else rest[name] for name in names}
    origin: dict[str, Any] = {"from": account.source} | ({"names": world} if world is not None else {})
    if not account.fits:
        origin |= {"seed": seed, "loaded": len(state)}
    return Weights(whole, origin, account)


def _initial(program: Program, seed: int) -> dict[str, Array]:
    need_numpy()
    from resnet_dsl.initial.seeded import initial_state

    return dict(initial_state(program.graph, seed))
