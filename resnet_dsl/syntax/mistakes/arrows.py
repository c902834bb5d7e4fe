"""Arrows between steps: forgotten, left over, or another sign."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

from resnet_dsl.syntax.mistakes.mistake import Mistake

AN_ARROW = "an arrow is written `->`"
NOT_BY = "steps are joined by `->`, not by `{}`"
MISSING = "`->` is missing before `{a}`"
NOTHING = "no step follows this `->`"
NAME_IT = "name the step, `name = …`, or `return` it"
WORDS = "return|if|else|then|elif|for|in|is|and|or|not"

ARROWS = (
    # One too many
    Mistake(r"(?P<slip>->) (?:-§>|§->)", "two arrows in a row", ""),
    Mistake(r"(?:return|<name> =) (?P<slip>-§>|§->)", "a pipeline starts with a tensor: `x` is the block's input", "x ->", inside="B"),
    Mistake(r"[:=(\[,] (?P<slip>-§>|§->)", "a pipeline starts with a step, not with `->`", ""),
    Mistake(r"(?P<slip>->) §(?=[\])},]|<end>)", NOTHING, ""),
    Mistake(r"(?P<slip>->)<gap>(?P<a>return)\b[^§\n]*\n?[^§\n]*§", NOTHING + "; `{a}` begins something else", "", inside="B"),
    Mistake(r"(?P<slip>->)<gap>(?P<a>return|block|model|const|use)\b §", NOTHING + "; `{a}` begins something else", ""),
    Mistake(r"(?P<slip>->)<gap>(?P<a><name>) §[:=](?![=>])", NOTHING + "; `{a}` begins the next line", "", inside="[BMR]"),
    # Other signs
    Mistake(r"(?P<slip>-+§-*>|§--+>)", AN_ARROW, "->"),
    Mistake(r"(?P<slip>- §>)", AN_ARROW, "->"),
    Mistake(r"\b<field>(?P<slip> §=>)", "a field takes `:`, not `=>`", ":", inside="[MR]", wants="COLON"),
    Mistake(r"(?P<slip>§=>)", NOT_BY.format("=>"), "->"),
    Mistake(r"(?P<slip>§\|>)", NOT_BY.format("|>"), "->"),
    Mistake(r"(?P<slip>> §>|§>>)", NOT_BY.format(">>"), "->"),
    Mistake(r"(?P<slip>§>)(?!=)", NOT_BY.format(">"), "->", inside="[TMBVG]"),
    Mistake(r"(?P<slip>§\|\|)", "the word for `||` is `or`", "or"),
    Mistake(r"(?P<slip>§\|)", NOT_BY.format("|"), "->", inside="[TMBCGRV]"),
    # Forgotten
    Mistake(rf"[\w)\]]<gap>(?P<slip>(?P<a>(?!(?:<field>|x|{WORDS})\b)<name>)) §(?=[A-Za-z_(}}]|->|<end>)(?!x\b)", MISSING, "-> {slip}", inside="M", wants="COLON"),
    Mistake(r"\b(?P<t><name>) =[^=][^§]*\n\s*(?P<slip>(?P<a><name>)) §\( (?:(?P=t)|x)\b", "the step `{a}(…)` has no name", None, NAME_IT, inside="B", wants="EQUAL"),
    Mistake(rf"[\w)\]]<gap>(?P<slip>(?P<a>(?!(?:x|{WORDS})\b)<name>)) §(?=[A-Za-z_(}}]|->)(?!x\b)", MISSING, "-> {slip}", inside="B", wants="EQUAL"),
    Mistake(rf"[\w)\]]<gap>§(?P<slip>(?P<a>(?!(?:{WORDS})\b)<call>))(?! =)", MISSING, "-> {slip}", inside="[BG]", wants="RBRACE|RPAR"),
    Mistake(rf"[\w)\]]<tab>§(?P<slip>(?P<a>(?!(?:{WORDS})\b)<call>))(?! =)", MISSING, "-> {slip}", inside="[TV]"),
    Mistake(rf"[A-Za-z_)\]]\w*<gap>§(?P<slip>(?P<a>(?!(?:{WORDS})\b)<name>))(?= \()", MISSING, "-> {slip}", inside="C", wants="COMMA"),
    Mistake(r"(?:^|[{};\n])\s*(?P<slip>(?P<a><call>) §->)", "this pipeline has no name", None, NAME_IT, inside="B", wants="EQUAL"),
)  # fmt: skip
