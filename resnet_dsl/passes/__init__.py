"""What is computed from a network: the graph, what nothing uses, and its figures."""
