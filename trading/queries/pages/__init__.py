"""What single pages of the console show: a symbol, a position, a cycle."""
