"""The commands, one small function each: options in, exit status out.

What only one command needs is imported by it, so that `list` and `explain` start at once.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.diagnostics.model import CompileError, Diagnostic, UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend
    from resnet_dsl.cli.output import Artefact
    from resnet_dsl.diagnostics.model import Source
    from resnet_dsl.program import Program

STAGES = ("ast", "network", "graph")
STDOUT = "-"


# --- compiling, and what is shown of it --------------------------------------------------------


@dataclass
class Outcome:
    """What became of several specs: the fine ones by name, and everything there is to say."""

    programs: list[tuple[str, Program]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep diagnostics; specs that use the same file would repeat them."""
        self.diagnostics = list(dict.fromkeys([*self.diagnostics, *diagnostics]))

    @property
    def status(self) -> int:
        """The exit status."""
        if self.problems:
            return 2
        return 1 if any(d.severity == "error" for d in self.diagnostics) else 0


def compiled(specs: Iterable[str], options: Namespace) -> Outcome:
    """Compile every spec, whatever becomes of the others."""
    from resnet_dsl.driver import compile_spec

    settings = parse_settings(options.settings)
    outcome = Outcome()
    for spec in specs:
        try:
            program = compile_spec(spec, options.model, settings)
        except CompileError as error:
            outcome.add(error.diagnostics)
        except UsageError as error:
            outcome.problems.append(str(error))
        else:
            outcome.programs.append((spec, program))
            outcome.add(program.warnings)
    return outcome


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """Return what `--set NAME=VALUE` says; the values are still in the language."""
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and value and name.isidentifier()):
            raise UsageError(f"--set takes NAME=VALUE, not `{text}`")
        if name in settings:
            raise UsageError(f"--set {name} is given twice")
        settings[name] = value
    return settings


def show_findings(outcome: Outcome, options: Namespace, diagnostics: bool = True) -> None:
    """Show diagnostics and problems to the person, on stderr."""
    from resnet_dsl.diagnostics.render.terminal import render_all, wants_color

    if diagnostics and outcome.diagnostics:
        print(render_all(outcome.diagnostics, wants_color(options.color, sys.stderr)), file=sys.stderr)
    for problem in outcome.problems:
        print(f"error: {problem}", file=sys.stderr)


def one_program(options: Namespace) -> Program | int:
    """Compile the one spec of a command; an exit status if it is wrong."""
    outcome = compiled([options.spec], options)
    show_findings(outcome, options)
    return outcome.status if outcome.status else outcome.programs[0][1]


# --- compile -----------------------------------------------------------------------------------


def compile_(options: Namespace) -> int:
    """Check specs, then write their artefacts; nothing is written unless all are fine."""
    stage, backends = _what_to_make(options)
    to_stdout = options.output == STDOUT or (options.output is None and options.emit is not None)
    _check_weights(options, stage, backends if to_stdout else [])
    if stage == "ast":
        return _emit_ast(options)
    outcome = compiled(options.specs, options)
    rendered = [] if outcome.status else _rendered(outcome, stage, backends, options)
    show_findings(outcome, options)
    if outcome.status:
        return outcome.status
    return _to_stdout(rendered) if to_stdout else _to_files(rendered, options)


@dataclass(frozen=True)
class Rendered:
    """An artefact that has no place yet; `weights` are the suffix and content of a file beside it."""

    name: str
    content: str | bytes
    note: str = ""
    weights: tuple[str, bytes] | None = None


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


def _check_weights(options: Namespace, stage: str | None, to_stdout: list[Backend]) -> None:
    """Raise UsageError for weights where there is no place for them."""
    from resnet_dsl.weights.source import check_choice

    check_choice(options.seed, options.weights, options.partial)
    if stage is not None and options.names is not None:
        raise UsageError(f"--names is for backends; {stage} has the spec's own names")
    if options.seed is None and options.weights is None:
        return
    if stage is not None:
        raise UsageError(f"--seed and --weights are for backends; {stage} holds no weights")
    for backend in to_stdout:
        if getattr(backend, "WEIGHTS", ""):
            raise UsageError(f"{backend.NAME} has its weights in a second file: -o PATH, not stdout")


