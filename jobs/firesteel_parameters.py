"""Named SQL parameters: the string form of a value and its Spark type, as what `spark.sql` takes: Columns that are
literals.

Spark binds them apart from the query's text, so no value can change the query. Texts and doubles become literals
without being parsed. Other values are checked and then parsed as SQL literals, which have the types that PySpark's
`lit` cannot say (it makes a small bigint an int). A NULL with a type, and a decimal with more digits than its value
needs, have no SQL literal; they are made as Catalyst literals. Spark 4.1 puts parameters into the text as literals,
and so gives a decimal the type of its digits: a query that depends on it says CAST(:p0 AS DECIMAL(10,2)).
"""

import base64
import re

from firesteel_failure import Refused

_DATE = r"[+-]?\d{4,6}-\d{2}-\d{2}"
_LOCAL = _DATE + r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?"
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_TIMES = {
    "date": (_DATE, "DATE"),
    "timestamp": (_LOCAL + r"(?:Z|[+-]\d{2}:\d{2})?", "TIMESTAMP_LTZ"),
    "timestamp_ntz": (_LOCAL, "TIMESTAMP_NTZ"),
}
_INTEGERS = {"int": (31, ""), "bigint": (63, "L")}


def arguments(spark, parameters):
    """The `args` of `spark.sql` for the `parameters` of a spec; raises `Refused`, naming the parameter."""
    args = {}
    for parameter in parameters:
        try:
            args[parameter["name"]] = _column(spark, parameter["type"], parameter["value"])
        except ValueError as error:
            raise Refused("parameter {0}: {1}".format(parameter["name"], error)) from error
    return args


def _column(spark, kind, value):
    from pyspark.sql import functions as F

    if value is None:
        return F.lit(None) if kind == "void" else _catalyst(spark, None, kind)
    if kind == "string":
        return F.lit(value)
    if kind == "double":
        if not re.fullmatch(r"-?(\d+(\.\d+)?([eE][+-]?\d+)?|Infinity)|NaN", value):
            raise ValueError(f"no double: {value!r}")
        return F.lit(float(value))
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        _check_decimal(kind, value, int(decimal.group(1)), int(decimal.group(2)))
        return _catalyst(spark, value, kind)
    return F.expr(_literal(kind, value))


def _literal(kind, value):
    """The text of an SQL literal; raises ValueError for text that is no value of the type."""
    if kind == "boolean" and value in ("true", "false"):
        return value
    if kind in _INTEGERS and re.fullmatch(r"-?\d{1,19}", value):
        bits, suffix = _INTEGERS[kind]
        if not -(1 << bits) <= int(value) < 1 << bits:
            raise ValueError(f"{kind} is out of range: {value}")
        return f"{int(value)}{suffix}"
    if kind in _TIMES and re.fullmatch(_TIMES[kind][0], value):
        return f"{_TIMES[kind][1]}'{value}'"
    if kind == "binary":
        return f"X'{base64.b64decode(value, validate=True).hex()}'"
    raise ValueError(f"no {kind}: {value!r}")


def _check_decimal(kind, value, precision, scale):
    if not re.fullmatch(r"-?\d{1,38}(\.\d{1,38})?", value):
        raise ValueError(f"no {kind}: {value!r}")
    whole, _, fraction = value.lstrip("-").partition(".")
    if len(whole.lstrip("0")) > precision - scale or len(fraction) > scale:
        raise ValueError(f"{kind} does not hold {value}")


def _catalyst(spark, value, kind):
    """A Column of a Catalyst literal of exactly this type; `value` is the text of a decimal, or None."""
    from pyspark.sql import Column

    sql = spark.sparkContext._jvm.org.apache.spark.sql
    jtype = getattr(getattr(sql.catalyst.parser, "CatalystSqlParser$"), "MODULE$").parseDataType(kind)
    if value is not None:
        number = spark.sparkContext._jvm.java.math.BigDecimal(value)
        value = sql.types.Decimal.apply(number, jtype.precision(), jtype.scale())
    expression = sql.catalyst.expressions.Literal(value, jtype)
    if int(spark.version.split(".")[0]) >= 4:
        return Column(sql.classic.ExpressionUtils.column(expression))
    return Column(sql.Column(expression))
