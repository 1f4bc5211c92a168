"""How far a run is: counted by hand, and heard from a log."""

import logging

import pytest

from spotrank.report.status import Handler, Status


@pytest.fixture
def status():
    """Of 12 jobs 4 are done, one of them at the second try, 2 run, 1 failed, 5 are to go."""
    status = Status({"fit": 10, "score": 2}, 100)
    for job in range(4):
        status.starts(job, "fit", f"fold{job}.log", 100)
    for job in range(3):
        status.ends(job, 160)
    status.ends(3, 130, failed=True)
    status.starts(3, "fit", "fold3.log", 130)
    status.ends(3, 160)
    for job in (4, 5, 6):
        status.starts(job, "fit", f"fold{job}.log", 160)
    status.ends(6, 170, failed=True)
    status.starts(7, "all", "", 170)  # isn't planned
    status.ends(7, 170)
    status.ends(99, 170)  # was never seen
    return status


def test_counts_and_times_left(status):
    fit, score = status.rows(180)
    assert (fit["planned"], fit["done"]) == (10, 4)
    assert (fit["running"], fit["failed"]) == (2, 1)
    assert fit["mean"] == pytest.approx((60 + 60 + 60 + 30) / 4)
    # 5 to go, of which two have had 20 s each, up to 4 at once
    assert fit["left"] == pytest.approx((5 * 52.5 - 2 * 20) / 4)
    late = status.rows(1000)[0]["left"]  # both take longer than a job should
    assert late == pytest.approx(3 * 52.5 / 4)
    assert (score["planned"], score["mean"], score["left"]) == (2, None, None)


def test_a_line(status):
    assert status.line(180) == (
        "4 of 12 jobs done, 2 running (fit 2), 1 failed; "
        "left: fit about 56 s, 1 stages of which no job is done yet"
    )
    for job in range(20, 23):
        status.starts(job, "fit", "", 180)
    assert "left: fit any time now, 1 stages" in status.line(1000)
    for job in range(20, 23):
        status.ends(job, 1000)
    status.ended = 180
    assert status.line(180) == "7 of 12 jobs done, 2 running (fit 2), 1 failed"


@pytest.mark.parametrize(
    ("failed", "done", "state"), [(1, 1, "ended, 1 failed"), (0, 2, "done"), (0, 1, "stopped")]
)
def test_a_page(failed, done, state):
    status = Status({"fit": 2}, 0)
    for job in range(2):
        status.starts(job, "fit", f"<b>{job}.log", 0)
    for job in range(done):
        status.ends(job, 5)
    if failed:
        status.ends(1, 5, failed=True)
    going = status.page("s & t", 10, "noon")
    assert "<h1>s &amp; t: running</h1>" in going
    assert "http-equiv" in going
    status.ended = 20
    page = status.page("s & t", 20, "noon")
    assert f"<h1>s &amp; t: {state}</h1>" in page
    assert "http-equiv" not in page
    assert ("<li>fit: &lt;b&gt;1.log</li>" in page) == bool(failed)
    assert "Written at noon, about 20 s after the start." in page


def tell(logger, event, **of_record):
    logger.info(None, extra={"event": event, **of_record})


@pytest.fixture
def logger():
    logger = logging.getLogger("test_status")
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers.clear()


def test_heard_from_a_log(tmp_path, logger):
    path = tmp_path / "results/status.html"
    handler = Handler(path, "s", {"fit": 2}, logger)
    logger.addHandler(handler)
    logger.info("something else")
    for job in (1, 2):
        tell(logger, "job_info", jobid=job, rule_name="fit", log=[f"fold{job}.log"])
    tell(logger, "job_finished", job_id=1)
    tell(logger, "job_error", jobid=2)
    handler.close()
    assert "1 of 2 jobs done, 1 failed" in path.read_text()
    assert "<li>fit: fold2.log</li>" in path.read_text()


@pytest.mark.parametrize("spoil", ["the disk", "the record"])
def test_what_goes_wrong_is_said_once_and_ends_no_run(tmp_path, logger, caplog, spoil):
    if spoil == "the disk":
        (tmp_path / "results").write_text("is no folder")
    handler = Handler(tmp_path / "results/status.html", "s", {"fit": 2}, logger)
    logger.addHandler(handler)
    for _ in range(2):
        tell(logger, "job_info", **({"jobid": 1} if spoil == "the record" else NAMED))
    handler.close()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert "status.html may not tell how far the run is" in said[0]


NAMED = {"jobid": 1, "rule_name": "fit", "log": []}
