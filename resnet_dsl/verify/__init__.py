"""Verification: one network in every backend with the same weights and inputs, held against the referee.

`forward.py` compares results, `training.py` steps of SGD, `causes.py` guesses why an op diverges,
`subject.py` chooses sizes and weights, `diagnostics/render/terminal.py` prints what was found.
"""
