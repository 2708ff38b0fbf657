"""Where a position is given up, and where it is cashed: stops, targets, and how long a thesis has."""
