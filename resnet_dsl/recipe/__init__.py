"""Recipes: how a network is trained, checked as the network is, in no framework's terms."""
