"""What is computed from a network: the graph, what nothing reaches, and its cost."""
