"""The command `completion`: what a shell reads to complete the other commands."""

from __future__ import annotations

from argparse import Namespace


def completion(options: Namespace) -> int:
    """Print the script of a shell; it holds all names, so that completing starts no Python."""
    from resnet_dsl.cli.completion.bash import bash_script
    from resnet_dsl.cli.completion.candidates import offered_commands
    from resnet_dsl.cli.completion.fish import fish_script
    from resnet_dsl.cli.completion.zsh import zsh_script

    writers = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
    print(writers[options.shell](offered_commands()), end="")
    return 0
