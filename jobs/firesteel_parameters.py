"""Named SQL parameters: the string form of a value and its Spark type, as what `spark.sql` takes.

Spark 3.4 takes the text of SQL literals, later versions Columns that are literals. Either way Spark parses a literal apart
from the query, so no value can change the query. What is put in a literal's text is checked, or escaped character by
character. Two types have no literal in SQL: a NULL with a type, and a decimal with more digits than its value needs; they
are made as Catalyst literals from Spark 3.5 on, and on 3.4 are a plain NULL and a decimal with the value's own digits.
"""

import base64
import math
import re

from firesteel_failure import Refused

_ZONE = r"(?:Z|[+-]\d{2}:\d{2})?"
_DATE = r"[+-]?\d{4,6}-\d{2}-\d{2}"
_TIMESTAMP = _DATE + r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?" + _ZONE
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_LIMITS = {"int": 31, "bigint": 63}
_SUFFIX = {"int": "", "bigint": "L"}


def arguments(spark, parameters):
    """The `args` of `spark.sql` for the `parameters` of a spec; raises `Refused`, naming the parameter."""
    texts_only = tuple(int(part) for part in spark.version.split(".")[:2]) < (3, 5)
    args = {}
    for parameter in parameters:
        try:
            args[parameter["name"]] = _text(spark, parameter) if texts_only else _column(spark, parameter)
        except ValueError as error:
            raise Refused("parameter {0}: {1}".format(parameter["name"], error)) from error
    return args


def _column(spark, parameter):
    from pyspark.sql import functions as F

    kind, value = parameter["type"], parameter["value"]
    decimal = _DECIMAL.fullmatch(kind)
    if value is None:
        return F.lit(None) if kind == "void" else _catalyst(spark, None, kind)
    if kind == "string":
        return F.lit(value)
    if kind == "double":
        return F.lit(_double(value))
    if decimal:
        literal(kind, value, False)
        return _catalyst(spark, value, kind)
    return F.expr(literal(kind, value, False))


def _catalyst(spark, value, kind):
    """A Column of a Catalyst literal of exactly this type; `value` is the text of a decimal, or None."""
    from pyspark.sql import Column

    jvm = spark.sparkContext._jvm
    jtype = getattr(jvm.org.apache.spark.sql.catalyst.parser, "CatalystSqlParser$")
    jtype = getattr(jtype, "MODULE$").parseDataType(kind)
    if value is not None:
        value = jvm.org.apache.spark.sql.types.Decimal.apply(jvm.java.math.BigDecimal(value), jtype.precision(), jtype.scale())
    expression = jvm.org.apache.spark.sql.catalyst.expressions.Literal(value, jtype)
    if int(spark.version.split(".")[0]) >= 4:
        return Column(getattr(jvm.org.apache.spark.sql.classic.ExpressionUtils, "column")(expression))
    return Column(jvm.org.apache.spark.sql.Column(expression))


def _text(spark, parameter):
    kind, value = parameter["type"], parameter["value"]
    if value is None:
        return "NULL"
    return literal(kind, value, spark.conf.get("spark.sql.parser.escapedStringLiterals") == "true")


def literal(kind, value, raw_strings):
    """The text of an SQL literal. `raw_strings` says that backslashes in literals are plain (`escapedStringLiterals`).

    Raises ValueError for text that is no value of the type.
    """
    if kind == "boolean" and value in ("true", "false"):
        return value
    if kind in _LIMITS and re.fullmatch(r"-?\d{1,19}", value):
        if not -(1 << _LIMITS[kind]) <= int(value) < 1 << _LIMITS[kind]:
            raise ValueError("{0} is out of range: {1}".format(kind, value))
        return "{0}{1}".format(int(value), _SUFFIX[kind])
    if kind == "double":
        number = _double(value)
        if not math.isfinite(number):
            raise ValueError("Spark 3.4 has no literal for double {0}; write double('{0}') in the query".format(value))
        return repr(number) + "D"
    if kind == "date" and re.fullmatch(_DATE, value):
        return "DATE'{0}'".format(value)
    if kind in ("timestamp", "timestamp_ntz") and re.fullmatch(_TIMESTAMP if kind == "timestamp" else _TIMESTAMP[: -len(_ZONE)], value):
        return "{0}'{1}'".format("TIMESTAMP_LTZ" if kind == "timestamp" else "TIMESTAMP_NTZ", value)
    if kind == "binary":
        return "X'{0}'".format(base64.b64decode(value, validate=True).hex())
    if kind == "string":
        return _string(value, raw_strings)
    decimal = _DECIMAL.fullmatch(kind)
    if decimal and re.fullmatch(r"-?\d{1,38}(\.\d{1,38})?", value):
        precision, scale = int(decimal.group(1)), int(decimal.group(2))
        whole, _, fraction = value.lstrip("-").partition(".")
        if len(whole.lstrip("0")) > precision - scale or len(fraction) > scale:
            raise ValueError("{0} does not hold {1}".format(kind, value))
        return value + "BD"
    raise ValueError("no {0}: {1!r}".format(kind, value))


def _double(value):
    if not re.fullmatch(r"-?(\d+(\.\d+)?([eE][+-]?\d+)?|Infinity)|NaN", value):
        raise ValueError("no double: {0!r}".format(value))
    return float(value)


def _string(value, raw):
    if raw:
        if "'" in value or value.endswith("\\"):
            raise ValueError("Spark 3.4 with spark.sql.parser.escapedStringLiterals cannot take {0!r}".format(value))
        return "'{0}'".format(value)
    plain = re.compile(r"[A-Za-z0-9 _]")
    units = value.encode("utf-16-be", "surrogatepass")
    codes = (units[i] << 8 | units[i + 1] for i in range(0, len(units), 2))
    return "'{0}'".format("".join(chr(c) if c < 128 and plain.match(chr(c)) else "\\u{0:04x}".format(c) for c in codes))
