"""How the application connects to PostgreSQL."""
