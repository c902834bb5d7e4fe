"""The account of weights held against a spec: what fits, what does not, and what was done to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("missing", "unexpected", "misshapen", "wrong dtype", "not finite", "not convertible")
LISTED = 8
LONGEST = 120


@dataclass(frozen=True)
class Fault:
    """A tensor that does not fit, and why."""

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{shown(self.name)} ({self.detail})"


@dataclass(frozen=True)
class Account:
    """Every name of the source and of the model, each once."""

    source: str
    model: str
    total: int
    fitting: tuple[str, ...]
    faults: Mapping[str, tuple[Fault, ...]]
    converted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names by the dtype they had."""
    ignored: tuple[str, ...] = ()
    """torch's batch counters: no part of a model's meaning."""
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every tensor of the model is there, and none more."""
        return not any(self.faults.values())

    @property
    def kept(self) -> int:
        """How many tensors of the model the source does not give."""
        return self.total - len(self.fitting)

    def remarks(self) -> list[str]:
        """Return what was done to the tensors that fit, a sentence each."""
        found = list(self.notes)
        for dtype, names in self.converted.items():
            what = "rounded" if dtype == "float64" else "widened"
            found.append(f"{tensors(len(names))} of {dtype} {what} to float32")
        return found

    def text(self, limit: int | None = LISTED) -> str:
        """Return the faults by kind: a line each, with at most `limit` names, or all and a line a name."""
        found = ((kind, self.faults[kind]) for kind in KINDS if self.faults[kind])
        return "\n".join(f"  {kind} ({len(faults)}):{_some(faults, limit)}" for kind, faults in found)

    def facts(self) -> dict[str, Any]:
        """Return the account as `weights inspect --format json` has it."""
        return {
            "model": self.model,
            "fits": self.fits,
            "tensors": self.total,
            "fitting": list(self.fitting),
            **{
                kind.replace(" ", "_"): [{"name": f.name, "detail": f.detail} for f in self.faults[kind]]
                for kind in KINDS
            },
            "converted": {dtype: list(names) for dtype, names in self.converted.items()},
            "ignored": list(self.ignored),
        }


class WeightsError(Exception):
    """Weights that do not fit the spec; carries the account."""

    def __init__(self, account: Account, hint: str = "") -> None:
        self.account = account
        self.hint = hint
        super().__init__(account)

    def __str__(self) -> str:
        account = self.account
        title = f"{account.source} does not fit {account.model}, which has {tensors(account.total)}"
        return f"{title}:\n{account.text()}" + (f"\n  = help: {self.hint}" if self.hint else "")


def tensors(count: int) -> str:
    """Return so many tensors, in words."""
    return f"{count} tensor{'' if count == 1 else 's'}"


def size(shape: Iterable[int]) -> str:
    """Return a shape as the language writes it."""
    return "x".join(map(str, shape)) or "scalar"


def shown(name: str) -> str:
    """Return a name out of a file so that it does no harm to a terminal."""
    text = name if name.isprintable() and name else ascii(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _some(faults: tuple[Fault, ...], limit: int | None) -> str:
    if limit is None:
        return "".join(f"\n    {fault}" for fault in faults)
    listed = ", ".join(map(str, faults[:limit]))
    more = len(faults) - limit
    return f" {listed} and {more} more" if more > 0 else f" {listed}"
