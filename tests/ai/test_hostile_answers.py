"""The matrix of hostile answers, through a real HTTP endpoint: docs/ai.md says what becomes of each."""

import re
from collections.abc import Iterator

import pytest

from ai.analysis import AnalysisSettings
from ai.models import ModelCall
from ai.results import AnalysisResult
from tests.ai.chat_server import API_KEY, ChatServer
from tests.ai.factories import analyse, make_question
from tests.ai.hostile_answers import ASKED, HOSTILE
from tests.paths import ROOT

DOCUMENT = ROOT / "docs" / "ai.md"
ROW = re.compile(r"^\| ([^|]+) \| (\w+) \| (\w+) \| (\w+) \| (yes|no) \|$", re.MULTILINE)
TABLE = {name: tuple(rest) for name, *rest in ROW.findall(DOCUMENT.read_text())}

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with ChatServer() as serving:
        serving.handlers |= {f"case-{number}": handler for number, handler in enumerate(HOSTILE.values())}
        yield serving


def ask(server: ChatServer, name: str, *models: str) -> AnalysisResult:
    model = f"openai/case-{list(HOSTILE).index(name)}"
    return analyse(
        question=make_question(*ASKED),
        models=[model, *models],
        settings=AnalysisSettings(api_base=server.api_base, api_key=API_KEY),
        cycle_id=None,
    )


def outcome(result: AnalysisResult, symbol: str) -> str:
    proposal = result.proposals.get(symbol)
    return proposal.action.value if proposal else result.holds[symbol].reason.value


def row_of(server: ChatServer, name: str) -> tuple[str, str, str, str]:
    result = ask(server, name)
    call = ModelCall.objects.get()
    rest = {outcome(result, symbol) for symbol in ASKED[1:]}
    assert len(rest) == 1
    went_on = not ask(server, name, "openai/second").failed and result.failed
    return outcome(result, "AAPL"), rest.pop(), call.status, "yes" if went_on else "no"


def test_the_table_names_every_case() -> None:
    assert sorted(TABLE) == sorted(HOSTILE)


@pytest.mark.parametrize("name", list(HOSTILE))
def test_an_answer_has_the_result_the_table_says(server: ChatServer, name: str) -> None:
    """docs/lessons.md#lesson-19."""
    assert row_of(server, name) == TABLE.get(name)
