"""Texts that are no spec at all: what they are, and what they would be as one."""

# ruff: noqa: E501  (a row of a table reads best on one line)

from __future__ import annotations

import json
import re

from resnet_dsl.records import dataclass
from resnet_dsl.syntax.mistakes.place import without_comments

MAX_TRIED = 20_000
IMPORT = "`resnet-dsl import FILE` writes a spec from weights or an ONNX file"
SPEC = "a spec has `model name { … }`, with `name: value` in the braces"

# How a text begins, or what a line of it is, and what it is called.
TEXTS = (
    (r"\A\s*(?:<!DOCTYPE|<html|<\?xml|<svg)", "HTML or XML", SPEC),
    (r"^(?:<{7}|={7}|>{7})(?: |$)", "a file with an unresolved merge", "keep one side, and delete the lines with `<<<<<<<`, `=======` and `>>>>>>>`"),
    (r"\A\s*```", "Markdown", "take the text out of its fence, the lines with three backquotes"),
    (r"^(?:import[ \t]+(?:torch|tensorflow|keras|numpy|onnx|os|sys|math)\b|from[ \t]+[\w.]+[ \t]+import[ \t])", "Python", SPEC),
    (r"^class[ \t]+\w+\((?:\w+\.)*(?:Module|Model|Layer)\):", "Python", SPEC),
    (r"^\[(?:net|network|convolutional|shortcut|maxpool|avgpool)\][ \t]*$", "a darknet cfg", SPEC),
    (r"^\[[\w.]+\][ \t]*\n\s*\w+[ \t]*=", "TOML or an ini file", SPEC),
    (r"^\s*type:[ \t]*\"(?:Convolution|ReLU|Pooling|BatchNorm|InnerProduct|Input|Eltwise)\"", "a prototxt of Caffe", SPEC),
    (r"^\s*op_type:[ \t]*\"|^ir_version:", "an ONNX model in text form", "`resnet-dsl import` reads the binary file"),
    (r"^diff --git |\A--- \S.*\n\+\+\+ ", "a patch", "apply it to the spec, with `git apply`"),
    (r"\A\s*(?:#include\b.*\n|using namespace\b)", "C++", SPEC),
    (r"^(?:const|let|var)[ \t]+\w+[ \t]*=[ \t]*require\(|^(?:export[ \t]+default|module\.exports)\b", "JavaScript", SPEC),
)  # fmt: skip

# How a file begins that is no text.
BINARIES = (
    (b"\x89HDF\r\n\x1a\n", "HDF5, as Keras writes weights", IMPORT),
    (b"PK\x03\x04", "a zip archive, as torch and Keras write", IMPORT),
    (b"\x89PNG", "a PNG image", ""),
    (b"\xff\xd8\xff", "a JPEG image", ""),
    (b"%PDF", "a PDF", ""),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x7fELF", "a program", ""),
    (b"\x80", "a pickle, as torch wrote before 1.6", IMPORT),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
)


@dataclass(frozen=True)
class Foreign:
    """A text that is no spec: what it is, a hint, and the model that it may have meant."""

    what: str
    hint: str
    model: str = ""
    at: int = 0


def foreign_text(text: str) -> Foreign | None:
    """Return what a text is that is no spec as a whole, or None where it may be a spec with a mistake."""
    plain = without_comments(text)
    if re.search(r"^[ \t]*model\s+\w+\s*(?:\([^)]*\)\s*)?\{", plain, re.MULTILINE):
        # A spec with something in it; a merge, a fence or a patch is still worth a word.
        kinds = [kind for kind in TEXTS if kind[1].startswith(("a file with", "Markdown", "a patch"))]
    else:
        kinds = list(TEXTS)
        if (found := _json(plain) or _yaml(plain)) is not None:
            return found
    for pattern, what, hint in kinds:
        if match := re.search(pattern, text if what == "C++" else plain, re.MULTILINE):
            return Foreign(what, hint, at=match.start())
    return None


def foreign_bytes(data: bytes) -> str:
    """Say what a file is that is not UTF-8 text, for a sentence; empty where that is not known."""
    for start, what, hint in BINARIES:
        if data.startswith(start):
            return f"it is {what}" + (f"; {hint}" if hint else "")
    if data[8:10] == b'{"':
        return f"it is safetensors; {IMPORT}"
    if data[:1] == b"\x08" and re.search(
        rb"\x12.(?:pytorch|tf2onnx|keras|onnx|resnet-dsl)|ai\.onnx|Conv", data[:4096], re.DOTALL
    ):
        return f"it is ONNX; {IMPORT}"
    if data[1:2] == b"\x00" or data[:1] == b"\x00":
        return "it is binary, or text in UTF-16; save it as UTF-8"
    return ""


def _json(text: str) -> Foreign | None:
    if not re.match(r"\s*[\[{]\s*[\"\[{]", text):
        return None
    try:
        value = json.loads(text) if len(text) <= MAX_TRIED else None
    except (ValueError, RecursionError):
        value = None
    return Foreign("JSON", SPEC, _model(value) if isinstance(value, dict) else "")


LINE = re.compile(r"(\s*)(?:- )?[\"']?([A-Za-z_][\w-]*)[\"']?:(?:[ \t]+(\S.*))?|(\s*)- +(\S.*)|---|\.\.\.")


def _yaml(text: str) -> Foreign | None:
    """YAML is keys and items alone, one a line, and no brace that opens a line's end."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    rows = [LINE.fullmatch(line) for line in lines[:400]]
    if len(rows) < 2 or not all(rows):
        return None
    fields: dict[str, object] = {}
    key = ""
    for row in (row for row in rows if row is not None):
        if row[5] is not None and key:
            items = fields.setdefault(key, [])
            if isinstance(items, list):
                items.append(row[5])
        elif row[2] is not None:
            key = row[2]
            if row[3] is not None:
                fields[key] = row[3]
    return Foreign("YAML", SPEC, _model(fields))


def _model(fields: dict[str, object]) -> str:
    """A flat record as a model, where it names fields of one."""
    inner = fields.get("model", fields)
    fields = {**fields, **inner} if isinstance(inner, dict) else fields
    known = {name: value for name, value in fields.items() if name not in ("model", "name")}
    if not {"stages", "block"} <= set(known):
        return ""
    parts = [f"{name.replace('-', '_')}: {_value(value)}" for name, value in known.items()]
    called = re.sub(r"\W+", "_", str(fields.get("name", "net")).strip("\"'")) or "net"
    return f"model {called} {{ {'  '.join(parts)} }}"


def _value(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            return re.sub(r"[\"']", "", value)
        case _:
            return str(value)
