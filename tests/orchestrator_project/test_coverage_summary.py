"""The table at the end of ``make test``."""

from tests.coverage_summary import percent, room_lines, worst_files


def summary(covered: int, statements: int, covered_branches: int, branches: int) -> dict[str, int]:
    return {
        "covered_lines": covered,
        "missing_lines": statements - covered,
        "covered_branches": covered_branches,
        "missing_branches": branches - covered_branches,
    }


def test_lines_and_branches_are_counted_apart_and_by_room() -> None:
    files = {
        "risk/a.py": summary(90, 100, 1, 4),
        "risk/b.py": summary(100, 100, 3, 4),
        "ai/c.py": summary(89, 100, 0, 0),
    }

    lines, low = room_lines(files)

    assert "risk           95.0%     50.0%" in lines
    assert low == ["ai"]


def test_the_files_with_most_left_out_come_first() -> None:
    files = {
        "ai/a.py": summary(9, 10, 0, 0),
        "ai/b.py": summary(1, 10, 0, 0),
        "risk/c.py": summary(0, 99, 0, 0),
    }

    assert worst_files(files, ["ai"]) == [
        "     9 lines not run in ai/b.py",
        "     1 lines not run in ai/a.py",
    ]


def test_nothing_to_cover_is_covered() -> None:
    assert percent(0, 0) == 100.0
