"""Statements that are written or planned once, for what every order and every request needs."""
