"""What is computed from a network: the graph, its figures, and the classes it is written as."""
