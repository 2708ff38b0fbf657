"""One command on one machine: engines, supervisor, first rows, doctor."""
