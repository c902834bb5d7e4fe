"""The command `compile`: check specs, then write their artefacts, all or none."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.cli.programs import STDOUT, Outcome, compiled, say, show_findings
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.records import dataclass

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend
    from resnet_dsl.backend.writing import Artefact
    from resnet_dsl.codegen.seal import Pieces

STAGES = ("ast", "network", "graph")


def compile_(options: Namespace) -> int:
    """Check specs, then write their artefacts; nothing is written unless all are fine."""
    stage, backends = _what_to_make(options)
    to_stdout = options.output == STDOUT or (options.output is None and options.emit is not None)
    _check_weights(options, stage, backends, to_stdout)
    if stage == "ast":
        return _emit_ast(options)
    outcome = compiled(options.specs, options)
    if outcome.recipes and stage is None:
        from resnet_dsl.cli.recipe_files import check_recipe_options

        check_recipe_options(options)
    rendered = [] if outcome.status else _rendered(outcome, stage, backends, options)
    show_findings(outcome, options)
    if outcome.status or not to_stdout:
        _tell_of_recipes(outcome, stage, options)
    if outcome.status:
        return outcome.status
    return _to_stdout(rendered) if to_stdout else _to_files(rendered, options)


def _tell_of_recipes(outcome: Outcome, stage: str | None, options: Namespace) -> None:
    if stage is None and not options.quiet:
        for spec, names in outcome.other_recipes.items():
            found = f"{printable(spec)} has recipes beside its model"
            print(f"note: {found}: --recipe {' or '.join(names)}", file=sys.stderr)


@dataclass(frozen=True)
class Rendered:
    """An artefact that has no place yet; `weights` are the suffix and content of a file beside it."""

    name: str
    content: str | bytes | Pieces
    note: str = ""
    weights: tuple[str, Pieces] | None = None


def _what_to_make(options: Namespace) -> tuple[str | None, list[Backend]]:
    """Return the stage to print, or the backends to render with."""
    from resnet_dsl.backend.discovery import backend_names, find_backend

    if (options.backend is None) == (options.emit is None):
        raise UsageError("compile takes either --backend NAME or --emit STAGE")
    if options.emit in STAGES:
        return options.emit, []
    name = options.backend or options.emit
    if options.emit is not None and name not in backend_names():
        known = [*STAGES, *backend_names()]
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise UsageError(f"nothing to emit as `{name}`; {hint}")
    return None, [find_backend(found) for found in (backend_names() if name == "all" else [name])]


def _check_weights(options: Namespace, stage: str | None, backends: list[Backend], to_stdout: bool) -> None:
    """Raise UsageError for weights where there is no place for them."""
    from resnet_dsl.cli.weight_choice import check_asked
    from resnet_dsl.weights.source import check_choice

    if stage == "ast" and options.optimize is not None:
        raise UsageError("--optimize is about the network; ast is the text as it was read")
    if stage is not None and options.preprocess:
        raise UsageError(f"--preprocess is for backends; {stage} begins with the network's input")
    if options.called and options.weights is None and options.names is None:
        raise UsageError("--name is for --weights or --names, and there is neither")
    if options.weights is None:
        check_asked(options, "there is no --weights", renames=options.names is not None)
    check_choice(options.seed, options.weights, options.partial)
    if stage is not None and options.names is not None:
        raise UsageError(f"--names is for backends; {stage} has the spec's own names")
    if options.seed is None and options.weights is None:
        return
    if stage is not None:
        raise UsageError(f"--seed and --weights are for backends; {stage} holds no weights")
    if all(backend.weights is None for backend in backends):
        raise UsageError("; ".join(backend.no_weights for backend in backends))
    for backend in backends if to_stdout else ():
        if backend.weights:
            raise UsageError(f"{backend.name} has its weights in a second file: -o PATH, not stdout")


def _rendered(
    outcome: Outcome, stage: str | None, backends: list[Backend], options: Namespace
) -> list[Rendered]:
    """Render every artefact of every program; what a backend cannot express goes to the outcome."""
    from resnet_dsl.backend.discovery import needed
    from resnet_dsl.cli.weight_choice import asked, chosen_weights, companion_file
    from resnet_dsl.codegen.seal import sealed
    from resnet_dsl.optimize.preprocessing import taking_images
    from resnet_dsl.printing.headline import headline
    from resnet_dsl.zoo.model_names import with_names

    if stage is not None:
        from resnet_dsl.printing.stages import print_graph, print_network

        printer = print_network if stage == "network" else print_graph
        programs = [p for _, p in outcome.programs] + [recipe.program for recipe in outcome.recipes]
        return [Rendered(f"{p.name}.{stage}.txt", printer(p)) for p in programs]
    how = asked(options)
    made = []
    for _, program in outcome.programs:
        program = taking_images(program) if options.preprocess else program
        weights = chosen_weights(program, options, how)
        for backend in backends:
            try:
                renamed = with_names(program, options.names, backend, how.called)
                content = sealed(backend.render(renamed, weights.state if weights else None))
                extra = companion_file(backend, renamed, weights)
            except CompileError as error:
                outcome.add(error.diagnostics)
            except ModuleNotFoundError as error:
                missing = [error.name or str(error)]
                outcome.problems.append(f"{backend.name} {needed(missing, backend.install)}")
            else:
                made.append(Rendered(program.name + backend.suffix, content, headline(program), extra))
    return made + (_of_recipes(outcome, backends) if outcome.recipes else [])


def _of_recipes(outcome: Outcome, backends: list[Backend]) -> list[Rendered]:
    """Render the files of every recipe; one that several backends or recipes need is there once."""
    from resnet_dsl.cli.recipe_files import recipe_files

    made: dict[str, Rendered] = {}
    for backend in backends:
        if backend.recipe_script is None and len(backends) > 1:
            print(f"note: {backend.name} writes no training scripts: left out", file=sys.stderr)
    for recipe in outcome.recipes:
        try:
            for name, content, note in recipe_files(recipe, backends):
                made[name] = Rendered(name, content, note)
        except CompileError as error:
            outcome.add(error.diagnostics)
    return list(made.values())


def _emit_ast(options: Namespace) -> int:
    from resnet_dsl.driver import read
    from resnet_dsl.printing.stages import print_ast
    from resnet_dsl.syntax.parser import parse

    sources = [read(spec)[0] for spec in options.specs]
    rendered = [Rendered(f"{Path(s.name).stem}.ast.txt", print_ast(parse(s))) for s in sources]
    return _to_stdout(rendered) if options.output in (None, STDOUT) else _to_files(rendered, options)


def _to_stdout(rendered: list[Rendered]) -> int:
    from resnet_dsl.backend.writing import Artefact

    if len(rendered) > 1:
        names = ", ".join(item.name for item in rendered)
        raise UsageError(f"stdout takes one artefact, not {len(rendered)} ({names}); -o FOLDER takes all")
    content = rendered[0].content
    if not isinstance(content, str) and sys.stdout.isatty():
        raise UsageError(f"{rendered[0].name} is not text: write it to a file with -o PATH")
    sys.stdout.flush()
    sys.stdout.buffer.writelines(Artefact(Path(STDOUT), content).pieces())
    sys.stdout.buffer.flush()
    return 0


def _to_files(rendered: list[Rendered], options: Namespace) -> int:
    from resnet_dsl.backend.writing import Artefact, write_together
    from resnet_dsl.cli.output import check_targets, make_folder

    placed, folder = _placed(rendered, options.output)
    written = [(artefact, item.note) for artefact, item in zip(placed, rendered, strict=True)]
    for artefact, item in zip(placed, rendered, strict=True):
        if item.weights is not None:
            suffix, content = item.weights
            written.append((Artefact(artefact.path.with_suffix(suffix), content), "weights"))
    artefacts = [artefact for artefact, _ in written]
    if folder is None or folder.exists():
        check_targets((artefact.path for artefact in artefacts), options.force)
    if folder is not None:
        make_folder(folder)
        check_targets((artefact.path for artefact in artefacts), options.force)
    write_together(artefacts)
    for artefact, note in written:
        say(options, f"wrote {printable(str(artefact.path))}" + (f" ({note})" if note else ""))
    return 0


def _placed(rendered: list[Rendered], output: str | None) -> tuple[list[Artefact], Path | None]:
    """Give each artefact its path: `output` itself for a single one, else in that folder."""
    from resnet_dsl.backend.writing import Artefact

    if output == "":
        raise UsageError("-o takes a path, not an empty text")
    ends_as_folder = output is not None and output.endswith(("/", os.sep))
    path = Path(output or ".")
    if output is not None and len(rendered) == 1 and not ends_as_folder and not path.is_dir():
        return [Artefact(path, rendered[0].content)], None
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, and {len(rendered)} artefacts need a folder")
    return [Artefact(path / item.name, item.content) for item in rendered], path
