"""The documentation says what is: its examples compile, its commands parse, its tables are the code's."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from resnet_dsl import driver
from resnet_dsl.cli.main import main
from resnet_dsl.cli.options import COMMANDS, command_parser
from resnet_dsl.cli.options import parse as parse_command
from resnet_dsl.diagnostics.codes import PAGES
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.diagnostics.render.terminal import render_all
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.ir.ops import CATALOGUE, RESERVED
from resnet_dsl.recipe import vocabulary
from resnet_dsl.recipe.vocabulary import FIELDS, REQUIRED, Family
from resnet_dsl.records import MISSING
from resnet_dsl.shipped import known
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse
from tests.support import shelf_page, timm_registry
from tests.support.checked_texts import checked
from tests.support.mistakes import examples
from tests.support.plugins import install

ROOT = Path(__file__).parent.parent
PAGES_OF_DOCS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
LIBRARY = ROOT / "resnet_dsl" / "library"
LANGUAGE = ROOT / "docs" / "language.md"
MISTAKES = ROOT / "docs" / "mistakes.md"
PENDING = {path for path in (ROOT / "docs" / "weights.md",) if not path.exists()}
NAME = "example.resnet"

each_page = pytest.mark.parametrize("page", PAGES_OF_DOCS, ids=lambda page: page.name)


@dataclass(frozen=True)
class Fence:
    """A fenced block: the words after its backticks, its text, and the fence that follows."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str
    next: str

    @property
    def file(self) -> str:
        """The name the page gives the text, as `resnet my_net.resnet` does."""
        return next((word for word in self.words[1:] if "." in word), NAME)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


