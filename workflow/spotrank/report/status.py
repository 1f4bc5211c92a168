"""How far a run is: what happens to its jobs goes in, one line and a page come out.

`Status` keeps count; `Handler` hears of jobs from the log of the run, and writes the page, in a
thread of its own: whatever keeps it from that, the run goes on.
"""

import logging
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import jinja2

from spotrank.base.store import write_texts

EVERY = 5  # seconds between looks at what changed
ANYWAY = 60  # seconds after which a page is written, and a line said, of a run that goes on
FAILED = 50  # failed jobs that are named


class Status:
    """What became of the jobs of a run, whose times are seconds of one clock.

    planned: `{stage: jobs}`, in order; a stage is the jobs of one rule.
    """

    def __init__(self, planned, now):
        self.planned, self.began, self.ended = dict(planned), now, None
        self.running, self.failed, self.done = {}, {}, {}  # `(stage, log, since)` by job
        self.took, self.peak = {}, Counter()  # by stage: seconds of each job, most at once

    def starts(self, job, stage, log, now):
        """A job starts, or is tried again; log: where it writes what it does. One of a stage that
        isn't planned does not count."""
        if stage not in self.planned:
            return
        self.failed.pop(job, None)
        self.running[job] = stage, log, now
        at_once = sum(own == stage for own, *_ in self.running.values())
        self.peak[stage] = max(self.peak[stage], at_once)

    def ends(self, job, now, failed=False):
        """A job ends; one that nobody saw start is not told of."""
        known = self.running.pop(job, None) or self.failed.pop(job, None)
        if known and failed:
            self.failed[job] = known
        elif known:
            stage, _, since = self.done[job] = known
            self.took.setdefault(stage, []).append(now - since)

    def rows(self, now):
        """Of each stage `stage, planned, done, running, failed`, `mean` seconds of a job, None
        where none is done yet, and seconds `left`, None there and where none is to go.

        As many jobs of a stage are taken to run at once as have been seen to.
        """
        jobs = {kind: getattr(self, kind).values() for kind in ("done", "running", "failed")}
        counts = {kind: Counter(stage for stage, *_ in own) for kind, own in jobs.items()}
        rows = []
        for stage, planned in self.planned.items():
            row = {kind: own[stage] for kind, own in counts.items()}
            row |= {"stage": stage, "planned": planned}
            to_go, took = _to_go(row), self.took.get(stage)
            mean = sum(took) / len(took) if took else None
            left = None
            if took and to_go:
                going = (now - since for own, _, since in self.running.values() if own == stage)
                work = to_go * mean - sum(min(spent, mean) for spent in going)
                left = work / min(self.peak[stage], to_go)
            rows.append(row | {"mean": mean, "left": left})
        return rows

    def line(self, now):
        """What is done, running and failed, and the time left by stage, in one line."""
        rows = self.rows(now)
        running = [f"{row['stage']} {row['running']}" for row in rows if row["running"]]
        said = f"{_sum(rows, 'done')} of {_sum(rows, 'planned')} jobs done"
        said += f", {_sum(rows, 'running')} running ({', '.join(running)})" if running else ""
        said += f", {failed} failed" if (failed := _sum(rows, "failed")) else ""
        if self.ended is not None:
            return said
        left = [f"{row['stage']} {_left(row['left'])}" for row in rows if row["left"] is not None]
        new = sum(row["mean"] is None for row in rows if _to_go(row))
        left += [f"{new} stages of which no job is done yet"] if new else []
        return said + (f"; left: {', '.join(left)}" if left else "")

    def page(self, study, now, clock):
        """The same as a page, which loads itself anew while the run goes on; clock: the time, as
        people read it."""
        rows, running = self.rows(now), self.ended is None
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters |= {"about": _about, "left": _left}
        return environment.get_template("status.html").render(
            study=study,
            state="running" if running else self._outcome(rows),
            running=running,
            line=self.line(now),
            rows=rows,
            failed=list(self.failed.values()),
            most=FAILED,
            clock=clock,
            now=now,
            began=self.began,
            every=2 * EVERY,
            anyway=ANYWAY + EVERY,
        )

    def _outcome(self, rows):
        if failed := _sum(rows, "failed"):
            return f"ended, {failed} failed"
        return "done" if _sum(rows, "done") == _sum(rows, "planned") else "stopped"


class Handler(logging.Handler):
    """Hears of the jobs of a run that `logger` tells of, as Snakemake does: records whose `event`
    is one of EVENTS. Writes `path` when something changed, every EVERY seconds at most, and says
    how far a long run is. planned: see `Status`.
    """

    def __init__(self, path, study, planned, logger):
        super().__init__()
        self.path, self.study, self.logger = path, study, logger
        self.status, self.changed = Status(planned, time.monotonic()), True
        self.warned = False
        # not the handler's own lock, which is held while it is closed
        self.counting, self.over = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def emit(self, record):
        hear = EVENTS.get(str(getattr(record, "event", "")))
        try:
            if hear:
                with self.counting:
                    hear(self.status, record, time.monotonic())
                self.changed = True
        except Exception as error:  # of ours; whose run it is need not end of it
            self._warn(error)

    def close(self):
        """The run is over, whatever became of it."""
        self.over.set()
        self.thread.join(EVERY)
        super().close()

    def _watch(self):
        written = said = time.monotonic()
        while self.status.ended is None:
            if self.over.wait(EVERY):
                self.status.ended = time.monotonic()
            now = time.monotonic()
            if self.changed or self.status.ended or now - written > ANYWAY:
                self.changed, written = False, now
                self._write(now)
            if now - said > ANYWAY and not self.status.ended:
                said = now
                with self.counting:
                    line = self.status.line(now)
                self.logger.info(f"{self.study}: {line}")

    def _write(self, now):
        clock = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        try:
            with self.counting:
                text = self.status.page(self.study, now, clock)
            write_texts({self.path: text})
        except Exception as error:  # a full disk, say: jobs meet it themselves
            self._warn(error)

    def _warn(self, error):
        if not self.warned:
            self.warned = True
            self.logger.warning(f"{self.path} may not tell how far the run is: {error}")


def _starts(status, record, now):
    status.starts(record.jobid, record.rule_name, " ".join(record.log), now)


EVENTS = {
    "job_info": _starts,
    "job_finished": lambda status, record, now: status.ends(record.job_id, now),
    "job_error": lambda status, record, now: status.ends(record.jobid, now, failed=True),
}


def _sum(rows, key):
    return sum(row[key] for row in rows)


def _to_go(row):
    return row["planned"] - row["done"] - row["failed"]


def _about(seconds):
    """Seconds as people say them."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {seconds:.0f} s"


def _left(seconds):
    """The same of what is left; running jobs may take longer than those before."""
    return _about(seconds) if seconds >= 1 else "any time now"
