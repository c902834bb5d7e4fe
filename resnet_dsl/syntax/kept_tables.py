"""The tables of the grammar as it is: made by the build, else by the first run that can keep them."""

from __future__ import annotations

import functools
from importlib import import_module

from resnet_dsl.syntax.tables import GRAMMAR, MADE, Tables


@functools.cache
def tables() -> Tables:
    """The tables of the grammar as it is now."""
    grammar = GRAMMAR.read_text(encoding="utf-8")
    made = _kept()
    if made is None or made.grammar != grammar:
        from resnet_dsl.syntax.make_tables import keep, made_of

        made = made_of(grammar)
        keep(made)
    return made


def _kept() -> Tables | None:
    """The tables that were made before, whatever grammar they are of."""
    try:
        return Tables(*import_module(MADE).TABLES)
    except Exception:  # none yet, or one of another version: it only saves time
        return None
