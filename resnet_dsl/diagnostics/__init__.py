"""Diagnostics: what is wrong, where, and what to write instead; and how they are shown."""
