"""Random networks in every backend against the referee; exit status 1 if one of them differs.

    python -m fuzz.networks --count 2000 --seed 0
    python -m fuzz.networks --minutes 10 --seed 7
    python -m fuzz.networks --replay             the networks of the corpus

Network `i` of a run has the seed 1,000,000 × seed + i; `python -m fuzz.random_network NUMBER` prints it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from fuzz.crew import BACKENDS, Crew
from fuzz.engines import Check, Job
from fuzz.findings import CORPUS, Finding, minimised, save
from fuzz.invariants import Broken, OverTime, examine
from fuzz.random_network import RandomNetwork, random_network
from fuzz.referee import Unsuitable, job_of, noise

NETWORKS = CORPUS / "networks"
NOISE = 32  # times its own sensitivity to rounding a network may be off


class Found(Exception):
    """Says that a shorter text has the finding, too."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.message)


@dataclass
class Tally:
    """What the networks of a run came to."""

    networks: int = 0
    refused: int = 0
    unsuitable: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=dict)
    sensitive: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)
    ops: Counter[str] = field(default_factory=Counter)
    start: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.start
        ops = f"{self.ops.total():,} ops of {len(self.ops)} kinds"
        cpu = sum(
            sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        sensitive = self.sensitive.total()
        left_out = ", ".join(f"{n} {reason}" for reason, n in sorted(self.unsuitable.items())) or "none"
        lines = [
            f"networks       {self.networks:,} in {seconds:,.0f} s ({cpu:,.0f} s of CPU), {ops}",
            f"refused        {self.refused} by the check, which is a finding",
            f"left out       {left_out}",
            f"comparisons    {self.checks.total():,}, {sensitive} past the bar and within rounding",
        ]
        for name, error in sorted(self.worst.items()):
            lines.append(f"  {name:<22} {self.checks[name]:>7,}   worst {error:.1e}")
        return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the figures, write down what was found; return the exit status."""
    options = _options(argv)
    tally = Tally()
    with Crew(options.backends) as crew:
        _run(tally, crew, _chosen(options), options)
        found = [_shortest(finding, crew) for finding in tally.findings.values()]
    print(tally)
    print(f"seed           {options.seed}")
    for finding in found:
        if not options.replay:
            save(NETWORKS, finding)
        print(f"\ncorpus/networks/{finding.name}.resnet: {finding.message}\n{finding.text}")
    print(f"failures       {len(found)}")
    return 1 if found else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz.networks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=0, help="how many networks (no limit without it)")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long (no limit without it)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first network of the seed")
    parser.add_argument("--backends", type=lambda text: text.split(","), default=BACKENDS)
    parser.add_argument(
        "--replay", action="store_true", help="run the networks of the corpus and nothing else"
    )
    options = parser.parse_args(argv)
    if not (options.count or options.minutes or options.replay):
        options.count = 20
    return options


def _chosen(options: argparse.Namespace) -> Iterator[RandomNetwork]:
    if options.replay:
        for path in sorted(NETWORKS.glob("*.resnet")):
            yield RandomNetwork(0, path.read_text(encoding="utf-8"), ())
        return
    end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    for index in (
        range(options.first, options.first + options.count) if options.count else count(options.first)
    ):
        if time.monotonic() > end:
            return
        yield random_network(1_000_000 * options.seed + index)


def _run(tally: Tally, crew: Crew, networks: Iterable[RandomNetwork], options: argparse.Namespace) -> None:
    said = time.monotonic()
    for network in networks:
        job = _prepared(tally, network)
        if job is not None:
            for done, checks in crew.give(job):
                _judge(tally, done, checks)
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(f"{tally.networks} networks, {len(tally.findings)} findings", file=sys.stderr)
    for done, checks in crew.finish():
        _judge(tally, done, checks)


def _prepared(tally: Tally, network: RandomNetwork) -> Job | None:
    """Check the text as any text, and work out what the backends have to give."""
    try:
        if (outcome := examine(network.text)) != "compiled":
            tally.refused += 1
            raise Broken("refused", outcome)
        job, kinds = job_of(network)
    except Unsuitable as reason:
        tally.unsuitable[str(reason)] += 1
        return None
    except (Exception, OverTime) as error:
        _keep(tally, Finding.of(network.text, error), network.seed)
        return None
    tally.ops.update(kinds)
    return job


def _judge(tally: Tally, job: Job, checks: Iterable[Check]) -> None:
    tally.networks += 1
    for check in checks:
        tally.checks[check.name] += 1
        if check.passed:
            tally.worst[check.name] = max(tally.worst.get(check.name, 0.0), check.error)
            continue
        if is_rounding(job, check):
            tally.sensitive[check.name] += 1
            continue
        _keep(tally, _finding(job, check), job.number)


def is_rounding(job: Job, check: Check) -> bool:
    """Whether a difference past the bar is what rounding makes of this network, whoever runs it."""
    if check.message or check.bar == 0:
        return False
    return check.error <= NOISE * noise(job, check.name.split()[-1])


def _finding(job: Job, check: Check) -> Finding:
    if check.message:
        return Finding.of(job.text, Broken(check.name, check.message))
    message = (
        f"{check.name}: differs by {check.error:.1e}, more than {check.bar:.0e}; first wrong: {check.where}"
    )
    return Finding(job.text, message, f"{check.name} differs {check.where}".strip())


def _keep(tally: Tally, finding: Finding, seed: int) -> None:
    known = tally.findings.get(finding.key)
    if known is None or len(finding.text) < len(known.text):
        tally.findings[finding.key] = Finding(
            finding.text, f"{finding.message}\n  network {seed}", finding.key
        )
    if known is None:
        print(f"{finding.key} (network {seed}): {finding.message}\n{finding.text}", file=sys.stderr)


def _shortest(finding: Finding, crew: Crew) -> Finding:
    """Return a finding of which nothing can be left out, as far as half a minute goes."""

    def look(text: str) -> None:
        if examine(text) != "compiled":
            return
        job, _ = job_of(RandomNetwork(0, text, ()))
        for check in crew.alone(job):
            if not check.passed and not is_rounding(job, check):
                found = _finding(job, check)
                if found.key == finding.key:
                    raise Found(found)

    if finding.key.startswith("refused"):
        return finding
    return minimised(finding, look, seconds=30)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
