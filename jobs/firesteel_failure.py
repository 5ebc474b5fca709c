"""What a failed run says: whose fault it is, a message fit for a reader, its place, the traceback."""

import re
import traceback

USER = "user"
"""The job, its SQL or its data are wrong: running it again gives the same."""

CLUSTER = "cluster"
"""Executors, shuffles, file systems or inputs were lost: worth another attempt."""

LONGEST = 64 * 1024
"""Characters kept of a message or a traceback; the middle of a longer one is cut."""


class Refused(Exception):
    """Raised when a job or its data cannot be accepted; class `user`.

    `position` is `(line, column)`, both from 1, or None.
    """

    def __init__(self, message, position=None):
        super().__init__(message)
        self.position = position


class Lost(Exception):
    """Raised when the cluster lost something that the run needs; class `cluster`."""


# Wrappers around the throwable that says something
_WRAPPER = re.compile(r"Job aborted|\[TASK_WRITE_FAILED\]|Task failed while writing|Writing job aborted")
_LOST = re.compile(
    r"ExecutorLostFailure|TaskResultLost|FetchFailed|Executor heartbeat timed out|Slave lost|Worker lost"
    r"|marked as failed|SparkContext was shut down|stopped SparkContext|Could not find CoarseGrainedScheduler"
    r"|Container (killed|marked)|exited unexpectedly|No live nodes"
    r"|has failed the maximum allowable number of times|FILE_NOT_EXIST"
)
_STORAGE = re.compile(
    r"java\.io\.|java\.net\.|java\.nio\.file\.|java\.nio\.channels\.|java\.util\.concurrent\.Timeout"
    r"|org\.apache\.hadoop\.|com\.amazonaws\.|software\.amazon\."
    r"|org\.apache\.spark\.(SparkFileNotFound|shuffle\.|rpc\.|storage\.)"
)
# of a run of Java frames the first tell where it was
_JAVA_FRAMES = re.compile(r"((?:\tat [^\n]*\n){5})((?:\tat [^\n]*\n){2,})")
_POSITIONS = (
    # (pattern, what to add to make the column count from 1)
    (re.compile(r"== SQL[^\n]*\(line (\d+), position (\d+)\) =="), 0),
    (re.compile(r"\(line (\d+), pos (\d+)\)"), 1),
    (re.compile(r"\bline (\d+),? pos (\d+)\b"), 1),
)


def describe(error, phase, sql=False, body_file=None):
    """The `error` member of a manifest for an exception.

    `phase` is the phase of the run that it ended. `sql` says that the body is SQL text, so that positions in messages
    are places in it. `body_file` is the file name the body was compiled under: its tracebacks start there, without the
    harness's own frames.
    """
    causes = _java_causes(error)
    kind, message = _headline(error, causes)
    return {
        "class": _class(error, phase, causes),
        "type": kind,
        "message": _cut(message),
        "position": _position(error, sql, message),
        "traceback": _cut(_traceback(error, sql, body_file)),
    }


def _java_causes(error):
    """`(class name, message)` of the Java exception behind a Python one and of its causes, outermost first."""
    node = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    found = []
    try:
        while node is not None and len(found) < 30:
            found.append((node.getClass().getName(), node.getMessage() or ""))
            node = node.getCause()
    except Exception:  # noqa: BLE001 - the JVM may be gone, and the Python exception still tells its part
        pass
    return found


_WORKER = re.compile(r"An exception was thrown from (?:the )?(?:Python worker|a UDF)")
# the executors' JVMs end with 52 after an OutOfMemoryError, YARN's with 137 and 143, -103 and -104 for memory
_MEMORY = re.compile(r"OutOfMemoryError|[Ee]xit (?:status|code):? (?:52|-103|-104)\b|exceeding (?:physical|virtual) memory limits")


def _worker_traceback(text):
    """The traceback of a Python worker inside a message: `(last line, lines)`, or None."""
    if not _WORKER.search(text) and "PythonException" not in text:
        return None
    at = text.rfind("Traceback (most recent call last):")
    if at < 0:
        return None
    lines = text[at:].split("\n")
    for i, line in enumerate(lines[1:], 1):
        if line and not line[0].isspace():
            return line.strip(), lines[: i + 1]
    return None


