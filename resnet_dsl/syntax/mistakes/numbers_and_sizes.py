"""Numbers and sizes, as other places write them."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

import re

from resnet_dsl.syntax.mistakes.mistake import Groups, Mistake

SIZE = "a size is whole numbers joined by a small `x`, without blanks: `3x3`, `3xHxW`"
BIG = {"k": 1_000, "K": 1_000, "m": 1_000_000, "M": 1_000_000}


def _size(groups: Groups) -> str:
    return "x".join(re.findall(r"\d+|H|W", groups["slip"]))


def _upper(groups: Groups) -> str:
    return groups["slip"].upper().replace("X", "x")


def _thousands(groups: Groups) -> str:
    return f"{int(groups['n']) * BIG[groups['k']]:_}"


NUMBERS = (
    Mistake(r"(?P<slip>\d+<gap>[xX]<gap>§[\dHW]+(?: [xX×] [\dHW]+)*)", SIZE, _size),
    Mistake(r"(?P<slip>\d+(?:[xX][hwHW\d]+)+) §", SIZE, _upper, inside="M", wants="COLON"),
    Mistake(r"(?P<slip>\d+(?:x\d+)* §[xX×*] [\dHW]+(?: [xX×] [\dHW]+)*)(?!\w)", SIZE, _size),
    Mistake(r"(?P<slip>\d+(?:x\d+)* §[xX]\d+(?: [xX] [\dHW]+)*)(?!\w)", SIZE, _size),
    Mistake(r"(?P<slip>\d+ §[xX](?:[\dHW]+[xX])*[\dHW]+)(?!\w)", SIZE, _size),
    Mistake(r"(?P<slip>\d+(?:x\d+)*§x\w*)", SIZE, None),
    Mistake(r"(?P<slip>(?P<n>\d+)§(?P<k>[kKmM]))\b", "numbers are written out", _thousands),
    Mistake(r"(?P<slip>(?P<n>\d+(?:\.\d+)?)§[fFlLuU])\b", "a number has no letter behind it", "{n}"),
    Mistake(r"(?P<slip>(?P<n>\d+(?:\.\d+)?)§[eE])(?![\w+-])", "the exponent of this number is missing", None, "`1e-5`"),
    Mistake(r"(?P<slip>(?P<n>\d+)\.§)(?!\w)", "a digit stands on both sides of the point", "{n}.0"),
    Mistake(r"(?P<slip>§\.(?P<n>\d+))", "a digit stands on both sides of the point", "0.{n}"),
    Mistake(r"(?P<slip>(?P<n>\d+)%)\s*§", "there is no percent sign", None, "write `0.2` for 20 %"),
    Mistake(r"(?P<slip>§\+)(?=\d)", "a positive number has no sign", ""),
    Mistake(r"(?P<slip>(?P<n>\d+)§(?P<a>[A-Za-z_]\w*))", "`{n}{a}` is neither a number nor a name", None, "a name starts with a letter"),
)  # fmt: skip
