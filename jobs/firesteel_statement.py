"""A bulk job as a statement of a warm Livy session: `firesteel_statement.run(spark, SPEC_URI)`.

The same run as a batch's (`firesteel_harness`), with the same manifest, in an application that goes on afterwards.
What it prints becomes the statement's output; a last line that starts with `SESSION_ENDS` says that the session cannot
be used again.
"""

import contextlib
import io
import json
import secrets
import time

import firesteel_harness
from firesteel_files import Files
from firesteel_session import Shared

SESSION_ENDS = "firesteel: this session must end: "
LONGEST = 64 * 1024
"""Characters kept of what a statement prints: Livy holds them in the driver's memory, and sends them with each answer."""

_shared = None


def warm(spark):
    """Prepares a new session: does once what every first job of an application is slow at."""
    global _shared
    from firesteel_fingerprint import Observed

    began = time.time()
    frame = spark.sql("SELECT id, CAST(id AS STRING) AS text FROM range(2) GROUP BY id")
    observed = Observed(frame)
    observed.frame.write.format("noop").mode("overwrite").save()
    observed.values()
    Files(spark).exists("file:///")
    spark.newSession().sql("SELECT 1").collect()
    _shared = Shared(spark)
    print("firesteel: session is ready after {0:.1f} s".format(time.time() - began))


def run(spark, spec_uri):
    """Runs one spec, once: an attempt whose place shows that it was begun is left alone."""
    global _shared
    _shared = _shared or Shared(spark)
    printed = _Tail()
    ends = None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        started = time.time()
        session = _shared.begin()
        try:
            files = Files(session)
            spec = json.loads(files.read(spec_uri).decode("utf-8"))
            if _begin(files, spec):
                firesteel_harness.run_spec(spec, session, files, started, _describe)
        finally:
            ends = _shared.end()
    print(printed.text())
    if ends is not None:
        print(SESSION_ENDS + ends)


def _begin(files, spec):
    """Whether this is the first start of the attempt: a POST whose answer was lost may have been repeated."""
    mark = spec["base"] + "/started.json"
    try:
        files.write_once(mark, json.dumps({"driver": secrets.token_hex(8)}).encode("utf-8"))
        return True
    except FileExistsError:
        print("firesteel: attempt {0} was begun before and is not run again".format(spec["attempt"]))
        return False


def _describe(context, group):
    """Livy's own job group stays, by which it cancels a statement; people see the description."""
    context.setLocalProperty("spark.job.description", group["description"])


class _Tail(io.TextIOBase):
    """The last characters of what is written to it."""

    def __init__(self):
        super().__init__()
        self._parts = []
        self._size = 0

    def writable(self):
        return True

    def write(self, text):
        self._parts.append(text)
        self._size += len(text)
        if self._size > 2 * LONGEST:
            kept = self.text()
            self._parts, self._size = [kept], len(kept)
        return len(text)

    def text(self):
        return "".join(self._parts)[-LONGEST:]
