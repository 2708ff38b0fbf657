"""Coverage costs a run little."""

from tests.measured import seldom


def test_work_is_done_when_its_time_has_come_and_not_whenever_it_is_asked_for() -> None:
    done, times = list[float](), [0.0]
    look = seldom(lambda: done.append(times[-1]), 30.0, now=lambda: times[-1])

    for moment in (1.0, 29.9, 30.0, 31.0, 59.9, 75.0, 104.9, 105.0):
        times.append(moment)
        look()

    assert done == [30.0, 75.0, 105.0]
