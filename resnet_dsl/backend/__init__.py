"""What a backend is, and how one is found by its name."""
