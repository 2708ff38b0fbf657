"""``manage.py help``: every command of ours, once, with a sentence."""

from collections import Counter

from django.core.management import get_commands

from orchestrator_project.runtime.help import GROUPS, ROOMS, lines


def test_every_command_of_ours_stands_in_one_group() -> None:
    ours = [name for name, home in get_commands().items() if home in ROOMS]

    assert Counter(name for names in GROUPS.values() for name in names) == Counter(ours)


def test_each_has_a_sentence_and_djangos_come_last() -> None:
    text = "\n".join(lines())

    for names in GROUPS.values():
        for name in names:
            entry = text[text.index(f"\n  {name} ") :]
            assert entry[24:].strip()[0].isupper(), name
    assert (
        text.index("kill_switch") < text.index("Django's and its libraries' own") < text.index("testserver")
    )
