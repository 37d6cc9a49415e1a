#!/usr/bin/env python3
"""Rebuilds order-by-order books of DBN `mbo` files with Databento's decoder and plain dicts, as the judge of Starling's.

    python3 scripts/dbn_book.py FILE...         one line a file, as JSON

Each line: records by action; orders that rest in the end and levels of each side; `touches`, the number of events after
which best bid or ask (price, size, orders) differed from before; `digest`, a running sum over all of them modulo 2^64
(h = 31 h + x over bid price, size, count, ask price, size, count); and the last touch. A cancel takes its size off the
order, a modify replaces price and size, trades and fills change nothing; all as Databento's documents say of `mbo`.
Needs databento-dbn and pyarrow (for zstd).
"""
import collections
import json
import sys

import databento_dbn as dbn
from dbn_check import records

MASK = 2**64 - 1
LAST = 0x80


def rebuild(path):
    actions, orders, levels = collections.Counter(), {}, {"B": {}, "A": {}}
    touch, touches, digest = None, 0, 0

    def shift(side, price, size, count):
        level = levels[side].setdefault(price, [0, 0])
        level[0] += size
        level[1] += count
        if level[1] == 0:
            assert level[0] == 0, "a level without orders holds nothing"
            del levels[side][price]

    def remove(number):
        side, price, size = orders.pop(number)
        shift(side, price, -size, -1)

    for record in records(path)[1]:
        action, side = str(record.action), str(record.side)
        actions[action] += 1
        number, price, size = record.order_id, record.price, record.size
        if action == "R":
            orders.clear()
            levels = {"B": {}, "A": {}}
        elif action == "A":
            assert number not in orders
            orders[number] = (side, price, size)
            shift(side, price, size, 1)
        elif action == "C":
            side, price, resting = orders[number]
            remove(number)
            if resting > size:
                orders[number] = (side, price, resting - size)
                shift(side, price, resting - size, 1)
        elif action == "M":
            remove(number)
            orders[number] = (side, price, size)
            shift(side, price, size, 1)
        if int(record.flags) & LAST:
            best = []
            for side, choose in (("B", max), ("A", min)):
                price = choose(levels[side]) if levels[side] else 0
                best += [price, *levels[side].get(price, (0, 0))]
            if best != touch:
                touch, touches = best, touches + 1
                for value in best:
                    digest = (31 * digest + value) & MASK
    counts = {"orders": len(orders), "bids": len(levels["B"]), "asks": len(levels["A"])}
    name = path.rsplit("/", 1)[-1]
    changes = {"touches": touches, "digest": digest, "touch": touch}
    return {"file": name, "actions": dict(sorted(actions.items())), **counts, **changes}


for path in sys.argv[1:]:
    print(json.dumps(rebuild(path)))
