"""Data sets: decisions under a name with copies of what they saw, so that retention takes nothing from them."""

from django.db import IntegrityError, transaction

from evaluation.errors import SelectionError
from evaluation.models import LONGEST_NAME, Dataset, DatasetItem, EvaluationRecord
from evaluation.services.replay.selecting import Selection, checked, sources_of
from evaluation.services.replay.sources import Source, bodies_of, source_to_json

CHUNK = 200


def make_dataset(name: str, selection: Selection, *, description: str = "") -> Dataset:
    """Copy the selected decisions, and what they saw, under a new name; all or nothing.

    Raises:
        SelectionError: the name is taken or cannot be one, or nothing is selected.
    """
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise SelectionError(f"name: was {name!r}, expected 1 to {LONGEST_NAME} printable characters")
    selection = checked(selection)
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(name=name, description=description)
            chunk: list[Source] = []
            for source in sources_of(selection):
                chunk.append(source)
                if len(chunk) == CHUNK:
                    _copy(dataset, chunk)
                    chunk = []
            _copy(dataset, chunk)
            if not dataset.items.exists():
                raise SelectionError(f"no decision was made in {selection.words}")
    except IntegrityError as taken:
        raise SelectionError(
            f"name: was {name!r}, but there is a data set of this name: it stays as it is"
        ) from taken
    return dataset


def _copy(dataset: Dataset, sources: list[Source]) -> None:
    records = bodies_of(sorted({source.record for source in sources if source.record}))
    copies = [EvaluationRecord(sha256=name, body=row.body) for name, row in records.items()]
    EvaluationRecord.objects.bulk_create(copies, ignore_conflicts=True)
    DatasetItem.objects.bulk_create(
        DatasetItem(
            dataset=dataset,
            record_id=source.record if source.record in records else None,
            decision_id=source.id,
            facts=source_to_json(source),
        )
        for source in sources
    )
