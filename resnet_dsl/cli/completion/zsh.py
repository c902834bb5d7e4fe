"""Completion for zsh."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from resnet_dsl.cli.completion.candidates import (
    ANY,
    OfferedCommand,
    OfferedOption,
    Values,
    first_words,
    second_words,
    shipped_names,
)
from resnet_dsl.cli.options import COLORS, PROGRAM

SCRIPT = """\
#compdef {program}
# Completes {program} in zsh. In ~/.zshrc, after compinit: eval "$({program} completion zsh)"
# Or as a file `_{program}` in a folder of $fpath.
_resnet_dsl_names=({names})

_resnet_dsl_shipped() {{ compadd -a _resnet_dsl_names }}

# `_files -g` offers all files where none is of the pattern.
_resnet_dsl_files() {{
    _path_files -g '*.resnet'
    _path_files -/
}}

_resnet_dsl_specs() {{
    _resnet_dsl_shipped
    _resnet_dsl_files
}}

_resnet_dsl() {{
    local state line
    _arguments -C \\
        '(- *)'{{-h,--help}}'[show what there is]' \\
        '(- *)--version[show the version]' \\
        '--color[colour diagnostics]:WHEN:({colors})' \\
        '1: :->command' '*:: :->argument' && return
    case $state in
        command)
            local -a commands=(
{commands}
            )
            _describe -t commands command commands ;;
        argument) _resnet_dsl_argument ;;
    esac
}}

_resnet_dsl_argument() {{
    case $words[1] in
{seconds}
    esac
    case $words[1] in
{arguments}
    esac
}}

if [ "$funcstack[1]" = "_{program}" ]; then _resnet_dsl "$@"; else compdef _resnet_dsl {program}; fi
"""
GROUP = """\
        {group})
            if (( CURRENT == 2 )); then
                local -a commands=(
{commands}
                )
                _describe -t commands command commands
                return
            fi
            words=("$words[1] $words[2]" "${{(@)words[3,-1]}}")
            (( CURRENT-- )) ;;"""


def zsh_script(commands: list[OfferedCommand]) -> str:
    """Return what zsh reads."""
    return SCRIPT.format(
        program=PROGRAM,
        names=" ".join(shipped_names()),
        colors=" ".join(COLORS),
        commands=_described(first_words(commands), 16),
        seconds="\n".join(
            GROUP.format(group=group, commands=_described(words, 20))
            for group, words in second_words(commands).items()
        ),
        arguments="\n".join(map(_arguments, commands)),
    )


def _described(words: Mapping[str, str], indent: int) -> str:
    entries = (shlex.quote(f"{word}:{about}") for word, about in words.items())
    return "\n".join(" " * indent + entry for entry in entries)


def _arguments(command: OfferedCommand) -> str:
    entries = [entry for option in command.options for entry in _option(option)]
    if action := _action(command.plain):
        entries.append(shlex.quote(f"*: :{action}"))
    lines = " \\\n".join(f"                {entry}" for entry in entries)
    return f"        {shlex.quote(command.name)})\n            _arguments -s \\\n{lines} ;;"


def _option(option: OfferedOption) -> Iterator[str]:
    """Yield an option by each of its names; one that may be given once excludes its other names."""
    others = "" if option.repeatable else f"({' '.join(option.names)})"
    value = "" if option.values is None else f": :{_action(option.values)}"
    for name in option.names:
        yield shlex.quote(f"{'*' if option.repeatable else others}{name}[{_plain(option.help)}]{value}")


def _plain(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _action(values: Values) -> str:
    if values.words:
        escaped = (re.sub(r"([:()])", r"\\\1", word) for word in values.words)
        return f"({' '.join(escaped)})"
    if values.shipped:
        return "_resnet_dsl_specs" if values.files else "_resnet_dsl_shipped"
    if values.files in ("", ANY):
        return "_files" if values.files else ""
    return "_resnet_dsl_files"
