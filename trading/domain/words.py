"""Stored values as a person reads them."""


def in_words(value: object) -> str:
    """Return a value in words: ``-`` where there is none, lists with commas."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
