"""How Django writes dates here."""