FENCE = re.compile(r"^```(\S[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _fences(page: Path) -> Iterator[Fence]:
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for match, after in zip(found, [*found[1:], None], strict=False):
        line = text.count("\n", 0, match.start()) + 1
        yield Fence(page, line, tuple(match[1].split()), match[2], after[2] if after else "")


FENCES = [fence for page in PAGES_OF_DOCS for fence in _fences(page)]


def _of(language: str) -> list[Fence]:
    return [fence for fence in FENCES if fence.words[0] == language]


def each(language: str) -> Any:
    fences = _of(language)
    return pytest.mark.parametrize("fence", fences, ids=map(str, fences))


# --- specs -------------------------------------------------------------------------------------


def _whole(text: str) -> str:
    """A spec around an example: blocks that stand alone are put to use in a model."""
    if re.search(r"^model ", text, re.MULTILINE):
        return text
    if blocks := re.findall(r"^block (\w+)\(([^)]*)", text, re.MULTILINE):
        name, parameters = blocks[-1]
        width = "widths: 64 " * ("width" in parameters)
        return f"{text}\nmodel example {{ stages: [1]  block: {name}  {width}}}\n"
    return text


def _diagnostics(name: str, text: str) -> tuple[Diagnostic, ...]:
    try:
        return checked(Source(name, text), ROOT / "specs")[1]
    except CompileError as error:
        return error.diagnostics


@each("resnet")
def test_an_example_compiles_or_gives_the_diagnostics_beneath_it(fence: Fence) -> None:
    shown = render_all(_diagnostics(fence.file, _whole(fence.text)))
    marked = {"error", "warning"} & set(fence.words)
    assert shown.startswith(tuple(marked)) if marked else not shown, shown
    if marked and not fence.next.startswith("$"):
        assert shown == fence.next.rstrip("\n")


def test_most_examples_compile_alone() -> None:
    assert len(_of("resnet")) > 30


# --- commands ----------------------------------------------------------------------------------

MYSTERY = "mystery.pth"  # of which `diff` says that it is a ResNet-50
LIGHT = ("check", "summary", "expand", "list", "show", "explain", "draw", "diff")


def _commands(fence: Fence) -> Iterator[tuple[list[str], str]]:
    """The command lines of a console block, each with the output shown beneath it."""
    for part in re.split(r"^\$ ", fence.text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        words = shlex.split(line, comments=True)
        if "resnet-dsl" in words:
            yield words[words.index("resnet-dsl") + 1 :], output


@each("console")
def test_a_command_parses(fence: Fence) -> None:
    for words, _ in _commands(fence):
        parse_command(words)  # ends the program where it is wrong


@each("sh")
def test_a_command_of_a_shell_block_parses(fence: Fence) -> None:
    for line in fence.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["resnet-dsl"]:
            parse_command(words[1:])


@each("console")
def test_a_light_command_prints_what_the_page_shows(
    fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for other in _of("resnet"):
        if other.page == fence.page and other.file != NAME:
            (tmp_path / other.file).write_text(other.text, encoding="utf-8")
    for words, output in _commands(fence):
        to_stdout = words[0] == "compile" and words[-2:] == ["-o", "-"] and "onnx" not in words
        if not output.strip() or not (words[0] in LIGHT or to_stdout):
            continue
        if MYSTERY in words and not Path(MYSTERY).exists():
            main(["weights", "init", "resnet50", "-o", MYSTERY])
            capfd.readouterr()
        main(words)
        found = capfd.readouterr()
        assert _matches(output, found.err + found.out), found.err + found.out


def _matches(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; a line `…` stands for any number of lines."""
    parts = [re.escape(part) for part in re.split(r"^…\n", shown.rstrip("\n") + "\n", flags=re.MULTILINE)]
    return re.fullmatch(r"(?:.*\n)*".join(parts), printed.rstrip("\n") + "\n") is not None


def test_commands_and_their_options_are_described() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `([a-z -]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(COMMANDS)
    for name, section in sections.items():
        options = {option for option in command_parser(name).option_names if option.startswith("--")}
        everywhere = {"--help", "--color", "--set", "--model"}
        missing = [option for option in options - everywhere if f"`{option}" not in section]
        assert not missing, f"{name}: {missing}"


# --- Python ------------------------------------------------------------------------------------


@each("python")
def test_python_is_python(fence: Fence) -> None:
    compile(fence.text, str(fence), "exec")


def test_the_library_in_the_readme_works(tmp_path: Path) -> None:
    """All but the lines that build, which need a framework."""
    (text,) = [fence.text for fence in _of("python") if fence.page.name == "README.md"]
    kept = [line for line in text.splitlines() if ".build(" not in line]
    _run("\n".join(kept), tmp_path)


def test_the_op_of_the_example_is_one_in_every_backend(tmp_path: Path) -> None:
    blocks = [f.text for f in _of("python") if f.page.name == "add-an-op.md" and "shown" not in f.words]
    check = """
from resnet_dsl.backend.discovery import backend_names, find_backend
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.driver import compile_source
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.reference.meaning import missing_rules
import numpy as np
from resnet_dsl.reference import OpCall, backward, forward
CATALOGUE["celu"] = Celu
assert not missing_rules([Celu]), missing_rules([Celu])
program = compile_source(Source("a", "model a { stages: []  stem: conv(8, 3x3) -> celu(0.2) }"))
op = program.graph.nodes[1].op
x = np.array([[-1.0, 2.0]])
y = forward(op, OpCall((x,)))
low = np.exp(-5.0)
assert np.allclose(y, [[0.2 * low - 0.2, 2.0]], atol=1e-15)
assert np.allclose(backward(op, OpCall((x,)), y, np.ones_like(x)).inputs[0], [[low, 1.0]], atol=1e-15)
for name in ("torch", "keras"):
    assert "0.2" in find_backend(name).render(program, None), name
import resnet_dsl_onnx.rules as rules
(node,) = rules.lower(op, program.graph.nodes[1], program.network.extent)
assert (node.op_type, node.attributes) == ("Celu", {"alpha": 0.2})
"""
    _run("\n".join([*blocks, check]), tmp_path)


def test_the_backend_of_the_example_is_found_and_renders(tmp_path: Path) -> None:
    (text,) = [f.text for f in _of("python") if f.page.name == "add-a-backend.md" and "shown" not in f.words]
    install(tmp_path, "dot", text)
    check = """
from resnet_dsl.cli.main import main
from resnet_dsl.backend.discovery import backend_names
assert "dot" in backend_names()
assert main(["compile", "resnet20", "--backend", "dot", "-o", "-"]) == 0
"""
    out = _run(check, tmp_path)
    assert out.startswith("// Generated by resnet-dsl")
    assert '"layer1.0.bn2" -> "layer1.0.add1"' in out


def _run(code: str, folder: Path) -> str:
    """Run Python in a process of its own, which sees the folder's packages."""
    path = os.pathsep.join([str(folder), str(ROOT), str(ROOT / "backends")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- tables that are made from the code --------------------------------------------------------


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else "x".join(map(str, value))
    return f"{value:g}".replace("inf", "∞") if isinstance(value, float) else str(value)


def _argument(name: str, default: Any) -> str:
    if default is MISSING:
        return f"`{name}`"
    if default == (0, 0):
        return f"`{name}={ {'stride': 'kernel', 'size': 'none'}.get(name, '0') }`"
    return f"`{name}={_default(default)}`"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0].replace("|", "\\|")


def ops_table() -> str:
    rows = ["| op | arguments | meaning |", "|---|---|---|"]
    for kind, op in CATALOGUE.items():
        names = [f"`{name}`" for name in op.operands]
        arguments = ", ".join([*names, *(_argument(name, default) for name, _, default in op.arguments())])
        free = "" if kind in RESERVED else " *"
        rows.append(f"| `{kind}`{free} | {arguments} | {_first_line(op.__doc__)} |")
    owners: dict[str, dict[str, list[str]]] = {}
    for kind, op in CATALOGUE.items():
        for name, rule, _ in op.arguments():
            owners.setdefault(name, {}).setdefault(rule.what, []).append(f"`{kind}`")
    rows += ["", "| argument | must be |", "|---|---|"]
    for name, rules in sorted(owners.items()):
        apart = len(rules) > 1 or name == "side"
        rows += [f"| `{name}`{_owners(kinds) if apart else ''} | {what} |" for what, kinds in rules.items()]
    return "\n".join(rows)


def _owners(kinds: list[str]) -> str:
    return f" of {', '.join(kinds)}"


def shapes_table() -> str:
    alike: dict[tuple[str, str], list[str]] = {}
    for kind, op in CATALOGUE.items():
        alike.setdefault((op.takes, op.gives), []).append(f"`{kind}`")
    rows = ["| op | input | result |", "|---|---|---|"]
    rows += [f"| {', '.join(kinds)} | {takes} | {gives} |" for (takes, gives), kinds in alike.items()]
    return "\n".join(rows)


def _written(parameter: ast.Node, source: Source) -> str:
    text = source.text[parameter.span.start : parameter.span.end]
    return f"`{' '.join(text.split())}`".replace("|", "\\|")


def blocks_table() -> str:
    source = Source("blocks.resnet", (LIBRARY / "blocks.resnet").read_text(encoding="utf-8"))
    rows = ["| block | parameters | |", "|---|---|---|"]
    for block in parse(source).declarations:
        assert isinstance(block, ast.Block)
        written = (*block.parameters, *([] if block.rest is None else [block.rest]))
        parameters = ", ".join(_written(parameter, source) for parameter in written)
        doc = Definition(block, None).doc.replace("|", "\\|")
        rows.append(f"| `{block.name}` | {parameters} | {doc} |")
    return "\n".join(rows)


def codes_table() -> str:
    rows = ["| code | |", "|---|---|", *(f"| `{page.code}` | {page.title} |" for page in PAGES.values())]
    return "\n".join(rows)


def recipe_fields() -> str:
    rows = ["| field | | without it |", "|---|---|---|"]
    for name, each_field in FIELDS.items():
        usual = each_field.usual or ("it has to be given" if name in REQUIRED else "")
        rows.append(f"| `{name}` | {_cell(each_field.about)} | {usual} |")
    return "\n".join(rows)


def terms_table(*families: Family) -> str:
    rows = ["| term | |", "|---|---|"]
    for family in families:
        for kind, term in family.terms.items():
            given = ", ".join(_term_argument(name, usual) for name, _, usual in term.arguments())
            about = " ".join(inspect.cleandoc(term.__doc__ or "").split())
            rows.append(f"| `{kind}{f'({given})' if given else ''}` | {_cell(about)} |")
    return "\n".join(rows)


def _term_argument(name: str, usual: Any) -> str:
    if usual is MISSING:
        return name
    if isinstance(usual, tuple):
        return f"{name}=[{', '.join(f'{each:.4g}' for each in usual)}]"
    if usual == 1 / 255:
        return f"{name}=1/255"
    return f"{name}={str(usual).lower() if isinstance(usual, bool) else usual}"


def mistakes_table() -> str:
    rows: list[str] = []
    for subject, group in groupby(examples(), lambda example: example.subject):
        if subject == "small texts":
            continue
        rows += ["", f"## {subject[0].upper()}{subject[1:]}", ""]
        rows += ["| written | message | help |", "|---|---|---|"]
        for example in group:
            (found, *_) = example.diagnostics()
            assert found.span is not None
            line = found.span.source.line(found.span.place[0]).strip()
            shown = line if line.isascii() else "".join(c if c.isprintable() else " " for c in line)
            message = re.sub(r"; it takes .*", "; it takes …", found.message)
            rows.append(f"| {_code(shown)} | {_cell(message)} | {_cell(found.hint)} |")
    return "\n".join(rows[1:])


def _code(text: str) -> str:
    quotes = "``" if "`" in text else "`"
    return f"{quotes}{text}{quotes}".replace("|", "\\|") if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def defaults() -> str:
    return "```text\n" + (LIBRARY / "model.resnet").read_text(encoding="utf-8") + "```"


def grammar() -> str:
    text = (ROOT / "resnet_dsl" / "syntax" / "grammar.lark").read_text(encoding="utf-8")
    return f"```lark\n{text}```"


GENERATED: dict[str, Callable[[], str]] = {
    "ops": ops_table,
    "shapes": shapes_table,
    "library/blocks.resnet": blocks_table,
    "library/model.resnet": defaults,
    "codes": codes_table,
    "grammar": grammar,
    "mistakes": mistakes_table,
    "recipe fields": recipe_fields,
    "recipe image steps": partial(terms_table, vocabulary.IMAGE_STEPS),
    "recipe optimisers": partial(terms_table, vocabulary.OPTIMISERS),
    "recipe schedules": partial(terms_table, vocabulary.SCHEDULES),
    "recipe terms": partial(
        terms_table, vocabulary.DATA, vocabulary.LOSSES, vocabulary.MIXES, vocabulary.RAMPS
    ),
    "timm": timm_registry.page,
    "shelf": shelf_page.page,
}
PAGE_OF = {
    "mistakes": MISTAKES,
    **dict.fromkeys(
        ("recipe fields", "recipe image steps", "recipe optimisers", "recipe schedules", "recipe terms"),
        ROOT / "docs" / "training-recipes.md",
    ),
    "timm": ROOT / "docs" / "timm.md",
    "shelf": ROOT / "docs" / "shelf.md",
}


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_part_of_the_reference_is_up_to_date(name: str, request: pytest.FixtureRequest) -> None:
    """`pytest --update-golden` rewrites it."""
    page = PAGE_OF.get(name, LANGUAGE)
    text = page.read_text(encoding="utf-8")
    pattern = rf"(?<=<!-- generated: {re.escape(name)} -->\n)(.*?)(?=<!-- end -->)"
    found = re.search(pattern, text, re.DOTALL)
    assert found is not None
    wanted = f"{GENERATED[name]()}\n"
    if request.config.getoption("--update-golden"):
        page.write_text(text[: found.start()] + wanted + text[found.end() :], encoding="utf-8")
    else:
        assert found[0] == wanted


def test_every_reserved_word_is_listed() -> None:
    from resnet_dsl.syntax.words import KEYWORDS

    (listed,) = re.findall(r"words of the language, `([a-z\s]*)`", LANGUAGE.read_text(encoding="utf-8"))
    assert set(listed.split()) == KEYWORDS


# --- links and names ---------------------------------------------------------------------------


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if found in PENDING:
            continue
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@each_page
def test_specs_and_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"^use (\w+)", text, re.MULTILINE):
        assert name in known(), name
    for name in re.findall(r"`((?:resnet_dsl|backends|specs|tests|tools|benchmarks|docs)/[\w./-]*)`", text):
        assert (ROOT / name).exists() or "NAME" in name, name


def test_what_the_glossary_points_at_is_there() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    found = re.findall(r"`(\w+)(?:\.(\w+))?` in `(\S+)`", text)
    assert len(found) > 20
    for name, member, path in found:
        defined = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(class |block |    )?{name}\b", defined, re.MULTILINE), f"{name} in {path}"
        assert not member or re.search(rf"^    (def )?{member}\b", defined, re.MULTILINE), member


def test_tests_that_are_named_exist() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").glob("test_*.py")))
    for name in re.findall(r"`(test_\w+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        assert f"def {name}(" in tests, name


def test_the_stages_of_the_driver_name_modules_that_exist() -> None:
    named = re.findall(r"(\w+/(?:\w+\.py)?)(?:,|$)", driver.__doc__ or "", re.MULTILINE)
    assert len(named) > 5
    for name in named:
        assert (ROOT / "resnet_dsl" / name).exists() or (ROOT / name).exists(), name
