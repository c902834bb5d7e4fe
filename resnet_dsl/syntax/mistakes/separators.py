"""Commas, colons and equals signs: forgotten, too many, or one for another."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

import re

from resnet_dsl.syntax.mistakes.slip import Groups, Slip


def _counted(groups: Groups) -> str:
    """A comprehension over a short range, written out."""
    return f"[{', '.join([groups['a'].strip()] * int(groups['n']))}]"


def _size(groups: Groups) -> str:
    return "x".join(re.findall(r"\w+", groups["slip"]))


REPEATED = "repetition is the count of a stage: `stages: [3, 4, 6, 3]`; lists are written out"
OF_FIELDS = "a field of a model is written `name: value`"
OF_STEPS = "a step of a block is written `name = value`"
VALUE = r"(?:<number>|\"[^\"\n]*\"|\d[\dxHW]*|[A-Za-z_]\w*)"

SEPARATORS = (
    # Tuples and bare lists
    Slip(r"(?P<slip>\( \d+ §, \d+ (?:, \d+ )*\))", "a size is written with `x`, not as a tuple", _size, inside="CG"),
    Slip(r"\binput : (?P<slip>\( \w+ §, \w+ , \w+ \))", "a size is written with `x`, not as a tuple", _size, inside="MG"),
    Slip(r"(?P<slip>\( (?P<a>[^()§]*)§(?P<b>,[^()]*?),? \))", "a list takes square brackets, not round ones", "[{a}{b}]", inside="G"),
    Slip(r"\binput : (?P<slip>\d+ §, \w+ , \w+)", "a size is written with `x`, not with commas", _size, inside="M"),
    Slip(r": (?P<slip>(?P<a>[\w.]+) §(?P<b>(?:, [\w.]+(?! :)\b)+))", "a list takes square brackets", "[{a}{b}]", inside="[MR]"),
    Slip(r"(?P<slip>\[ (?P<a>[^\[\]\n]+?)<gap>§for<gap>\w+<gap>in<gap>range \( (?P<n>1?\d) \) \])", "lists are written out; there is no `for`", _counted, inside="L"),
    Slip(r"§(?P<slip>for)\b", "there is no `for`", None, REPEATED),
    # Commas too many
    Slip(r"§(?P<slip>,)", "no comma stands between fields; space is enough", "", inside="[MR]"),
    Slip(r"§(?P<slip>,)", "no comma stands between the steps of a block", "", inside="B"),
    Slip(r"(?P<slip>, §,)", "nothing stands between these commas", ","),
    Slip(r"[(\[] §(?P<slip>,)", "nothing stands before this comma", ""),
    Slip(r"(?P<slip>\.\.\.) ,? §", "`...` stands last: what a call gives by itself comes before it", None, inside="[CP]", wants="RPAR"),
    # Commas forgotten
    Slip(r"[\w)\]\"](?P<slip>\s+)§(?P<b>[\w.\"-]+)", "`,` is missing before `{b}`", ", ", inside="[CLP]", wants="COMMA"),
    Slip(r"\](?P<slip>\s*)(?=\[[^\[\]\n]*§,)", "`,` is missing before `[`", ", ", inside="L"),
    # Semicolons
    Slip(r"§(?P<slip>;)", "a list takes commas, not semicolons", ",", inside="[CLP]"),
    Slip(r"§(?P<slip>;+)", "no `;` stands between fields and steps; space is enough", ""),
    # Colons and equals signs
    Slip(r"<name> =(?P<slip>§=|=§)(?!=)", OF_STEPS, "", inside="[BT]", wants="NAME|LPAR|INT"),
    Slip(r"==§(?P<slip>=)", "equality is `==`", ""),
    Slip(r"\bif\b[^§\n]*[\w)]\s*§(?P<slip>=)(?!=)", "equality is `==`", "=="),
    Slip(r"<name>(?P<slip> §:=| :§=)", OF_FIELDS, ":", inside="[MR]"),
    Slip(r"<name>(?P<slip> §:=| :§=)", OF_STEPS, " =", inside="[BT]"),
    Slip(r"<name>(?P<slip> §==?)", OF_FIELDS, ":", inside="[MR]", wants="COLON"),
    Slip(r"<name> §(?P<slip>\+=|-=|\*=)", "a name is given once; there is no `{slip}`", None, OF_STEPS, inside="B"),
    Slip(r"<name>(?P<slip> §(?:==|<-|:))", OF_STEPS, " =", inside="[B]", wants="EQUAL"),
    Slip(r"\bconst<gap><name>(?P<slip> §:=?)", "a constant is written `const name = value`", " =", inside="[T]"),
    Slip(r"\bconst<gap><name>(?P<slip>\s+)§[\w\[(\"]", "`=` is missing: a constant is written `const name = value`", " = ", inside="T"),
    Slip(r"<name>(?P<slip> §: (?:int|float|bool|str|Tensor|list|tuple|nn\.Module))", "parameters have no types", "", inside="P"),
    Slip(r"<name>(?P<slip> §:)", "a default is written `name = value`", " =", inside="P"),
    Slip(r"(?P<slip>(?P<a>\b<field>))<gap>?§(?=[\w\[({\"-])", "`:` is missing after `{a}`", "{slip}:", inside="[MR]", wants="COLON"),
    Slip(r"(?P<slip>(?P<a><name>))<gap>?§(?=[\d\[{\"-])", "`:` is missing after `{a}`", "{slip}:", inside="[MR]", wants="COLON"),
    Slip(r"(?P<slip>(?P<a>\b<name>))<gap>§(?=x\b|\d|if\b)", "`=` is missing after `{a}`", "{slip} =", inside="B", wants="EQUAL"),
    Slip(r"{ (?P<slip>(?P<a>\b<name>))<gap>§(?=\w)", "`=` is missing after `{a}`", "{slip} =", inside="B", wants="EQUAL"),
)  # fmt: skip
