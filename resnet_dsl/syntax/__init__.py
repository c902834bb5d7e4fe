"""Text to syntax tree, and back: the grammar, the parser, the tree and the formatter."""
