#!/usr/bin/env python3
"""Reads files of a store, and Arrow files, with pyarrow and polars, as independent judges of what Starling writes.

    python3 scripts/store_check.py FILE...       one line a file: rows, column types and exact sums, as JSON

Files are .parquet and .arrow. Sums are of both libraries, and they must agree; stamps are summed as nanoseconds,
decimals as units of 1e-9. Needs pyarrow and polars.
"""
import json
import sys
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq


def whole(value):
    if value is None:
        return 0
    if isinstance(value, Decimal):
        return int(value.scaleb(9))
    return int(value)


def arrow_sums(table):
    sums = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        if pa.types.is_string(column.type):
            continue
        sums[name] = sum(whole(x) for x in column.to_pylist())
    return sums


def polars_sums(frame):
    sums = {}
    for name, kind in frame.schema.items():
        column = frame[name]
        if isinstance(kind, pl.Datetime):
            column = column.dt.epoch("ns")
        if kind == pl.String:
            continue
        sums[name] = sum(whole(x) for x in column.to_list())
    return sums


def main():
    for path in sys.argv[1:]:
        if path.endswith(".parquet"):
            table, frame = pq.read_table(path), pl.read_parquet(path)
        else:
            with pa.ipc.open_file(path) as file:
                table = file.read_all()
            frame = pl.read_ipc(path)
        sums, others = arrow_sums(table), polars_sums(frame)
        assert sums == others, f"{path}: pyarrow {sums}, polars {others}"
        types = {field.name: str(field.type) for field in table.schema}
        print(json.dumps({"rows": table.num_rows, "types": types, "sums": sums}))


main()
