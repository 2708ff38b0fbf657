"""The measurements: what they print and what they count by; their figures are nobody's promise here."""
