"""The body of a job: SQL text, or `def run(ctx)` of a Python file."""

import linecache
import sys
import types

from firesteel_failure import Refused
from firesteel_parameters import arguments

MODULE = "firesteel_body"
"""Name of the author's file as a module. Not its own name: a `json.py` must not hide Python's."""


class Context:
    """What `run(ctx)` is given.

    `spark` is the session; `inputs` maps names to DataFrames, also registered as views of these names; `params` is the
    task's JSON; `attempt` is the id of this attempt.
    """

    __slots__ = ("spark", "inputs", "params", "attempt")

    def __init__(self, spark, inputs, params, attempt):
        self.spark = spark
        self.inputs = inputs
        self.params = params
        self.attempt = attempt


def run_sql(spark, text, parameters):
    """The DataFrame of a query; its named parameters are bound, never pasted."""
    return spark.sql(text, args=arguments(spark, parameters)) if parameters else spark.sql(text)


def file_name(location):
    """The name that a Python file of this location is compiled under; tracebacks show it."""
    return location[len("file://") :] if location.startswith("file:///") else location


def load(source, name):
    """Executes a Python file (bytes) as the module `MODULE` and returns its `run`; raises `Refused` with its place."""
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = (error.lineno or 1, error.offset or 1)
        message = f"{error.filename} line {place[0]}: {error.msg}"
        if error.text:
            message += "\n    {0}\n    {1}^".format(error.text.rstrip("\n"), " " * (place[1] - 1))
        raise Refused(message, place) from error
    except ValueError as error:  # a NUL byte, before Python 3.12
        raise Refused(f"{name}: {error}") from error
    module = types.ModuleType(MODULE)
    module.__file__ = name
    text = source.decode("utf-8", "replace")
    # shows the source lines in tracebacks also when the file is not on this machine
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    sys.modules[MODULE] = module
    # executors cannot import it: functions and classes travel whole
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    exec(code, module.__dict__)
    run = getattr(module, "run", None)
    if run is None:
        raise Refused(f"{name}: run is missing; define `def run(ctx)` that returns a DataFrame")
    if not callable(run):
        raise Refused(f"{name}: run is not a function, but {_type(run)}")
    return run


def run_python(run, context, names):
    """Calls `run` and returns DataFrames by exactly the output `names`; raises `Refused` with the place of `run`."""
    from pyspark.sql import DataFrame

    place = _place(run)
    result = run(context)
    if isinstance(result, types.CoroutineType):
        result.close()
        raise Refused(f"{place}: run() is async; define it with `def`")
    frames = result if isinstance(result, dict) else {"out": result}
    for name, frame in frames.items():
        if not (isinstance(frame, DataFrame) and hasattr(frame, "_jdf")):
            what = f"run() returned {_type(frame)}"
            if frames is result:
                what = f"output {name!r} of run() is {_type(frame)}"
            raise Refused(f"{place}: {what}; return a DataFrame, or a dict of output names to DataFrames")
    if set(frames) != set(names):
        raise Refused(
            f"{place}: run() returned the outputs {sorted(frames, key=str)}, but the task declares {sorted(names)}"
        )
    return frames


def _place(run):
    code = getattr(run, "__code__", None)
    return f"{code.co_filename} line {code.co_firstlineno}" if code else MODULE


def _type(value):
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
