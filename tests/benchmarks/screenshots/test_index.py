"""What the repository keeps of the console's looks: four pictures of each page of the menu, and the table of them."""

from pathlib import Path

from benchmarks.screenshots.index import BEGIN, END, table, write
from benchmarks.screenshots.pages import Shot, of_the_menu
from benchmarks.screenshots.taking import THEMES, WIDTHS

KEPT = Path(__file__).parents[3] / "docs" / "console"
ORDERS = Shot("orders", "/admin/trading/order/", "What happened", "Orders")
FIND = Shot("find", "/admin/find/", "Beside the menu", "Find")


def test_each_page_of_the_menu_has_its_four_pictures() -> None:
    wanted = {shot.file(width, theme) for shot in of_the_menu() for width in WIDTHS for theme in THEMES}

    assert sorted(name for name in wanted if not (KEPT / name).exists()) == []


def test_every_picture_is_in_the_readme_and_the_other_way_round() -> None:
    linked = {part.split(")")[0] for part in (KEPT / "README.md").read_text().split("](")[1:]}

    assert {name for name in linked if name.endswith(".webp")} == {path.name for path in KEPT.glob("*.webp")}


def test_table_is_grouped_as_the_menu_is_and_shows_the_main_pages() -> None:
    text = table([FIND, ORDERS])

    assert text.index("### What happened") < text.index("### Beside the menu")
    assert "| Orders | [light](orders-1440-light.webp) | [dark](orders-1440-dark.webp) |" in text
    assert "![Orders](orders-1440-light.webp)" in text
    assert "![Find]" not in text


def test_writing_keeps_the_words_and_takes_away_pictures_of_pages_that_are_gone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Console\n\n{BEGIN}\nold\n{END}\n\nTen tasks\n")
    for shot in (ORDERS, FIND):
        (tmp_path / shot.file(1440, "light")).touch()

    write(tmp_path, [ORDERS])

    assert readme.read_text() == f"# Console\n\n{BEGIN}\n\n{table([ORDERS])}\n{END}\n\nTen tasks\n"
    assert [path.name for path in tmp_path.glob("*.webp")] == ["orders-1440-light.webp"]
