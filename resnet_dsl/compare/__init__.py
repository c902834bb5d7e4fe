"""What differs between two networks, in stages, each in a module of its own.

sides                a spec, a shipped name, a file          → a program, and what it tells
flat_steps           a body, or a whole graph                → steps in an order that texts do not change
sequence_alignment   two rows of steps, blocks or stages     → which of them correspond
changed_arguments    two ops of a kind                       → the arguments that differ by themselves
body_differences     two rows of steps                       → arguments, steps and ways that differ
aligned_parts        two networks                            → stem, blocks and head in pairs, each compared
told_differences,    findings alike at many places           → each told once, and where it is
told_steps
network_differences  two programs                            → everything that differs
comparison_result    that                                    → text, JSON
marked_picture       programs and their differences          → a picture
"""
