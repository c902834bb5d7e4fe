"""Specs restored from files of weights and from graphs: the compiler the other way round.

`pipeline.py` has the stages in order, and which module does each.
"""
