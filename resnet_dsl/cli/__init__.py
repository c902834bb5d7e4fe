"""The command line: options, one module a command, and what is written where."""
