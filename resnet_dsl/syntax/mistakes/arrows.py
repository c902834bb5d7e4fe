"""Arrows between steps: forgotten, left over, or another sign."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

from resnet_dsl.syntax.mistakes.slip import Slip

AN_ARROW = "an arrow is written `->`"
NOT_BY = "steps are joined by `->`, not by `{}`"
MISSING = "`->` is missing before `{a}`"
NOTHING = "no step follows this `->`"
NAME_IT = "name the step, `name = …`, or `return` it"
WORDS = "return|if|else|then|elif|for|in|is|and|or|not"

ARROWS = (
    # One too many
    Slip(r"(?P<slip>->) (?:-§>|§->)", "two arrows in a row", ""),
    Slip(r"(?:return|<name> =) (?P<slip>-§>|§->)", "a pipeline starts with a tensor: `x` is the block's input", "x ->", inside="B"),
    Slip(r"[:=(\[,] (?P<slip>-§>|§->)", "a pipeline starts with a step, not with `->`", ""),
    Slip(r"(?P<slip>->) §(?=[\])},]|<end>)", NOTHING, ""),
    Slip(r"(?P<slip>->)<gap>(?P<a>return)\b[^§\n]*\n?[^§\n]*§", NOTHING + "; `{a}` begins something else", "", inside="B"),
    Slip(r"(?P<slip>->)<gap>(?P<a>return|block|model|const|use)\b §", NOTHING + "; `{a}` begins something else", ""),
    Slip(r"(?P<slip>->)<gap>(?P<a><name>) §[:=](?![=>])", NOTHING + "; `{a}` begins the next line", "", inside="[BMR]"),
    # Other signs
    Slip(r"(?P<slip>-+§-*>|§--+>)", AN_ARROW, "->"),
    Slip(r"(?P<slip>- §>)", AN_ARROW, "->"),
    Slip(r"\b<field>(?P<slip> §=>)", "a field takes `:`, not `=>`", ":", inside="[MR]", wants="COLON"),
    Slip(r"(?P<slip>§=>)", NOT_BY.format("=>"), "->"),
    Slip(r"(?P<slip>§\|>)", NOT_BY.format("|>"), "->"),
    Slip(r"(?P<slip>> §>|§>>)", NOT_BY.format(">>"), "->"),
    Slip(r"(?P<slip>§>)(?!=)", NOT_BY.format(">"), "->", inside="[TMBVG]"),
    Slip(r"(?P<slip>§\|\|)", "the word for `||` is `or`", "or"),
    Slip(r"(?P<slip>§\|)", NOT_BY.format("|"), "->", inside="[TMBCGRV]"),
    # Forgotten
    Slip(rf"[\w)\]]<gap>(?P<slip>(?P<a>(?!(?:<field>|x|{WORDS})\b)<name>)) §(?=[A-Za-z_(}}]|->|<end>)(?!x\b)", MISSING, "-> {slip}", inside="M", wants="COLON"),
    Slip(r"\b(?P<t><name>) =[^=][^§]*\n\s*(?P<slip>(?P<a><name>)) §\( (?:(?P=t)|x)\b", "the step `{a}(…)` has no name", None, NAME_IT, inside="B", wants="EQUAL"),
    Slip(rf"[\w)\]]<gap>(?P<slip>(?P<a>(?!(?:x|{WORDS})\b)<name>)) §(?=[A-Za-z_(}}]|->)(?!x\b)", MISSING, "-> {slip}", inside="B", wants="EQUAL"),
    Slip(rf"[\w)\]]<gap>§(?P<slip>(?P<a>(?!(?:{WORDS})\b)<call>))(?! =)", MISSING, "-> {slip}", inside="[BG]", wants="RBRACE|RPAR"),
    Slip(rf"[\w)\]]<tab>§(?P<slip>(?P<a>(?!(?:{WORDS})\b)<call>))(?! =)", MISSING, "-> {slip}", inside="[TV]"),
    Slip(rf"[A-Za-z_)\]]\w*<gap>§(?P<slip>(?P<a>(?!(?:{WORDS})\b)<name>))(?= \()", MISSING, "-> {slip}", inside="C", wants="COMMA"),
    Slip(r"(?:^|[{};\n])\s*(?P<slip>(?P<a><call>) §->)", "this pipeline has no name", None, NAME_IT, inside="B", wants="EQUAL"),
)  # fmt: skip
