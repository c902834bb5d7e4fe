"""The report on weights held against a spec: what fits, what does not, and what was done to it.

It needs no NumPy, unlike the match that it is of: the command line prints it, and names its error.
"""

from __future__ import annotations

from collections.abc import Mapping

from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.records import dataclass, field

KINDS = ("missing", "unexpected", "misshapen", "wrong dtype", "not finite", "not convertible")
LISTED = 8
SHORT = 24
"""Characters of a detail that is said of each name, though it is the same of all."""


@dataclass(frozen=True)
class Mismatch:
    """A tensor that does not fit, and why."""

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{printable(self.name)} ({self.detail})"


@dataclass(frozen=True)
class MatchReport:
    """Every name of the source and of the model, each once."""

    source: str
    model: str
    total: int
    fitting: tuple[str, ...]
    mismatches: Mapping[str, tuple[Mismatch, ...]]
    converted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names by the dtype they had."""
    ignored: tuple[str, ...] = ()
    """torch's batch counters."""
    notes: tuple[str, ...] = ()
    advice: str = ""
    """What to do where no part of the source may be taken."""
    help: tuple[str, ...] = ()
    """What to ask for so that all fits, a sentence each."""
    ways: tuple[str, ...] = ()
    """How the tensors were got at, as the sentence has it."""
    cause: str = ""
    """Why they do not fit, likely."""
    cause_help: str = ""
    cause_is_plain: bool = False
    """Whether the list of what does not fit says as much."""

    @property
    def fits(self) -> bool:
        """Whether every tensor of the model is there, and none more."""
        return not any(self.mismatches.values())

    @property
    def lacking(self) -> int:
        """How many tensors of the model the source does not give."""
        return self.total - len(self.fitting)

    def remarks(self) -> list[str]:
        """Return what was done to the tensors that fit, a sentence each."""
        found = list(self.notes)
        for dtype, names in self.converted.items():
            what = "rounded" if dtype == "float64" else "widened"
            found.append(f"{counted(len(names), 'tensor')} of {dtype} {what} to float32")
        return found

    def text(self, limit: int | None = LISTED) -> str:
        """Return the mismatches: a line a kind, with at most `limit` names, or all and a line a name."""
        found = ((kind, self.mismatches[kind]) for kind in KINDS if self.mismatches[kind])
        return "\n".join(
            f"  {kind} ({len(mismatches)}):{_some(mismatches, limit)}" for kind, mismatches in found
        )

    def sentence(self) -> str:
        """Return what comes of it all: how many fit, and how they were read; else why they do not."""
        ways = "".join(f", {way}" for way in self.ways)
        text = f"{len(self.fitting)} of {counted(self.total, 'tensor')} of {self.model} fit{ways}"
        if self.fits:
            return text
        return f"{text}: {self.cause}" if self.cause else f"{text}:"

    def cause_text(self, hint: str = "") -> str:
        """Return the likely cause as a line, unless the list above it or the hint below says as much."""
        said = self.cause_is_plain or self.cause in ("", hint)
        return "" if said else f"\n  = note: {self.cause}"

    def help_text(self, *more: str) -> str:
        """Return what to ask for, a line each."""
        return "".join(f"\n  = help: {each}" for each in (*self.help, *more) if each)

    def facts(self) -> dict[str, object]:
        """Return the report as `weights inspect --format json` has it."""
        return {
            "model": self.model,
            "fits": self.fits,
            "tensors": self.total,
            "fitting": list(self.fitting),
            **{
                kind.replace(" ", "_"): [{"name": f.name, "detail": f.detail} for f in self.mismatches[kind]]
                for kind in KINDS
            },
            "converted": {dtype: list(names) for dtype, names in self.converted.items()},
            "ignored": list(self.ignored),
            "help": list(self.help),
            "sentence": self.sentence(),
            "cause": self.cause,
        }


class WeightsError(Exception):
    """Weights that do not fit the spec; carries the report."""

    def __init__(self, report: MatchReport, hint: str = "") -> None:
        self.report = report
        self.hint = hint
        super().__init__(report)

    def __str__(self) -> str:
        report = self.report
        title = f"{report.source} does not fit {report.model}, which has {counted(report.total, 'tensor')}"
        return f"{title}:\n{report.text()}{report.cause_text(self.hint)}{report.help_text(self.hint)}"


def _some(mismatches: tuple[Mismatch, ...], limit: int | None) -> str:
    if limit is None:
        return "".join(f"\n    {each}" for each in mismatches)
    more = f" and {len(mismatches) - limit} more" if len(mismatches) > limit else ""
    detail, same = mismatches[0].detail, len({each.detail for each in mismatches}) == 1
    if same and len(mismatches) > 1 and len(detail) > SHORT:
        return f" {', '.join(printable(each.name) for each in mismatches[:limit])}{more} ({detail})"
    return f" {', '.join(map(str, mismatches[:limit]))}{more}"
