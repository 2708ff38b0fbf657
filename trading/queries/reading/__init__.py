"""How rows are read: lists in pages by key, many selects in one statement."""
