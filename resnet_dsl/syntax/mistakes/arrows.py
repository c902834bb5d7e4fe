"""Arrows between steps: forgotten, left over, or another sign."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

from resnet_dsl.syntax.mistakes.mistake import Mistake

BETWEEN = "steps are joined by `->`"
MISSING = "`->` is missing before `{a}`"
NOTHING = "no step follows this `->`"

ARROWS = (
    # Other signs
    Mistake(r"(?P<slip>-+\s*§-*>)(?<!§->)", "an arrow is written `->`", "->"),
    Mistake(r"(?P<slip>- §>)", "an arrow is written `->`", "->"),
    Mistake(r"<field> (?P<slip>§=>)", "a field takes `:`, not `=>`", ":", inside="[MR]", wants="COLON"),
    Mistake(r"(?P<slip>§=>)", "steps are joined by `->`, not by `=>`", "->"),
    Mistake(r"(?P<slip>§\|>)", "steps are joined by `->`, not by `|>`", "->"),
    Mistake(r"(?P<slip>> §>)", "steps are joined by `->`, not by `>>`", "->"),
    Mistake(r"(?P<slip>§\|\|)", "the word for `||` is `or`", "or"),
    Mistake(r"(?P<slip>§\|)", "steps are joined by `->`, not by `|`", "->", inside="[TMBCGRV]"),
    # One too many
    Mistake(r"(?P<slip>-> §->)", "two arrows in a row", "->"),
    Mistake(r"(?P<before>return|<name> =) §(?P<slip>->)", "a pipeline starts with a tensor: `x` is the block's input", "x ->", inside="B"),
    Mistake(r"[:=(\[,] §(?P<slip>->)", "a pipeline starts with a step, not with `->`", ""),
    Mistake(r"(?P<slip>->)\s+§(?=[\])},]|return\b|<end>)", NOTHING, ""),
    Mistake(r"(?P<slip>->)§(?=[\])},])", NOTHING, ""),
    Mistake(r"(?P<slip>->)<gap>(?=§?(?P<a><name>) §[:=])", NOTHING + "; `{a}` begins the next line", "", inside="[BMR]"),
    Mistake(r"(?P<slip>->) §(?P<a>block|model|const|use)\b", NOTHING + "; `{a}` begins something else", ""),
    # Forgotten
    Mistake(r"[\w)\]]<gap>(?P<slip>(?P<a>(?!(?:<field>|x|return|else|then)\b)<name>)) §(?=[A-Za-z_(}]|->|<end>)(?!x\b)", MISSING, "-> {slip}", inside="M", wants="COLON"),
    Mistake(r"\b(?P<t><name>) =[^=][^§]*\n\s*(?P<slip>(?P<a><name>)) §\( (?:(?P=t)|x)\b", "the step `{a}(…)` has no name", None, "name the step, `name = …`, or `return` it", inside="B", wants="EQUAL"),
    Mistake(r"[\w)\]]<gap>(?P<slip>(?P<a>(?!(?:x|return|else|then)\b)<name>)) §(?=[A-Za-z_(}]|->)(?!x\b)", MISSING, "-> {slip}", inside="B", wants="EQUAL"),
    Mistake(r"[\w)\]]<gap>(?:§)(?P<slip>(?P<a>(?!(?:if|else|then|elif|for|in|is)\b)<call>))(?! [=:])", MISSING, "-> {slip}", inside="[BG]", wants="__ANON_0"),
    Mistake(r"[\w)\]]<tab>§(?P<slip>(?P<a>(?!(?:if|else|then|elif|for|in|is)\b)<call>))(?! [=:])", MISSING, "-> {slip}", inside="[TV]", wants="__ANON_0"),
    Mistake(r"[A-Za-z_)\]]\w*<gap>§(?P<slip>(?P<a>(?!(?:if|else|then|elif|for|in|is)\b)<name>))(?= \()", MISSING, "-> {slip}", inside="C", wants="__ANON_0"),
    Mistake(r"(?:^|[{}\n;])\s*(?P<slip>(?P<a><call>) §->)", "this pipeline has no name", None, "name the step, `name = …`, or `return` it", inside="B", wants="EQUAL"),
)  # fmt: skip
