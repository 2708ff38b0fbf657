"""Pages of what is held and what it earned: positions and equity, closing, theses, lots and round trips."""
