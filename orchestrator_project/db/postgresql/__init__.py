"""Django's backend for PostgreSQL, with the reserve of connections."""
