"""Canonical text of a spec: one style, the same program, every comment kept in order."""
