"""Asks models what to do and judges what they say: prompts, answers, calls, records, the built-in analyst."""
