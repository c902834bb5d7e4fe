"""Numbers and sizes, as other places write them."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

import re

from resnet_dsl.syntax.mistakes.slip import Groups, Slip

SIZE = "a size is whole numbers joined by a small `x`, without blanks: `3x3`, `3xHxW`"
BIG = {"k": 1_000, "K": 1_000, "m": 1_000_000, "M": 1_000_000}


def _size(groups: Groups) -> str:
    return "x".join(re.findall(r"\d+|H|W", groups["slip"]))


def _upper(groups: Groups) -> str:
    return groups["slip"].upper().replace("X", "x")


def _thousands(groups: Groups) -> str:
    return f"{int(groups['n']) * BIG[groups['k']]:_}"


NUMBERS = (
    Slip(r"(?P<slip>\d+<gap>[xX]<gap>§[\dHW]+(?: [xX×] [\dHW]+)*)", SIZE, _size),
    Slip(r"(?P<slip>\d+(?:[xX][hwHW\d]+)+) §", SIZE, _upper, inside="M", wants="COLON"),
    Slip(r"(?P<slip>\d+(?:x\d+)* §[xX×*] [\dHW]+(?: [xX×] [\dHW]+)*)(?!\w)", SIZE, _size),
    Slip(r"(?P<slip>\d+(?:x\d+)* §[xX]\d+(?: [xX] [\dHW]+)*)(?!\w)", SIZE, _size),
    Slip(r"(?P<slip>\d+ §[xX](?:[\dHW]+[xX])*[\dHW]+)(?!\w)", SIZE, _size),
    Slip(r"(?P<slip>\d+(?:x\d+)*§x\w*)", SIZE, None),
    Slip(r"(?P<slip>(?P<n>\d+)§(?P<k>[kKmM]))\b", "numbers are written out", _thousands),
    Slip(r"(?P<slip>(?P<n>\d+(?:\.\d+)?)§[fFlLuU])\b", "a number has no letter behind it", "{n}"),
    Slip(r"(?P<slip>(?P<n>\d+(?:\.\d+)?)§[eE])(?![\w+-])", "the exponent of this number is missing", None, "`1e-5`"),
    Slip(r"(?P<slip>(?P<n>\d+)\.§)(?!\w)", "a digit stands on both sides of the point", "{n}.0"),
    Slip(r"(?P<slip>§\.(?P<n>\d+))", "a digit stands on both sides of the point", "0.{n}"),
    Slip(r"(?P<slip>(?P<n>\d+)%)\s*§", "there is no percent sign", None, "write `0.2` for 20 %"),
    Slip(r"(?P<slip>§\+)(?=\d)", "a positive number has no sign", ""),
    Slip(r"(?P<slip>(?P<n>\d+)§(?P<a>[A-Za-z_]\w*))", "`{n}{a}` is neither a number nor a name", None, "a name starts with a letter"),
)  # fmt: skip
