"""Initial weights: from a seed and each tensor's name alone."""
