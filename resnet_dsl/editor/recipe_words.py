"""The words of recipes: what may be typed in one, and what each means."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from resnet_dsl.editor.context import Context
from resnet_dsl.recipe.terms import Term
from resnet_dsl.recipe.vocabulary import FAMILIES, FIELDS, METRICS, PRECISIONS
from resnet_dsl.records import MISSING

WORDS = {"precision": PRECISIONS, "evaluate": tuple(METRICS)}
TERMS = {kind: (family, term) for family in FAMILIES for kind, term in family.terms.items()}


def is_in_recipe(context: Context) -> bool:
    """Whether a place is between the braces of a recipe."""
    return context.declaration[0] == "recipe" and context.inside.startswith("TM")


def fields_here(context: Context) -> Iterator[tuple[str, str]]:
    """Yield the fields that may stand at a place, each with what it says; none where a value has to."""
    if context.continues:
        return
    in_phase = context.field == "phases" and context.inside == "TMRR"
    for name, field in FIELDS.items():
        if (context.inside == "TM" and name not in context.given) or (in_phase and field.in_phases):
            yield name, field.about


def values_here(context: Context) -> Iterator[tuple[str, str]]:
    """Yield the words that may be a value at a place, or a choice of an argument, each with its meaning."""
    if context.inside.endswith("C") and context.callee in TERMS:
        rules = {name: rule for name, rule, _ in TERMS[context.callee][1].arguments()}
        if context.argument in rules:
            yield from ((choice, f"of {context.argument}") for choice in rules[context.argument].choices)
        return
    field = FIELDS.get(context.field)
    if field is not None and field.takes is not None:
        yield from ((kind, _first_line(term)) for kind, term in field.takes.terms.items())
        if context.field == "schedule":
            return
    yield from ((word, f"of {context.field}") for word in WORDS.get(context.field, ()))


def arguments_here(context: Context) -> Iterator[tuple[str, str]]:
    """Yield the arguments that a term at a place may still be given, each with what it must be."""
    if context.inside.endswith("C") and context.callee in TERMS and context.last in ("(", ","):
        for name, rule, _ in TERMS[context.callee][1].arguments():
            if name not in context.given:
                yield name, rule.what


def word_text(context: Context, word: str, is_field: bool) -> str:
    """Return what a word of a recipe means, in Markdown; empty where it is none."""
    if is_field:
        field = FIELDS.get(word)
        usual = "" if field is None or not field.usual else f"\n\nLeft out: {field.usual}."
        return "" if field is None else f"`{word}:` *field of a recipe*\n\n{field.about}{usual}"
    if word not in TERMS:
        return ""
    family, term = TERMS[word]
    takes = ", ".join(_argument(name, usual) for name, _, usual in term.arguments())
    about = inspect.cleandoc(term.__doc__ or "")
    return f"`{word}({takes})` *{family.title}*\n\n{about}"


def _argument(name: str, usual: object) -> str:
    return name if usual is MISSING else f"{name}={usual}"


def _first_line(term: type[Term]) -> str:
    return inspect.cleandoc(term.__doc__ or "").split("\n")[0]