def _rendered(
    outcome: Outcome, stage: str | None, backends: list[Backend], options: Namespace
) -> list[Rendered]:
    """Render every artefact of every program; what a backend cannot express goes to the outcome."""
    from resnet_dsl.cli.commands.weights import beside, chosen_weights
    from resnet_dsl.printing.stages import print_graph, print_network
    from resnet_dsl.printing.summary import headline
    from resnet_dsl.zoo.model_names import with_names

    if stage is not None:
        printer = print_network if stage == "network" else print_graph
        return [Rendered(f"{p.name}.{stage}.txt", printer(p)) for _, p in outcome.programs]
    made = []
    for _, program in outcome.programs:
        weights = chosen_weights(program, options)
        for backend in backends:
            try:
                renamed = with_names(program, options.names, backend)
                content = backend.render(renamed, weights.state if weights else None)
                extra = beside(backend, renamed, weights)
            except CompileError as error:
                outcome.add(error.diagnostics)
            except ModuleNotFoundError as error:
                line = f'pip install "resnet-dsl[{backend.NAME}]"'
                outcome.problems.append(f"{backend.NAME} needs {error.name}, not installed here: {line}")
            else:
                made.append(Rendered(program.name + backend.SUFFIX, content, headline(program), extra))
    return made


def _emit_ast(options: Namespace) -> int:
    from resnet_dsl.driver import read
    from resnet_dsl.printing.stages import print_ast
    from resnet_dsl.syntax.parser import parse

    sources = [read(spec)[0] for spec in options.specs]
    rendered = [Rendered(f"{Path(s.name).stem}.ast.txt", print_ast(parse(s))) for s in sources]
    return _to_stdout(rendered) if options.output in (None, STDOUT) else _to_files(rendered, options)


def _to_stdout(rendered: list[Rendered]) -> int:
    if len(rendered) > 1:
        names = ", ".join(item.name for item in rendered)
        raise UsageError(f"stdout takes one artefact, not {len(rendered)} ({names}); -o FOLDER takes all")
    content = rendered[0].content
    if isinstance(content, bytes) and sys.stdout.isatty():
        raise UsageError(f"{rendered[0].name} is not text: write it to a file with -o PATH")
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return 0


def _to_files(rendered: list[Rendered], options: Namespace) -> int:
    from resnet_dsl.cli.output import Artefact, check_targets, make_folder, write_whole

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
    for artefact, note in written:
        write_whole(artefact)
        print(f"wrote {artefact.path}" + (f" ({note})" if note else ""))
    return 0


def _placed(rendered: list[Rendered], output: str | None) -> tuple[list[Artefact], Path | None]:
    """Give each artefact its path: `output` itself for a single one, else in that folder."""
    from resnet_dsl.cli.output import Artefact

    if output == "":
        raise UsageError("-o takes a path, not an empty text")
    ends_as_folder = output is not None and output.endswith(("/", os.sep))
    path = Path(output or ".")
    if output is not None and len(rendered) == 1 and not ends_as_folder and not path.is_dir():
        return [Artefact(path, rendered[0].content)], None
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, and {len(rendered)} artefacts need a folder")
    return [Artefact(path / item.name, item.content) for item in rendered], path


# --- check, summary, expand --------------------------------------------------------------------


def check(options: Namespace) -> int:
    """Report what is wrong; diagnostics in a machine's format are the result, so on stdout."""
    from resnet_dsl.printing.summary import headline

    outcome = compiled(options.specs, options)
    as_text = options.format == "text"
    show_findings(outcome, options, diagnostics=as_text)
    if not as_text:
        _print_for_machines(options.format, outcome.diagnostics)
        return outcome.status
    for _, program in outcome.programs:
        print(f"{program.name}: ok ({headline(program)})")
    return outcome.status


def _print_for_machines(format: str, diagnostics: list[Diagnostic]) -> None:
    from resnet_dsl.diagnostics.render.machine import render_github, render_json, render_sarif

    renderers = {"json": render_json, "github": render_github, "sarif": render_sarif}
    if text := renderers[format](diagnostics):
        print(text)


def summary(options: Namespace) -> int:
    """Show what a model amounts to."""
    from resnet_dsl.printing.summary import summary_json, summary_text

    program = one_program(options)
    if isinstance(program, int):
        return program
    if options.format == "json":
        print(summary_json(program))
    else:
        print(summary_text(program, options.layers), end="")
    return 0


