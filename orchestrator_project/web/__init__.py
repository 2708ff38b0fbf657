"""The web process around the application: connections, bodies, threads, login, policies, health."""
