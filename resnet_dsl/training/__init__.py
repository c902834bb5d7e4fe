"""What training scripts have in common, as code of its own: data, draws, rates, the files of a run.

It needs NumPy and Pillow alone and nothing of the compiler. Scripts get a copy of the definitions that they
use, so that what is tested here is what runs there.
"""