def expand(options: Namespace) -> int:
    """Show the program after elaboration."""
    from resnet_dsl.driver import read
    from resnet_dsl.printing.stages import print_ast, print_graph, print_network
    from resnet_dsl.syntax.parser import parse

    if options.format == "ast":
        print(print_ast(parse(read(options.spec)[0])), end="")
        return 0
    program = one_program(options)
    if isinstance(program, int):
        return program
    printer = print_network if options.format == "network" else print_graph
    print(printer(program), end="")
    return 0


# --- fmt ---------------------------------------------------------------------------------------


def fmt(options: Namespace) -> int:
    """Rewrite specs in the canonical form; nothing is written unless all can be read."""
    from resnet_dsl.cli.output import Artefact, write_whole
    from resnet_dsl.syntax.formatter.canonical import format_source

    outcome, done = Outcome(), []
    for spec in options.specs:
        try:
            source = _read_to_format(spec)
            done.append((spec, source.text, format_source(source)))
        except CompileError as error:
            outcome.add(error.diagnostics)
        except UsageError as error:
            outcome.problems.append(str(error))
    show_findings(outcome, options)
    if outcome.status:
        return outcome.status
    changed = [item for item in done if item[1] != item[2]]
    if options.check or options.diff:
        for item in changed:
            print(_difference(*item) if options.diff else f"would rewrite {item[0]}")
        return 1 if changed else 0
    for spec, _, text in done:
        if spec == STDOUT:
            print(text, end="")
    for spec, _, text in (item for item in changed if item[0] != STDOUT):
        write_whole(Artefact(Path(spec), text))
        print(f"rewrote {spec}", file=sys.stderr if STDOUT in options.specs else sys.stdout)
    return 0


def _read_to_format(spec: str) -> Source:
    """Read what `fmt` is given: never a shipped name, since those are not the caller's to rewrite."""
    from resnet_dsl.driver import read

    if spec != STDOUT and not Path(spec).is_file():
        problem = "is a directory" if Path(spec).is_dir() else "no such file"
        raise UsageError(f"{spec}: {problem}")
    return read(spec)[0]


def _difference(spec: str, before: str, after: str) -> str:
    import difflib

    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), spec, f"{spec} (formatted)", lineterm=""
    )
    return "\n".join(lines)


# --- what there is -----------------------------------------------------------------------------


def list_(options: Namespace) -> int:
    """List the shipped specs by folder."""
    from resnet_dsl.shipped import description, folder_of, shipped

    found = [
        {"name": name, "folder": folder_of(path), "description": description(path)}
        for name, path in shipped().items()
    ]
    found.sort(key=lambda entry: (entry["folder"], entry["name"]))
    if options.format == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    width = max((len(entry["name"]) for entry in found), default=0)
    folder = None
    for entry in found:
        if entry["folder"] != folder:
            print(("" if folder is None else "\n") + (entry["folder"] or "specs"))
            folder = entry["folder"]
        print(f"  {entry['name']:<{width}}  {entry['description']}".rstrip())
    return 0


def backends(options: Namespace) -> int:
    """List the backends: what each needs, and whether it is there."""
    from resnet_dsl.backend.discovery import backend_names, find_backend, require

    names = backend_names()
    width = max(map(len, names), default=0)
    for name in names:
        try:
            backend = find_backend(name)
            require(backend)
            state = f"installed ({', '.join(backend.REQUIRES)})"
        except UsageError as problem:
            state = str(problem)
        except ImportError as error:
            state = f"cannot be imported: {error}"
        print(f"{name:<{width}}  {state}")
    return 0


def explain(options: Namespace) -> int:
    """Explain a code, or list them all."""
    from resnet_dsl.diagnostics.codes import PAGES, render_page

    if options.code is None:
        for page in PAGES.values():
            print(f"{page.code}  {page.title}")
        return 0
    code = options.code.upper()
    if code not in PAGES:
        raise UsageError(f"no code `{options.code}`; `resnet-dsl explain` lists all")
    print(render_page(PAGES[code]), end="")
    return 0
