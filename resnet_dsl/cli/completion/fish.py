"""Completion for fish."""

from __future__ import annotations

from collections.abc import Iterator

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

ALL_FILES = "(__fish_complete_path (commandline -ct))"
SPECS = "(__resnet_dsl_specs)"
SCRIPT = """\
# Completes {program} in fish. In ~/.config/fish/config.fish: source ({program} completion fish | psub)
set -g __resnet_dsl_names {names}

function __resnet_dsl_at -d 'whether the command so far is this one'
    set -l words (commandline -opc)[2..-1]
    set -l found
    while set -q words[1]
        switch $words[1]
            case --color
                set -e words[1]
            case '-*'
            case '*'
                if not set -q found[1]; or contains -- "$found" {groups}
                    set -a found $words[1]
                end
        end
        set -e words[1]
    end
    test "$found" = "$argv"
end

function __resnet_dsl_specs -d 'folders, and files that are specs'
    __fish_complete_path (commandline -ct) | string match -r '^[^\\t]*(?:/|\\.resnet)(?:\\t.*)?$'
end

complete -c {program} -f
{lines}
"""


def fish_script(commands: list[OfferedCommand]) -> str:
    """Return what fish reads."""
    seconds = second_words(commands)
    return SCRIPT.format(
        program=PROGRAM,
        names=" ".join(shipped_names()),
        groups=" ".join(seconds),
        lines="\n".join(_lines(commands)),
    )


def _lines(commands: list[OfferedCommand]) -> Iterator[str]:
    for word, about in first_words(commands).items():
        yield _line("", f"-a {word} -d {_quoted(about)}")
    yield _line("", "-l help -s h -d 'show what there is'")
    yield _line("", "-l version -d 'show the version'")
    yield _line("", f"-l color -x -a {_quoted(' '.join(COLORS))} -d 'colour diagnostics'")
    for group, words in second_words(commands).items():
        for word, about in words.items():
            yield _line(group, f"-a {word} -d {_quoted(about)}")
    for command in commands:
        if offered := _offer(command.plain):
            yield _line(command.name, offered)
        for option in command.options:
            yield _line(command.name, _option(option))


def _line(at: str, rest: str) -> str:
    return f"complete -c {PROGRAM} -n {_quoted(f'__resnet_dsl_at {at}'.strip())} {rest}"


def _option(option: OfferedOption) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    about = [f"-d {_quoted(option.help)}"] if option.help else []
    values = [] if option.values is None else ["-x", *filter(None, [_offer(option.values)])]
    return " ".join([*names, *values, *about])


def _offer(values: Values) -> str:
    """What is offered: words, and files by functions."""
    words = list(values.words)
    words += ["$__resnet_dsl_names"] if values.shipped else []
    if values.files:
        words.append(ALL_FILES if values.files == ANY else SPECS)
    return f"-a {_quoted(' '.join(words))}" if words else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
