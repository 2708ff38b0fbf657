"""How forms show a stored decimal: without the zeros that its column keeps."""

from decimal import Decimal
from typing import Any

from unfold.widgets import UnfoldAdminDecimalFieldWidget

from risk.domain.numbers import plain_decimal


class PlainDecimalWidget(UnfoldAdminDecimalFieldWidget):  # type: ignore[misc]  # unfold has no type hints
    """A number's field in which 6.000 is 6; what a person typed stays as it was typed."""

    def format_value(self, value: Any) -> str | None:
        """Return what stands in the field."""
        shown: str | None = super().format_value(
            plain_decimal(value) if isinstance(value, Decimal) else value
        )
        return shown
