"""How the console shows what is stored: figures, moments, links, JSON."""
