"""Declarations: other words for them, names that are missing or none, braces forgotten."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

import re

from resnet_dsl.syntax.mistakes.slip import Groups, Slip

NAMES = "names are letters, digits and `_`"

MODEL = "(?:[Mm]odels?|[Nn]etwork|[Nn]et|[Mm]odul|[Mm]odule|[Aa]rchitecture|arch|graph|resnet|mdoel|modle|modell|struct|object|interface|type|MODEL)"
BLOCK = (
    "(?:[Bb]locks?|[Ll]ayer|fn|func|function|fun|macro|define|defblock|template|blcok|bloc|BLOCK|unit|cell)"
)
CONST = "(?:let|var|val|constant|consts?|CONST|Const|static|final|set|int|float|def|define|local|auto)"


def _named(groups: Groups) -> str:
    """A name without the signs that no name has."""
    name = re.sub(r"\W+", "_", groups["a"].strip("\"'")).strip("_")
    return name if not name[:1].isdigit() else f"net{name}"


DECLARATIONS = (
    Slip(rf"§(?P<slip>{MODEL})(?=<gap><name> [{{(])", "a network is declared with `model`, not `{slip}`", "model", inside="T"),
    Slip(rf"§(?P<slip>{MODEL})(?= [{{])", "a network is declared with `model` and its name, not with `{slip}`", "model net", inside="T"),
    Slip(rf"§(?P<slip>{BLOCK})(?=<gap><name> [{{(])", "a block is declared with `block`, not `{slip}`", "block", inside="T"),
    Slip(rf"§(?P<slip>{CONST})(?=<gap><name> =)", "a constant is declared with `const`, not `{slip}`", "const", inside="T"),
    Slip(r"(?P<slip>§(?P<k>export|public|private|abstract|static)<gap>)(?=model|block|const)", "`{k}` says nothing here", "", inside="T"),
    Slip(r"(?P<slip>§(?P<a><name>)) =(?!=)", "a constant is declared with `const`", "const {a}", inside="T"),
    # Names
    Slip(r"model(?P<slip> )§[{{(]", "the model has no name", " net ", inside="T"),
    Slip(r"block(?P<slip> )§[{{(]", "the block has no name", " mine", inside="T"),
    Slip(r"const(?P<slip> )§=", "the constant has no name", " n ", inside="T"),
    Slip(r"(?:model|block|const)<gap>(?P<slip>§(?P<a>\"[^\"\n]*\"))", "a name stands without quotes; " + NAMES, _named, inside="T"),
    Slip(r"(?:model|block)<gap>(?P<slip>(?P<a><name>§(?:[-.]\w+)+))", NAMES, _named, inside="T"),
    Slip(r"(?:model|block|const)<gap>(?P<slip>§(?P<a>\d[\w.-]*))", "a name starts with a letter", _named, inside="T"),
    Slip(r"(?P<slip>(?P<a><name>§(?:-\w+)+))(?= :)", NAMES, _named, inside="[MR]"),
    Slip(r"(?P<slip>(?P<a><name> §(?:- \w+)+))(?= =)", NAMES, _named, inside="B"),
    Slip(r"(?P<slip>(?P<a>\b(?:base|stride|drop|zero|num)<tab>§(?:width|on|path|gamma|classes)))(?= :)", NAMES, _named, inside="[MR]"),
    Slip(r"\buse (?P<slip><name>§(?:\.\w+|/[\w./]+))", "a file is named in quotes", '"{slip}"', inside="T"),
    Slip(r"\buse (?P<slip><name>(?:,|§,) <name>)", "a line of `use` names one spec", None, "write `use` again", inside="T"),
    # Recipes
    Slip(r"recipe(?P<slip> )§\{", "the recipe has no name", " mine ", inside="T"),
    Slip(r"recipe<gap><name>(?P<slip> §\([^()\n]*\))", "a recipe has no parameters", "", "its model may have some: `model: name(n=3)`", inside="T"),
    Slip(r"recipe<gap><name>(?P<slip> §=)", "the fields of a recipe stand in braces", "", inside="T", wants="LBRACE"),
    # Models of a table
    Slip(r"model<gap>(?P<a><name>)(?P<slip>(?P<p> \([^()\n]*\))) §=(?!=)", "a model that is another's call has no parameters of its own", None, "`model {a}{p} {{ base: … }}` has some", inside="T"),
    Slip(r"model<gap>(?P<a><name>) = (?P<b><call>) (?P<slip>§\{)", "no fields follow the call that `{a}` is", None, "give them in the call, `{a} = name(field=value)`, or write `model {a} {{ base: {b}  field: value }}`", inside="T"),
    Slip(r"model<gap><name>(?P<slip>)(?=<gap>§<name> \([^{{}}\n]*\)[\t\x20]*(?:\n|#|\Z))", "`=` is missing", " =", inside="T", wants="EQUAL|LBRACE"),
    # Braces
    Slip(r"block<gap><name>(?P<slip><gap>§(?P<p>[\w,=]+?))\s*(?=\{|\n)", "parameters stand in parentheses", "({p})", inside="T", wants="LPAR"),
    Slip(r"(?:block|model|recipe)<gap><name>(?: \([^()\n]*\))?(?P<slip>)(?=<gap>§\w)", "`{{` is missing", " {{", inside="T", wants="LBRACE"),
    Slip(r"(?P<slip>§)\{", "`{{` follows a word and a name: `model net {{`", "model net ", inside="T", wants="MODEL"),
    Slip(r"(?:block|model)<gap><name>(?P<slip> )§(?:=|-)", "`{{` stands here", None, inside="T", wants="LBRACE"),
    Slip(r"(?:block|model)<gap><name> (?P<slip>§\[[^\]\n]*\])", "parameters stand in round parentheses", None, inside="T"),
    Slip(r"(?P<a><name>) = [^=§]*(?P<slip>§\})", "a block ends with `return` and its result", None, "`return {a}`", inside="B", wants="RETURN"),
    Slip(r"(?P<slip>§\})", "a block ends with `return` and its result", None, "`return x -> …`", inside="B", wants="RETURN"),
    Slip(r"§(?P<slip><name>) =(?!=)", "`return` is the last line of a block, and `{slip}` follows it", None, "put the steps above `return`", inside="B", wants="RBRACE"),
    Slip(r"§(?P<slip>return)\b", "a block has one `return`, its last line", None, "a branch is written `return if c then a else b`", inside="B", wants="RBRACE"),
    Slip(r"return (?P<slip>§\})", "a result is missing after `return`", None, "`return x -> …`", inside="B"),
    Slip(r"(?P<slip>(?P<a><name>) [:=] )§(?=[}\n]|<name> [:=])", "`{a}` has no value", None, "write one, or leave `{a}` out", inside="[MBR]"),
)  # fmt: skip
