"""What a statement can leave behind in the session that runs it, and what is done about it.

A session's interpreter and its Spark application are shared by all its statements, one after the other. Each gets a
Spark session of its own (`newSession`): views, functions, settings and the current database end with it. Of the rest,
what can be put back is put back; what cannot is found, and the session is given up then. So the next statement is given
what a batch is given: a Spark session with the application's own settings.
"""

import decimal
import locale
import os
import random
import sys
import threading

PATCHABLE = ("builtins", "pyspark", "py4j", "firesteel_")
"""Modules whose functions and classes must be what they were: a statement that replaces one would change the next."""


class Shared:
    """The parts of a session that outlive a statement, as they are before the first one."""

    def __init__(self, spark):
        self._spark = spark
        self._modules = dict(sys.modules)
        before = _callables()
        spark.newSession()
        # PySpark itself wraps some anew for each session
        self._callables = {name: value for name, value in _callables().items() if before.get(name) is value}
        self._jvm = _jvm_state(spark)

    def begin(self):
        """The Spark session of the next statement; it is the one that `SparkSession.builder` gives, as in a batch."""
        self._path = list(sys.path)
        self._environ = dict(os.environ)
        self._folder = os.getcwd()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._decimal = decimal.getcontext().copy()
        self._recursion = sys.getrecursionlimit()
        self._threads = set(threading.enumerate())
        context = self._spark.sparkContext._jsc.sc()
        self._local = context.getLocalProperties().clone()
        random.seed()
        session = self._spark.newSession()
        _make_default(session)
        return session

    def end(self):
        """Puts back what can be put back; says what else has changed, or None."""
        sys.path[:] = self._path
        if dict(os.environ) != self._environ:
            os.environ.clear()
            os.environ.update(self._environ)
        os.chdir(self._folder)
        locale.setlocale(locale.LC_ALL, self._locale)
        decimal.setcontext(self._decimal)
        sys.setrecursionlimit(self._recursion)
        self._forget_modules()
        threads = [t.name for t in threading.enumerate() if t.is_alive() and t not in self._threads and not t.daemon]
        if threads:
            return "threads still run: {0}".format(", ".join(sorted(threads)))
        now = _callables()
        patched = sorted(name for name, value in self._callables.items() if now.get(name) is not value)
        if patched:
            return "replaced: {0}".format(", ".join(patched[:5]))
        return self._end_spark()

    def _end_spark(self):
        spark = self._spark
        if spark.sparkContext._jsc is None or spark.sparkContext._jsc.sc().isStopped():
            return "its SparkContext was stopped"
        _make_default(spark)
        context = spark.sparkContext._jsc.sc()
        context.setLocalProperties(self._local)
        spark._jsparkSession.sharedState().cacheManager().clearCache()
        for rdd in list(spark.sparkContext._jsc.getPersistentRDDs().values()):
            rdd.unpersist(False)
        views = spark._jsparkSession.sharedState().globalTempViewManager()
        if not views.listViewNames("*").isEmpty():
            views.clear()
        if spark._jsparkSession.streams().active():
            return "streaming queries still run"
        now = _jvm_state(spark)
        return next((name + " changed" for name in now if now[name] != self._jvm[name]), None)

    def _forget_modules(self):
        """Modules that stand in the place of others, or come from places that only the statement knew: the next one may
        find another text there."""
        sys.modules.update(self._modules)
        for name in set(sys.modules) - set(self._modules):
            origin = getattr(sys.modules[name], "__file__", None)
            if origin is None or not any(origin.startswith(place + os.sep) for place in self._path if place):
                del sys.modules[name]


def _make_default(session):
    """Makes a session the one that `SparkSession.builder.getOrCreate()` and `getActiveSession()` give."""
    kind = type(session)
    kind._instantiatedSession = session
    if hasattr(kind, "_activeSession"):
        kind._activeSession = session
    jvm = session.sparkContext._jvm.org.apache.spark.sql.SparkSession
    jvm.setDefaultSession(session._jsparkSession)
    jvm.setActiveSession(session._jsparkSession)


def _callables():
    """Every function and class of the modules that must not be patched, and of their classes, by name."""
    found = {}
    for module_name, module in list(sys.modules.items()):
        if module is None or not module_name.startswith(PATCHABLE):
            continue
        for name, value in list(vars(module).items()):
            if not callable(value):
                continue
            found[module_name + "." + name] = value
            if isinstance(value, type) and value.__module__ == module_name:
                for member, inner in list(vars(value).items()):
                    if callable(inner) or isinstance(inner, (property, classmethod, staticmethod)):
                        found["{0}.{1}.{2}".format(module_name, name, member)] = inner
    return found


def _jvm_state(spark):
    """What jobs can change of the application and its JVM, as texts and numbers that can be compared."""
    context = spark.sparkContext._jsc.sc()
    jvm = spark.sparkContext._jvm
    return {
        "Hadoop's configuration": context.hadoopConfiguration().getPropsWithPrefix("").hashCode(),
        "a system property": jvm.java.lang.System.getProperties().hashCode(),
        "the default time zone": jvm.java.util.TimeZone.getDefault().getID(),
        "the default locale": jvm.java.util.Locale.getDefault().toString(),
        "the application's files": context.listFiles().mkString() + context.listJars().mkString(),
        "the Python files": list(spark.sparkContext._python_includes),
    }
