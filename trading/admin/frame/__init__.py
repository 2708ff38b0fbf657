"""What surrounds every page of the console: the search for everything, the refusals."""
