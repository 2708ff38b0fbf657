import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from trading.domain.events import schemas

FOLDER = Path(settings.BASE_DIR) / "docs" / "events"


class Command(BaseCommand):
    help = "Write the JSON Schemas of the published events to docs/events/ (after a change of the catalog)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for name, schema in schemas.files().items():
            (FOLDER / name).write_text(json.dumps(schema, indent=2) + "\n")
        self.stdout.write(f"{len(schemas.files())} schemas in {FOLDER}")
