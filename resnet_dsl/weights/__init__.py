"""Weights as arrays under canonical names in torch's layouts; needs NumPy, and no framework."""
