"""What is shown where a pointer rests: what a name is, the shapes before and after a step, what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.editor.analysis import Analysis
from resnet_dsl.editor.context import Context
from resnet_dsl.editor.descriptions import RECIPE, described, keyword_text, numbered
from resnet_dsl.editor.entities import Entity, Occurrence
from resnet_dsl.editor.name_uses import global_entity, occurrence_at, occurrences
from resnet_dsl.editor.step_facts import StepFacts, facts_of, facts_of_body
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.watching import Applied
from resnet_dsl.ir.network import Stage
from resnet_dsl.printing.headline import headline
from resnet_dsl.printing.summary import parts
from resnet_dsl.program import Program
from resnet_dsl.syntax import ast

MOST = 4  # shapes of one step that are shown
WORD = re.compile(r"\w+")


class Hover(NamedTuple):
    """A text in Markdown, and the stretch of the text that it is about."""

    text: str
    start: int
    end: int


def hover(found: Analysis, text: str, offset: int) -> Hover | None:
    """Return what to show at a place of a text, of which `found` is the last that could be parsed."""
    word = next((match for match in WORD.finditer(text) if match.start() <= offset <= match.end()), None)
    if word is not None and _is_recipe(text, word):
        return Hover(RECIPE, word.start(), word.end())
    if word is not None and (about := _of_recipe(text, word)):
        return Hover(about, word.start(), word.end())
    if word is not None and (about := keyword_text(word[0])) and _is_word(text, word):
        return Hover(about, word.start(), word.end())
    before = found.then(text, offset)
    if found.tree is None or found.scope is None:
        return None
    name = None if before is None else occurrence_at(occurrences(found.tree, found.scope), before)
    if before is None or (name is not None and not _still_there(name.span, text, offset - before)):
        return None if word is None else _by_name(word, found.scope)
    steps = list(_steps(found, name, before))
    about = "" if name is None else described(name.entity, found.scope)
    network = _stage_at(found, before) if name is None else _network(found, name)
    shown = "\n\n".join(part for part in (network, _table(steps), about) if part)
    at = Span(found.source, before, before) if name is None else name.span
    shift = offset - before
    return Hover(shown, at.start + shift, at.end + shift) if shown else None


def _still_there(span: Span, text: str, shift: int) -> bool:
    """Whether a stretch of the text that was analysed is in a later one as it was."""
    return text.startswith(span.source.text[span.start : span.end], span.start + shift)


def _by_name(word: re.Match[str], scope: Scope) -> Hover | None:
    """What a name is that was written since the text could be parsed."""
    entity = global_entity(word[0], scope)
    return None if entity is None else Hover(described(entity, scope), word.start(), word.end())


def _is_recipe(text: str, word: re.Match[str]) -> bool:
    """Whether `recipe` declares one here: it is a name like any other elsewhere."""
    declares = word[0] == "recipe" and re.match(r"\s+\w+\s*\{", text[word.end() :]) is not None
    return declares and Context(text, word.start()).is_code


def _of_recipe(text: str, word: re.Match[str]) -> str:
    """What a field or term of a recipe is, nothing elsewhere."""
    context = Context(text, word.start())
    if "recipe" not in text or context.declaration[0] != "recipe" or not context.is_code:
        return ""
    from resnet_dsl.editor.recipe_words import is_in_recipe, word_text

    is_field = text[word.end() :].lstrip().startswith(":")
    return word_text(context, word[0], is_field) if is_in_recipe(context) else ""


def _is_word(text: str, word: re.Match[str]) -> bool:
    """Whether a word is one of the language where it stands: no field, and in no comment or string."""
    return not text[word.end() :].lstrip().startswith(":") and Context(text, word.start()).is_code


# --- steps ---------------------------------------------------------------------------------------


def _steps(found: Analysis, name: Occurrence | None, offset: int) -> Iterator[Applied]:
    """The steps that a place is about: those a name begins, labels or is the result of, or a sign makes."""
    if name is not None and name.entity.kind == "variable":
        value = _value_of(found.tree, name.entity)
        yield from () if value is None else _last(found.steps, value.span)
        return
    start = offset if name is None else name.span.start
    if name is not None and name.entity.kind == "label":
        start = name.span.end + _gap(found.source.text[name.span.end :])
    for step in found.steps:
        at = step.span
        if at.start == start or (name is None and at.start <= offset <= at.end and at.end - at.start <= 2):
            yield step


def _gap(text: str) -> int:
    return len(text) - len(text.lstrip(": \t\r\n("))


def _value_of(tree: ast.File | None, entity: Entity) -> ast.Expr | None:
    """The value of a step that has a name."""
    blocks = [] if tree is None else [each for each in tree.declarations if isinstance(each, ast.Block)]
    statements = (each for block in blocks for each in block.statements)
    return next((each.value for each in statements if each.name_at == entity.at), None)


def _last(applied: Iterable[Applied], within: Span) -> Iterator[Applied]:
    """The last step of a stretch of text, at each place where it is applied."""
    last: dict[int, Applied] = {}
    for step in applied:
        if within.start <= step.span.start and step.span.end <= within.end:
            last[id(step.builder)] = step
    yield from last.values()


def _table(steps: Iterable[Applied]) -> str:
    """The shapes, parameters and multiply-adds of a step, wherever they differ."""
    alike: dict[tuple[object, ...], StepFacts] = {}
    for step in steps:
        facts = facts_of(step)
        alike.setdefault((facts.before, facts.after, facts.params), facts)
    shown = [facts_text(facts) for facts in list(alike.values())[:MOST]]
    if len(alike) > MOST:
        shown.append(f"… and {len(alike) - MOST} other shapes")
    return "\n\n".join(shown)


def facts_text(facts: StepFacts) -> str:
    """Return the shapes before and after a step, in numbers and in symbols, and what it costs."""
    before, after = facts.symbols
    return (
        f"**{', '.join(facts.before)} → {facts.after}** {facts.within}  \n"
        f"`{before}` → `{after}`  \n{cost_text(facts.params, facts.macs)}"
    )


def cost_text(params: int, macs: int | None) -> str:
    """Return parameters and multiply-adds in words."""
    return f"{params:,} parameters, {'MACs depend on the size' if macs is None else f'{macs:,} MACs'}"


# --- what networks say ---------------------------------------------------------------------------


def _network(found: Analysis, name: Occurrence) -> str:
    """What the networks of a text say of a name: of a model, a part, a stage, a block, a parameter."""
    lines = dict.fromkeys(line for _, program in found.programs for line in _said(program, name))
    return "  \n".join(list(lines)[: 2 * MOST])


def _said(program: Program, name: Occurrence) -> Iterator[str]:
    entity = name.entity
    if entity.kind == "model" and entity.name == program.name:
        yield headline(program)
    elif entity.kind == "stage":
        yield from (_stage(program, stage) for stage in program.network.stages if stage.span == entity.at)
    elif entity.kind == "field":
        for part in parts(program):
            if part.name == entity.name:
                yield f"**{'x'.join(map(str, part.output))}** {cost_text(part.params, part.macs)}"
    elif entity.kind == "block" and name.declares:
        for _, path, body in program.network.parts():
            if path and body.definition == entity.name:
                facts = facts_of_body(body, program.network.extent)
                yield f"**{facts.before[0]} → {facts.after}** {cost_text(facts.params, facts.macs)}"
    elif entity.kind == "parameter":
        given = (
            dict(body.arguments) for _, _, body in program.network.parts() if body.definition == entity.owner
        )
        values = list(numbered(each[entity.name] for each in given if entity.name in each))
        if values:
            yield f"here {', '.join(f'`{value}`' for value in values)}"


def _stage(program: Program, stage: Stage) -> str:
    """The shapes before and after a stage, its blocks and what it costs."""
    extent = program.network.extent
    part = next(each for each in parts(program) if each.name == stage.name)
    before, after = stage.blocks[0].inputs[0], stage.blocks[-1].output
    shapes = f"**{before.text(extent)} → {after.text(extent)}** stage {stage.name} of {program.name}"
    return (
        f"{shapes}, {len(stage.blocks)} × {stage.blocks[0].definition}: {cost_text(part.params, part.macs)}"
    )


def _stage_at(found: Analysis, offset: int) -> str:
    """What the networks of a text say of a stage that has no name in it."""
    for _, program in found.programs:
        for stage in program.network.stages:
            span = stage.span
            if span is not None and span.source == found.source and span.start <= offset <= span.end:
                return _stage(program, stage)
    return ""
