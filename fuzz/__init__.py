"""Fuzzing: random texts for the front end, random networks for the backends. See docs/quality.md."""
