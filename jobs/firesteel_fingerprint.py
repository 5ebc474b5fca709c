"""The dataset fingerprint: row count and order-independent folds of one hash a row, as Spark SQL text.

Plain `xxhash64(*columns)` skips NULLs, runs nested elements together, takes 0.0 for -0.0 and refuses maps, so different
rows would be equal. Here the hashed sequence is built from the schema, and can be decoded again, so that two rows give
the same sequence only if they are the same:

    flags     for every column and struct field in schema order: is it NULL; after a float or double: is it -0.0.
              They are packed into 63-bit masks.
    values    scalars as they are (NULLs add nothing: the flags tell); a struct is its fields; an array is its size and
              the hash of each element; a map is its size and the sorted hashes of its entries.

Only values count, never nullability, metadata, row order or file layout, so a fingerprint taken while writing equals
one taken from the files. NaNs are one value. Everything works on Spark's JSON schemas (`StructType.json()`), because
PySpark cannot represent every type that Spark has.
"""

import json
import re
import threading

from firesteel_failure import Refused

VERSION = 1
"""Of the fingerprint. Any change to what is hashed must raise it: every stored fingerprint is then another one."""

SEEDS = (0x66697265, 0x7374656C)
"""The two values that start the two hashes of a row."""

ROW = "firesteel_row"
"""Alias of the fingerprinted DataFrame: no reference through it can be taken for a table of the user's query."""

FUNCTIONS = (
    "xxhash64",
    "transform",
    "map_entries",
    "sort_array",
    "size",
    "bit_xor",
    "sum",
    "count",
    "shiftrightunsigned",
)
"""Spark functions that the fingerprint relies on."""

OBSERVE_SECONDS = 60
"""How long to wait for the observed values after the write; they arrive on a listener bus that may drop events."""

_SCALAR = re.compile(
    r"boolean|byte|short|integer|long|float|double|string|binary|date|timestamp|timestamp_ntz|decimal\(\d+,-?\d+\)"
    r"|char\(\d+\)|varchar\(\d+\)|time\(\d+\)"
    r"|interval (year|month|day|hour|minute|second)( to (month|hour|minute|second))?"
)
_REASONS = {
    "void": "has no type (only NULLs); cast it, as in CAST(NULL AS STRING)",
    "interval": "is a calendar interval, which Parquet cannot hold; use DAY TO SECOND or YEAR TO MONTH",
    "variant": "is a variant, which has no hash; store its text (to_json) or extract its fields",
}


def quote(name):
    """A column name as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def schema_of(frame):
    """The schema of a DataFrame as Spark's JSON, parsed; field metadata is emptied, because it is in no identity."""
    return _without_metadata(json.loads(frame._jdf.schema().json()))


def _without_metadata(node):
    if isinstance(node, list):
        return [_without_metadata(item) for item in node]
    if not isinstance(node, dict) or node.get("type") == "udt":
        return node
    return {key: {} if key == "metadata" else _without_metadata(value) for key, value in node.items()}


def refusals(schema, case_sensitive=False):
    """What in a schema (JSON, with metadata) cannot be fingerprinted or written: sentences that start with the
    column's path."""
    if not schema["fields"]:
        return ["the result has no columns"]
    found = []
    _check_struct(schema, "", case_sensitive, found)
    return found


def _check_struct(struct, path, case_sensitive, found):
    seen = {}
    if not struct["fields"]:
        found.append(f"column {path} is a struct without fields, which Parquet cannot hold")
    for field in struct["fields"]:
        name = field["name"]
        here = path + "." + name if path else name
        key = name if case_sensitive else name.lower()
        if name == "":
            found.append("column {0}'' has an empty name; give it one with AS".format(path + "." if path else ""))
        elif key in seen:
            also = "" if seen[key] == name else f" (as {seen[key]}; names differ in case only)"
            found.append(f"column {here} is there twice{also}; rename one with AS")
        seen[key] = name
        if field.get("metadata", {}).get("__COLLATIONS"):
            found.append(f"column {here} has a collation, which a dataset does not keep; add COLLATE UTF8_BINARY")
        _check_type(field["type"], here, case_sensitive, found)


def _check_type(kind, path, case_sensitive, found):
    if isinstance(kind, dict) and kind["type"] == "struct":
        _check_struct(kind, path, case_sensitive, found)
    elif isinstance(kind, dict) and kind["type"] == "array":
        _check_type(kind["elementType"], path + ".element", case_sensitive, found)
    elif isinstance(kind, dict) and kind["type"] == "map":
        _check_type(kind["keyType"], path + ".key", case_sensitive, found)
        _check_type(kind["valueType"], path + ".value", case_sensitive, found)
    elif isinstance(kind, dict):
        found.append(f"column {path} is a user-defined type, which has no hash; convert it to arrays or structs")
    elif kind in _REASONS:
        found.append(f"column {path} {_REASONS[kind]}")
    elif not _SCALAR.fullmatch(kind):
        found.append(f"column {path} has a type that cannot be fingerprinted: {kind}")


def row_hash(schema, seed, row=ROW):
    """SQL text of the 64-bit hash of one row; `schema` must have no `refusals`."""
    flags, values = [], []
    for field in schema["fields"]:
        _flatten(quote(row) + "." + quote(field["name"]), field["type"], seed, 0, flags, values)
    return _hash(seed, flags, values)


def _hash(seed, flags, values):
    masks = []
    for start in range(0, len(flags), 63):
        bits = [f"CASE WHEN {f} THEN {1 << i}L ELSE 0L END" for i, f in enumerate(flags[start : start + 63])]
        masks.append(_tree(bits))
    return "xxhash64({0})".format(", ".join([f"{seed}L"] + masks + values))


