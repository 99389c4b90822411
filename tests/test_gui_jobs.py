"""Jobs: off the GUI thread, latest wins, cancelled by asking."""

import threading
import time
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QThread
from pytestqt.qtbot import QtBot

from graphreel.graph import Progress
from graphreel.gui.jobs import Jobs


@pytest.fixture
def jobs(qtbot: QtBot) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("graphreel-job-")]


def until_cancelled(started: threading.Event, progress: Progress) -> str:
    started.set()
    while True:
        progress.step(0, 0)
        time.sleep(0.001)


def test_work_runs_elsewhere_and_its_result_comes_back_here(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[tuple[int, bool]] = []
    main = threading.get_ident()
    jobs.run(
        "sum",
        lambda one, other, progress: (one + other, threading.get_ident() != main),
        2,
        3,
        then=lambda result: seen.append((*result, threading.get_ident() == main)),
    )
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [(5, True, True)]
    assert QThread.currentThread() is QCoreApplication.instance().thread()


def test_the_latest_of_a_tag_wins(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[str] = []
    started = threading.Event()
    jobs.run("layout", until_cancelled, started, then=seen.append)
    started.wait()
    for name in "abc":
        jobs.run("layout", lambda name, progress: name, name, then=seen.append)
    qtbot.waitUntil(lambda: bool(seen))
    qtbot.wait(50)
    assert seen == ["c"]


def test_tags_do_not_disturb_each_other(qtbot: QtBot, jobs: Jobs) -> None:
    seen: set[str] = set()
    for tag in ("open", "search"):
        jobs.run(tag, lambda tag, progress: tag, tag, then=seen.add)
    qtbot.waitUntil(lambda: seen == {"open", "search"})


def test_a_cancelled_job_gives_nothing(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[object] = []
    started = threading.Event()
    jobs.run("open", until_cancelled, started, then=seen.append, failed=seen.append)
    started.wait()
    assert [job.tag for job in jobs.running] == ["open"]
    jobs.cancel("open")
    assert jobs.running == []
    qtbot.wait(80)
    assert seen == []


def test_an_exception_goes_to_its_handler_or_to_all(qtbot: QtBot, jobs: Jobs) -> None:
    def fail(progress: Progress) -> None:
        raise ValueError("no such thing")

    seen: list[str] = []
    jobs.run("one", fail, then=lambda _: seen.append("then"), failed=lambda error: seen.append(f"own: {error}"))
    with qtbot.waitSignal(jobs.failed) as failed:
        jobs.run("other", fail, then=lambda _: seen.append("then"))
    assert str(failed.args[0]) == "no such thing"
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == ["own: no such thing"]


def test_a_result_that_comes_too_late_is_handed_back_to_be_closed(qtbot: QtBot, jobs: Jobs) -> None:
    started, go = threading.Event(), threading.Event()
    dropped: list[str] = []

    def slow(progress: Progress) -> str:
        started.set()
        go.wait(5)
        return "an open file"

    jobs.run("open", slow, then=lambda _: pytest.fail("it was cancelled"), dropped=dropped.append)
    started.wait()
    jobs.cancel("open")
    go.set()
    qtbot.waitUntil(lambda: dropped == ["an open file"])


def test_progress_is_told_while_it_runs(qtbot: QtBot, jobs: Jobs) -> None:
    def work(progress: Progress) -> int:
        for done in range(200):
            progress.step(done, 200)
            time.sleep(0.002)
        return 1

    seen: set[int] = set()
    finished: list[int] = []
    jobs.changed.connect(lambda: seen.update(job.done for job in jobs.running))
    jobs.run("work", work, then=finished.append, title="Working")
    qtbot.waitUntil(lambda: bool(finished))
    assert len(seen) > 2


def test_closing_waits_for_the_threads(qtbot: QtBot) -> None:
    jobs, started = Jobs(), threading.Event()
    jobs.run("work", until_cancelled, started, then=lambda _: pytest.fail("it was cancelled"))
    started.wait()
    jobs.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "graphreel-job-work"]
    qtbot.wait(20)
