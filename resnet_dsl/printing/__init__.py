"""The stages in print, and what a model amounts to."""