def _headline(error, causes):
    if isinstance(error, SystemExit):
        return "SystemExit", f"run() called sys.exit({error.code!r}); return from run() instead"
    kind = type(error).__module__ + "." + type(error).__qualname__
    message = str(error)
    if isinstance(error, Refused) or isinstance(error, Lost):
        return type(error).__name__, message
    if isinstance(error, SyntaxError):
        return type(error).__name__, message
    # below the last wrapper
    telling = [
        c for i, c in enumerate(causes) if not _WRAPPER.match(c[1]) and any(_WRAPPER.match(w[1]) for w in causes[:i])
    ]
    if telling:
        kind, message = telling[0]
    elif causes and "java_exception" in vars(error):
        kind, message = causes[0]
    message = re.split(r"\n+(?:JVM stacktrace|Driver stacktrace):", message)[0]
    worker = _worker_traceback(message)
    if worker:
        # what the function threw, not that one did
        name, _, words = worker[0].partition(": ")
        return name, words or name
    # an analysis error carries the query plan after its position
    message = re.sub(r"(\bline \d+,? pos \d+);\n.*", r"\1", message, flags=re.S)
    return kind.replace("builtins.", ""), message.strip() or kind


def _class(error, phase, causes):
    if isinstance(error, Refused):
        return USER
    if isinstance(error, Lost):
        return CLUSTER
    name = type(error).__name__
    if name.startswith("Py4JNetwork"):
        return CLUSTER
    if phase == "read" and re.search(r"PATH_NOT_FOUND|Path does not exist", str(error)):
        return CLUSTER
    for kind, message in causes:
        if "File name too long" in message:
            return USER
        if "PythonException" not in kind + message and _MEMORY.search(kind + " " + message):
            return USER
        if _STORAGE.match(kind):
            return CLUSTER
        # a worker's Python traceback is the user's text and may hold any word
        if not kind.endswith("PythonException") and "PythonException" not in message and _LOST.search(message):
            return CLUSTER
    # a PythonException of Spark comes with or without its Java side
    if causes or phase == "body" or type(error).__module__.startswith("pyspark."):
        return USER
    return USER if isinstance(error, (SystemExit, SyntaxError)) else CLUSTER


def _position(error, sql, message):
    if getattr(error, "position", None):
        return {"line": error.position[0], "column": error.position[1]}
    if not sql:
        return None
    for pattern, add in _POSITIONS:
        match = pattern.search(message) or pattern.search(str(error))
        if match:
            return {"line": int(match.group(1)), "column": int(match.group(2)) + add}
    return None


def _traceback(error, sql, body_file):
    if isinstance(error, (Refused, Lost)):
        return ""
    worker = _worker_traceback(str(error))
    if worker:
        return "\n".join(_own_frames(worker[1], body_file))
    start = error.__traceback__
    while start is not None and start.tb_frame.f_code.co_filename != body_file:
        start = start.tb_next
    if sql and (type(error).__module__.startswith("pyspark.") or hasattr(error, "java_exception")):
        # Spark's own words and query plan; the Python frames are the harness's
        lines = traceback.format_exception_only(type(error), error)
    else:
        lines = traceback.format_exception(type(error), error, start or error.__traceback__)
    text = _JAVA_FRAMES.sub(lambda m: m.group(1) + "\t... {0} more\n".format(m.group(2).count("\n")), "".join(lines))
    chain = _java_chain(error, text)
    return text + ("\nJVM exceptions, outermost first:\n" + chain if chain else "")


def _own_frames(lines, body_file):
    """A worker's traceback from the author's first frame on."""
    if body_file is None:
        return lines
    for i, line in enumerate(lines):
        if line.startswith('  File "') and line.split('"')[1] == body_file:
            return [lines[0], *lines[i:]]
    return lines


def _java_chain(error, shown):
    """The JVM exceptions behind a Python one and where they were thrown, where that is not shown already."""
    node = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    found = []
    try:
        while node is not None and len(found) < 8:
            message = (node.getMessage() or "").strip().split("\n")[0]
            frames = [f"      at {frame.toString()}" for frame in list(node.getStackTrace())[:3]]
            head = f"  {node.getClass().getName()}" + (f": {message}" if message else "")
            if frames and frames[0].strip() not in shown:
                found.append("\n".join([head, *frames]))
            node = node.getCause()
    except Exception:  # noqa: BLE001 - the JVM may be gone
        pass
    return "\n".join(found)


def _cut(text):
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
