"""A comparison as text for a person, and as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from resnet_dsl.compare.comparison_result import About, Comparison, Figures, NetworkDifference
from resnet_dsl.compare.told_steps import NONE
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned

TITLES: dict[About, str] = {
    "computes": "what they compute",
    "training": "training alone",
    "start": "how they start",
    "beside": "beside the network",
}


def difference_text(found: Comparison) -> str:
    """Return what differs, a line each, by what it is of; then the figures of both."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Comparison) -> Iterator[str]:
    a, b = found.a.name, found.b.name
    limit = f", as far as {' and '.join(found.files)} can tell" if found.files else ""
    if found.same:
        yield f"{a} and {b} mean the same{limit}"
    else:
        yield f"{a} against {b}: {counted(len(found.differences), 'difference')}{limit}"
    for about, title in TITLES.items():
        differences = [each for each in found.differences if each.about == about]
        yield from _section(title, differences)
    if found.unsaid:
        yield ""
        subjects = dict.fromkeys(map(_subject, found.unsaid))
        yield f"not told by {' and '.join(found.files)}: {', '.join(subjects)}"
    if found.notes:
        yield ""
        yield from (f"note: {note}" for note in found.notes)
    yield ""
    yield from aligned([_figures(found, name) for name in ("params", "macs")])


def _section(title: str, differences: list[NetworkDifference]) -> Iterator[str]:
    if differences:
        yield ""
        yield title
    for each in differences:
        yield f"  {each.text}"
        yield from (f"    {detail}" for detail in each.details)


def _subject(difference: NetworkDifference) -> str:
    """What a difference is about, in a word: an argument, or the steps that one side has."""
    if difference.kind == "property":
        return f"{difference.where} {difference.what}".strip()
    if difference.what:
        return difference.what
    return difference.b if difference.a == NONE else difference.a


def _figures(found: Comparison, name: str) -> tuple[str, str]:
    title = {"params": "parameters", "macs": "multiply-adds"}[name]
    a, b = (_number(side, name) for side in (found.a, found.b))
    return title, f"{a} in both" if a == b else f"{a} against {b}"


def _number(side: Figures, name: str) -> str:
    value = getattr(side, name)
    return "open" if value is None else f"{value:,}"


def difference_facts(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    a, b = found.paths
    return {
        "a": asdict(found.a),
        "b": asdict(found.b),
        "same": found.same,
        "differences": [_facts(each) for each in found.differences],
        "unsaid": [_facts(each) for each in found.unsaid],
        "notes": list(found.notes),
        "paths": {"a": sorted(a), "b": sorted(b)},
    }


def _facts(difference: NetworkDifference) -> dict[str, Any]:
    return {
        "text": difference.text,
        "kind": difference.kind,
        "about": difference.about,
        "where": difference.where,
        "what": difference.what,
        "op": difference.op,
        "a": difference.a,
        "b": difference.b,
        "details": list(difference.details),
        "paths": {"a": list(difference.paths_a), "b": list(difference.paths_b)},
    }


def difference_json(found: Comparison) -> str:
    """Return a comparison as the text of its JSON."""
    return json.dumps(difference_facts(found), indent=2, ensure_ascii=False) + "\n"
