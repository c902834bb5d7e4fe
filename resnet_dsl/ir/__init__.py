"""The two levels of the intermediate representation: the network and the graph, and their ops."""
