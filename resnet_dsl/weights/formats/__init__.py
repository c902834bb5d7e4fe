"""Files of weights: their formats, contents and metadata."""
