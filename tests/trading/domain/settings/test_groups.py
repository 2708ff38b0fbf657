"""Every setting stands in one group, and says in a sentence what it does."""

from trading.domain.runtime_settings import NUMBERS, SETTINGS
from trading.domain.settings.groups import GROUPS


def test_every_setting_is_in_one_group() -> None:
    grouped = [name for group in GROUPS for name in group.names]

    assert sorted(grouped) == sorted(SETTINGS)
    assert len(grouped) == len(set(grouped))


def test_help_is_a_sentence_that_a_column_holds() -> None:
    for name, spec in NUMBERS.items():
        assert spec.description[0].isupper(), name
        assert spec.description.endswith("."), name
        assert len(spec.description.split()) > 5, name
        assert len(spec.description) <= 200, name
