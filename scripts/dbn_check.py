#!/usr/bin/env python3
"""Reads DBN files with Databento's own decoder, as the independent judge of Starling's.

    python3 scripts/dbn_check.py FILE...         one line a file: its name, records, and exact sums, as JSON

Files are .dbn, .dbn.zst and fragments (.frag, of version 1, 2 or 3 as their names say). The sums are over the fields
that records of a kind share: price (in units of 1e-9; absent prices left out), size or volume, ts_event, sequence.
Needs databento-dbn and pyarrow (for zstd).
"""
import json
import re
import sys

import databento_dbn as dbn
import pyarrow as pa

UNDEFINED = 2**63 - 1


def plain(path):
    if path.endswith(".zst"):
        with pa.input_stream(path, compression="zstd") as stream:
            return stream.read()
    with open(path, "rb") as file:
        return file.read()


def records(path):
    fragment = ".frag" in path
    options = {"upgrade_policy": dbn.VersionUpgradePolicy.AS_IS}
    if fragment:
        version = re.search(r"\.v([123])\.", path)
        options |= {"has_metadata": False, "input_version": int(version[1]) if version else 1}
    decoder = dbn.DBNDecoder(**options)
    decoder.write(plain(path))
    found = decoder.decode()
    metadata = None if fragment else found[0]
    return metadata, found if fragment else found[1:]


def sums(found):
    total = {"price": 0, "size": 0, "ts_event": 0, "sequence": 0, "levels": 0}
    for record in found:
        total["ts_event"] += record.ts_event
        for name in ("price", "open", "high", "low", "close"):
            units = getattr(record, name, UNDEFINED)
            total["price"] += 0 if units == UNDEFINED else units
        total["size"] += getattr(record, "size", 0) + getattr(record, "volume", 0)
        if type(record).__name__ not in ("CMBP1Msg", "CBBOMsg", "StatMsg", "StatMsgV1"):
            total["sequence"] += getattr(record, "sequence", 0)
        for level in getattr(record, "levels", []):
            for units in (level.bid_px, level.ask_px):
                total["levels"] += 0 if units == UNDEFINED else units
            total["levels"] += level.bid_sz + level.ask_sz
    return total


def main():
    for path in sys.argv[1:]:
        metadata, found = records(path)
        line = {"file": path.rsplit("/", 1)[-1], "records": len(found), **sums(found)}
        if metadata is not None:
            line |= {"version": metadata.version, "dataset": metadata.dataset, "symbols": list(metadata.symbols)}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
