#!/usr/bin/env python3
"""Checks that Parquet files written by Starling are what pyarrow, polars and pandas read: sums, types, stamps.

    python3 scripts/parquet_check.py DATA_DIR

Imports real files with the example `data_import` (Parquet and CSV), reads them back with both libraries, and
compares exact decimal sums with those of the original text. Needs pyarrow, polars, pandas.
"""
import csv
import gzip
import json
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

CASES = {
    "bars": (
        'kind = "bars"\nseries = "1m last external"\npath = "bars/cme_6eh4_1m_202401.csv.gz"',
        {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"},
    ),
    "quotes": (
        'kind = "quotes"\npath = "ticks/tardis_binancefutures_btcusdt_quotes_20200222.csv.gz"',
        {"bid": "bid_price", "ask": "ask_price", "bid_size": "bid_amount", "ask_size": "ask_amount"},
    ),
    "trades": (
        'kind = "trades"\npath = "trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz"',
        {"price": "price", "size": "amount", "trade_id": "id"},
    ),
}


def original_sums(path, columns):
    with gzip.open(path, "rt", newline="") as text:
        rows = list(csv.DictReader(text))
    return len(rows), {ours: sum(Decimal(r[theirs]) for r in rows) for ours, theirs in columns.items()}, rows


def main():
    data = Path(sys.argv[1])
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for kind, (table, columns) in CASES.items():
            spec, out = Path(folder, kind + ".toml"), Path(folder, kind + ".parquet")
            spec.write_text('instrument = "X.SIM"\n' + table + "\n")
            command = ["cargo", "run", "-q", "-p", "starling-lab", "--example", "data_import", "--"]
            report = subprocess.run([*command, spec, data, out], check=True, capture_output=True, text=True).stdout
            source = next(line.split('"')[1] for line in table.splitlines() if line.startswith("path"))
            n, sums, rows = original_sums(data / source, columns)

            arrow = pq.read_table(out)
            polar = pl.read_parquet(out)
            stamp = pa.timestamp("ns", tz="UTC")
            checks = {
                "rows": json.loads(report)["rows"] == n == arrow.num_rows == polar.height,
                "stamp type": arrow.schema.field("ts_event").type == arrow.schema.field("ts_recv").type == stamp,
                "polars stamp type": polar.schema["ts_event"] == pl.Datetime("ns", "UTC"),
                "decimal type": all(
                    arrow.schema.field(c).type == pa.decimal128(19, 9) for c in columns if c != "trade_id"
                ),
                "polars decimal type": all(
                    polar.schema[c] == pl.Decimal(19, 9) for c in columns if c != "trade_id"
                ),
            }
            for column, want in sums.items():
                checks[f"sum({column}) arrow"] = sum(Decimal(x) for x in arrow[column].to_pylist()) == want
                checks[f"sum({column}) polars"] = sum(Decimal(x) for x in polar[column].to_list()) == want
            if kind != "bars":
                want = [int(r["timestamp"]) * 1000 for r in rows]
                checks["stamps"] = arrow["ts_event"].cast(pa.int64()).to_pylist() == want
            if kind == "trades":
                checks["sides"] = arrow["side"].to_pylist() == [r["side"] for r in rows]
            arrow.to_pandas()
            for name, good in checks.items():
                failed |= not good
                print(f"{'ok' if good else 'FAILED'}  {kind}: {name}")
    sys.exit(failed)


main()
