"""The command line: arguments, one module a command, and what is written where."""
