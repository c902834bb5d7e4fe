"""Verification: one network in every backend with the same weights and inputs, held against the referee.

`case.py` chooses sizes and weights, `forward.py` compares results, `training.py` steps of SGD,
`sensitivity.py` says what the network makes of rounding, `diagnosis.py` and `training_causes.py` guess
why something diverges, `attempts.py` keeps what fails, `share.py` is the part of one backend, in a process
of its own by `supervised.py`, `report.py` prints what was found.
"""