def _tree(bits):
    # balanced, because deep expressions cost Spark stack and time
    if len(bits) == 1:
        return bits[0]
    half = len(bits) // 2
    return f"({_tree(bits[:half])} | {_tree(bits[half:])})"


def _flatten(ref, kind, seed, depth, flags, values):
    flags.append(ref + " IS NULL")
    if isinstance(kind, str):
        if kind in ("float", "double"):
            # Spark's hash and `=` take -0.0 for 0.0; only its text tells. CASE keeps the optimizer from putting 0 for
            # the column
            zero = "0F" if kind == "float" else "0D"
            flags.append(f"CASE WHEN {ref} = {zero} THEN CAST({ref} AS STRING) = '-0.0' ELSE false END")
        values.append(ref)
    elif kind["type"] == "struct":
        for field in kind["fields"]:
            _flatten(ref + "." + quote(field["name"]), field["type"], seed, depth, flags, values)
    else:
        # size(NULL) depends on settings, so it is not asked for
        values.append(f"CASE WHEN {ref} IS NULL THEN 0 ELSE size({ref}) END")
        item = f"firesteel_{depth}"
        inner_flags, inner_values = [], []
        if kind["type"] == "array":
            _flatten(item, kind["elementType"], seed, depth + 1, inner_flags, inner_values)
            hashes = f"transform({ref}, {item} -> {_hash(seed, inner_flags, inner_values)})"
        else:
            _flatten(item + ".key", kind["keyType"], seed, depth + 1, inner_flags, inner_values)
            _flatten(item + ".value", kind["valueType"], seed, depth + 1, inner_flags, inner_values)
            body = _hash(seed, inner_flags, inner_values)
            hashes = f"sort_array(transform(map_entries({ref}), {item} -> {body}))"
        values.append(hashes)


def hashed(frame, schema):
    """The DataFrame with one column more for each seed, and the names of these columns.

    A projection before the folds, although folding the hash's expression itself is a little quicker (5,000,000 rows of
    7 columns: 0.68 s against 0.82 s): Spark sends what is observed with every task and back with its result, and for
    600 columns that was over 1 MB.
    """
    from pyspark.sql import functions as F

    taken = {field["name"].lower() for field in schema["fields"]}
    names = []
    for i in range(len(SEEDS)):
        name = f"firesteel_hash_{i}"
        while name in taken:
            name += "_"
        names.append(name)
    columns = [F.expr(row_hash(schema, seed)).alias(name) for seed, name in zip(SEEDS, names)]
    return frame.alias(ROW).select("*", *columns), names


def measures(names):
    """The folds of hash columns, as aggregate Columns named `fs_rows`, `fs_x0`, `fs_s0_0`, ...

    The 32-bit halves are summed as 16-bit quarters in 64-bit integers, which overflow after 2^47 rows: sums of
    decimals took a third longer.
    """
    from pyspark.sql import functions as F

    columns = [F.expr("count(1)").alias("fs_rows")]
    for i, name in enumerate(names):
        columns.append(F.expr(f"bit_xor({name})").alias(f"fs_x{i}"))
        for q in range(4):
            quarter = f"sum(shiftrightunsigned({name}, {16 * q}) & 65535L)"
            columns.append(F.expr(quarter).alias(f"fs_s{i}_{q}"))
    return columns


def fold(values):
    """`(rows, fingerprint)` from the values of `measures` (a dict; NULLs of an empty DataFrame count as 0)."""

    def value(name):
        return values[name] or 0

    xor, sums = [], []
    for i in range(len(SEEDS)):
        xor.append("{0:016x}".format(value(f"fs_x{i}") & 0xFFFFFFFFFFFFFFFF))
        quarters = [value(f"fs_s{i}_{q}") for q in range(4)]
        sums += [str(quarters[0] + (quarters[1] << 16)), str(quarters[2] + (quarters[3] << 16))]
    return value("fs_rows"), {"mode": "rows", "version": VERSION, "xor": xor, "sums": sums}


def fingerprint(frame):
    """`(rows, fingerprint)` of a DataFrame, by a Spark job of its own; raises `Refused` as `require` does."""
    with_hashes, names = hashed(frame, require(frame))
    return fold(with_hashes.agg(*measures(names)).collect()[0].asDict())


def require(frame):
    """The schema of a DataFrame that can be fingerprinted; raises `Refused`, naming every column that cannot."""
    spark = frame.sparkSession
    full = json.loads(frame._jdf.schema().json())
    found = refusals(full, spark.conf.get("spark.sql.caseSensitive") == "true")
    if found:
        raise Refused("; ".join(found))
    for name in FUNCTIONS:
        # a function registered under a built-in name hides it in SQL text, and the fingerprint would be another one
        owner = spark.catalog.getFunction(name).className or ""
        if not owner.startswith("org.apache.spark.sql.catalyst.expressions."):
            raise Refused(f"function {name} of Spark was replaced in this session; register yours under another name")
    return _without_metadata(full)


class Observed:
    """The folds of a DataFrame, taken by `DataFrame.observe` in the pass of its first action.

    `frame` is what to write. `extra` are further aggregate Columns.
    """

    def __init__(self, frame, extra=()):
        from pyspark.sql import Observation

        self._observation = Observation()
        with_hashes, names = hashed(frame, require(frame))
        self.frame = with_hashes.observe(self._observation, *measures(names), *extra).drop(*names)

    def values(self, seconds=OBSERVE_SECONDS):
        """The observed values after the action as a dict, or None if they did not arrive in time.

        Before Spark 4 `Observation.get` waits for ever when its event was dropped or the node was optimised away,
        hence the thread.
        """
        got = []
        thread = threading.Thread(target=lambda: got.append(self._observation.get), daemon=True)
        thread.start()
        thread.join(seconds)
        return got[0] if got and "fs_rows" in got[0] else None
