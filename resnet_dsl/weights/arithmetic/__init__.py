"""What is computed of weights where a person asks for it; nothing is read before it is needed."""
