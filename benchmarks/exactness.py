"""Verify every shipped spec and print the table of docs/figures.md, or put it there with --write.

    python benchmarks/exactness.py [--write] [--new] [SPEC…]

Without specs it takes all that are shipped, with --new those that the page has no row of. Each spec
runs in a process of its own, since a framework keeps what it has built.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from resnet_dsl.shipped import shipped

PAGE = Path(__file__).parents[1] / "docs" / "figures.md"
MARKER = "<!-- figures -->"
COLUMNS = [(b, d) for d in ("float64", "float32") for b in ("torch", "keras", "onnx")]


def verified(spec: str) -> dict[str, object]:
    command = [sys.executable, "-m", "resnet_dsl", "verify", spec, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"{spec}: {done.stderr}")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def row(spec: str) -> str:
    facts = verified(spec)
    outputs = facts["outputs"]
    assert isinstance(outputs, list)
    worst = [max(o["errors"][f"{b}/{d}"] for o in outputs) for b, d in COLUMNS]
    sizes = ", ".join("x".join(map(str, o["size"])) for o in outputs)
    verdict = "identical" if facts["passed"] else "DIFFERENT"
    return f"| {spec} | {sizes} | {' | '.join(f'{e:.1e}' for e in worst)} | {verdict} |"


def head() -> list[str]:
    titles = [f"{b} {d.replace('float', 'f')}" for b, d in COLUMNS]
    return [f"| spec | sizes | {' | '.join(titles)} | verdict |", "|---" * (len(titles) + 3) + "|"]


def written() -> dict[str, str]:
    """The rows on the page, by spec."""
    rows = PAGE.read_text().partition(MARKER)[2].partition("\n\n")[0].splitlines()[3:]
    return {line.split("|")[1].strip(): line for line in rows}


def write(rows: dict[str, str]) -> None:
    """Put rows into the page's table; those of specs that are not shipped any more go."""
    before, _, after = PAGE.read_text().partition(MARKER)
    rest = after.split("\n\n", 1)[1] if "\n\n" in after else ""
    known = written() | rows
    lines = [*head(), *(known[spec] for spec in shipped() if spec in known)]
    PAGE.write_text(f"{before}{MARKER}\n" + "\n".join(lines) + "\n\n" + rest)


def main() -> None:
    specs = [a for a in sys.argv[1:] if not a.startswith("--")] or list(shipped())
    if "--new" in sys.argv:
        specs = [spec for spec in specs if spec not in written()]
    print("\n".join(head()))
    for spec in specs:
        line = row(spec)
        print(line, flush=True)
        if "--write" in sys.argv:
            write({spec: line})


if __name__ == "__main__":
    main()
