"""Texts: the spec and the files that it uses, each read, parsed and declared once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from resnet_dsl.diagnostics.errors import CompileError, Findings, UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.diagnostics.suggest import close_names, did_you_mean, one_of
from resnet_dsl.elaborate.scope import Scope, declare
from resnet_dsl.limits import FILES, TEXT_BYTES, TOKENS
from resnet_dsl.records import dataclass, field
from resnet_dsl.shipped import SUFFIX, file_of, known, model_named, specs_folder
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse, words_of

STDIN = "<stdin>"


def read(spec: str | Path) -> tuple[Source, Path | None]:
    """Return the text of a spec (a path, `-` for standard input, or a shipped name) and its folder."""
    if str(spec) == "-":
        return Source(STDIN, _decoded(_standard_input(), STDIN)), Path.cwd()
    path = Path(spec)
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that is too long
        raise UsageError(f"{path}: {error.strerror}") from None
    if not is_file:
        found = file_of(str(spec))
        if found is None:
            hint = did_you_mean(str(spec), known())
            looks_like_path = path.suffix or len(path.parts) > 1
            what = "no such file" if looks_like_path else "no such file or shipped spec"
            raise UsageError(f"{what}: {spec}" + (f"; {hint}" if hint else ""))
        path = found
    return _read_file(path, str(spec) if path == Path(spec) else path.name), path.parent


def chosen_model(spec: str | Path) -> str | None:
    """Return the model that the name of a spec says: a shipped one in a file of another name."""
    return None if Path(spec).is_file() else model_named(str(spec))


def _read_file(path: Path, name: str) -> Source:
    try:
        with path.open("rb") as file:
            data = file.read(TEXT_BYTES.most + 1)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from None
    return Source(name, _decoded(data, name), path=path.resolve())


def _standard_input() -> bytes:
    """The bytes of standard input: a spec is UTF-8, whatever the locale."""
    if sys.stdin is None:
        raise UsageError(f"{STDIN}: standard input is closed")
    given = getattr(sys.stdin, "buffer", sys.stdin).read(TEXT_BYTES.most + 1)
    return given if isinstance(given, bytes) else given.encode("utf-8", "surrogatepass")


def _decoded(data: bytes, name: str) -> str:
    try:
        # Of what is too long, and refused for it, the last character may be cut.
        return data.decode("utf-8", "replace" if len(data) > TEXT_BYTES.most else "strict")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :]) + 1
        place = f"byte {error.start}, line {line}, byte {column} of it: 0x{data[error.start]:02x}"
        raise UsageError(f"{name}: not UTF-8 text ({place}){_what_it_is(data)}") from None


def _what_it_is(data: bytes) -> str:
    """What a file that is no text is, behind a message."""
    from resnet_dsl.syntax.mistakes.whole_files import foreign_bytes

    what = foreign_bytes(data)
    return f"; {what}" if what else ""


# --- files that use each other -------------------------------------------------------------------


class Texts:
    """Where the texts of files come from: the disk. An editor has others, of what is open in it."""

    def has(self, path: Path) -> bool:
        """Whether there is a text at a path."""
        return path.is_file()

    def read(self, path: Path, name: str) -> Source:
        """Return the text at a path; raises UsageError where it cannot be read."""
        return _read_file(path, name)

    def tree(self, source: Source) -> ast.File:
        """Return the syntax tree of a text; raises CompileError where it has none."""
        return parse(source)


DISK = Texts()


@dataclass
class Files:
    """The files of one compilation: what was declared by path, and which files are being declared.

    `words` counts the texts together, so that many files cost no more than one may.
    """

    findings: Findings
    library: Scope
    texts: Texts = DISK
    done: dict[Path, Scope] = field(default_factory=dict)
    using: list[Path] = field(default_factory=list)
    words: int = 0
    in_circles: bool = False

    def declare(self, source: Source, home: Path | None) -> Scope:
        """Declare a file after the files that it uses."""
        self.words += words_of(source)
        file = self.texts.tree(source)
        if source.path is not None:
            self.using.append(source.path)
        uses = [declaration for declaration in file.declarations if isinstance(declaration, ast.Use)]
        parents = dict.fromkeys(scope for use in uses for scope in self._scope(use, home))
        if source.path is not None:
            self.using.pop()
        scope = declare(file, source, [*parents, self.library], self.findings)
        if source.path is not None:
            self.done[source.path] = scope
        return scope

    def _scope(self, use: ast.Use, home: Path | None) -> Iterator[Scope]:
        """The scope of the file that a `use` names, or none after an error."""
        found = self._used(use, home)
        if found is None:
            return
        path, name = found
        if path in self.using:
            self._circle(use, path)
            return
        if path not in self.done:
            text = self._text(use, path, name)
            if text is None:
                return
            self.declare(text, path.parent)
        yield self.done[path]

    def _circle(self, use: ast.Use, path: Path) -> None:
        """Report files that use each other; one circle is told, for the others may be part of it."""
        if self.in_circles:
            return
        self.in_circles = True
        way = " -> ".join(each.name for each in (*self.using[self.using.index(path) :], path))
        message = f"files use each other without end: {way}"
        self.findings.add(Diagnostic("E0209", message, use.span))

    def _text(self, use: ast.Use, path: Path, name: str) -> Source | None:
        """Read a file that is used, within the bounds of a compilation."""
        try:
            text = self.texts.read(path, name)
        except UsageError as error:
            self.findings.add(Diagnostic("E0210", str(error), use.span))
            return None
        code, message = "", ""
        if len(self.done) + len(self.using) > FILES.most:
            code, message = FILES.code, f"the program is too large: more than {FILES.most} files are used"
        elif self.words + words_of(text) > TOKENS.most:
            message = f"the texts have more than {TOKENS.most:,} words and signs together"
            code = TOKENS.code
        if message:
            self.findings.add(Diagnostic(code, message, use.span))
            raise CompileError(self.findings.shown)
        return text

    def _used(self, use: ast.Use, home: Path | None) -> tuple[Path, str] | None:
        """The file that a `use` names; only shipped specs and files below the spec's own folder."""
        if use.shipped:
            found = file_of(use.target)
            if found is not None:
                return found.resolve(), found.name
            hint = did_you_mean(use.target, known())
            return self._error(use, f"no shipped spec `{use.target}`", hint)
        if home is None:
            return self._error(use, "this text has no folder to use files from")
        try:
            path, root, shelf = (home / use.target).resolve(), home.resolve(), specs_folder().resolve()
            is_file = self.texts.has(path)
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a name too long
            reason = error.strerror if isinstance(error, OSError) else str(error).partition(" from ")[0]
            return self._error(use, f"`{use.target}` cannot be opened: {reason}")
        if shelf in path.parents and shelf in root.parents:
            root = shelf
        if Path(use.target).is_absolute() or root not in path.parents:
            return self._error(use, f"`{use.target}` is outside the spec's own folder")
        if not is_file:
            return self._error(use, f"no file `{use.target}`", _files_like(path, root))
        return path, use.target

    def _error(self, use: ast.Use, message: str, hint: str = "") -> tuple[Path, str] | None:
        self.findings.add(Diagnostic("E0210", message, use.span, hint=hint))
        return None


def _files_like(path: Path, root: Path) -> str:
    """Return a hint with the specs in the same folder that have almost the name."""
    found = close_names(path.stem, (file.stem for file in path.parent.glob(f"*{SUFFIX}")))
    names = [f"`{(path.parent / f'{name}{SUFFIX}').relative_to(root).as_posix()}`" for name in found]
    return f"did you mean {one_of(names)}?" if names else ""
