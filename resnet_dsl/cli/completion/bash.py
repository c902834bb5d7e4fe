"""Completion for bash, from version 3.2 on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from resnet_dsl.cli.completion.candidates import (
    ANY,
    OfferedCommand,
    Values,
    first_words,
    second_words,
    shipped_names,
)
from resnet_dsl.cli.options import COLORS, PROGRAM

SCRIPT = """\
# Completes {program} in bash. In ~/.bashrc: eval "$({program} completion bash)"
_resnet_dsl_names='{names}'

_resnet_dsl_words() {{ COMPREPLY+=($(compgen -W "$*" -- "$current")); }}

_resnet_dsl_files() {{
    compopt -o filenames 2>/dev/null
    local IFS=$'\\n'
    COMPREPLY+=($(compgen -d -- "$current") $(compgen -f -X "!$1" -- "$current"))
}}

_resnet_dsl() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="" word index
    COMPREPLY=()
    # `--option=value` comes as three words.
    if [[ $current == "=" ]]; then
        current=""
    elif [[ $previous == "=" && COMP_CWORD -ge 2 ]]; then
        previous="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${{COMP_WORDS[index]}}"
        case "$command:$word" in
            :--color) ((index++)) ;;
            :-*) ;;
            :*) command="$word" ;;
{seconds}
        esac
    done
    case "$command $previous" in
        *" --color") _resnet_dsl_words {colors}; return ;;
{values}
    esac
    case "$command:$current" in
        :-*) _resnet_dsl_words --help --version --color ;;
        :*) _resnet_dsl_words {commands} ;;
{arguments}
    esac
}}

complete -F _resnet_dsl {program}
"""


def bash_script(commands: list[OfferedCommand]) -> str:
    """Return what bash reads."""
    seconds = second_words(commands)
    return SCRIPT.format(
        program=PROGRAM,
        names=" ".join(shipped_names()),
        colors=" ".join(COLORS),
        commands=" ".join(first_words(commands)),
        seconds=_indented(f'    {group}:[!-]*) command="$command $word" ;;' for group in seconds),
        values=_indented(line for command in commands for line in _of_options(command)),
        arguments=_indented(
            [
                *(f"{group}:*) _resnet_dsl_words {' '.join(words)} ;;" for group, words in seconds.items()),
                *(line for command in commands for line in _of_command(command)),
            ]
        ),
    )


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"        {line}" for line in lines)


def _of_options(command: OfferedCommand) -> Iterator[str]:
    """What follows each option that takes a value; nothing does where any text may."""
    for option in command.options:
        if option.values is not None and option.names != ("--color",):
            patterns = "|".join(shlex.quote(f"{command.name} {name}") for name in option.names)
            yield f"{patterns}) {_offer(option.values)}return ;;"


def _of_command(command: OfferedCommand) -> Iterator[str]:
    options = " ".join(name for option in command.options for name in option.names)
    quoted = shlex.quote(command.name)
    yield f"{quoted}:-*) _resnet_dsl_words {options} ;;"
    if offered := _offer(command.plain):
        yield f"{quoted}:*) {offered};;"


def _offer(values: Values) -> str:
    found = f"_resnet_dsl_words {' '.join(map(shlex.quote, values.words))}; " if values.words else ""
    found += '_resnet_dsl_words "$_resnet_dsl_names"; ' if values.shipped else ""
    return found + (f"_resnet_dsl_files {shlex.quote(values.files or ANY)}; " if values.files else "")
