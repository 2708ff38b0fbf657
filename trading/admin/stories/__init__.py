"""Pages that tell of one thing whatever tables it is in: a symbol, a cycle."""
