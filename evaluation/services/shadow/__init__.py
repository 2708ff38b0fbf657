"""Shadow strategies: what one that never trades would have done on what cycles saw."""
