"""An independent writer and reader of Starling journals, from docs/journal.md alone: struct, zlib, blake3 (PyPI).

    python scripts/journal_golden.py golden > crates/core/src/journal/golden.hex    the tiny journal of the tests
    python scripts/journal_golden.py large [FILE]    numbers of the larger one, its successor; FILE gets the bytes
    python scripts/journal_golden.py verify FILE     check any journal, print what it is

It shares no code with the Rust codec, so both agree only where both follow the document.
"""

import struct
import sys
import zlib

from blake3 import blake3

GROUP_BYTES = 64 * 1024
MAX_PAYLOAD = 1 << 20
SEAL, END, NOTE = 13, 14, 15
MASK = (1 << 64) - 1


def run_id(config_hash, seed):
    return blake3(config_hash + struct.pack("<Q", seed), derive_key_context="starling journal run id v1").digest()[:16]


class Journal:
    def __init__(self, run, created, first_seq=0, previous=bytes(32)):
        head = struct.pack("<8sHHI16sQQ32s", b"STARLJNL", 1, 84, 0, run, created, first_seq, previous)
        self.salt = zlib.crc32(head)
        self.bytes = head + struct.pack("<I", self.salt)
        self.group_start, self.group_first, self.seq, self.ts = 0, first_seq, first_seq, created
        self.edges = []

    def record(self, kind, ts, payload):
        rest = struct.pack("<IIHHQQ", zlib.crc32(payload, self.salt), len(payload), kind, int(kind == NOTE), self.seq, ts)
        self.edges.append((len(self.bytes), kind))
        self.bytes += struct.pack("<I", zlib.crc32(rest, self.salt)) + rest + payload
        self.seq, self.ts = self.seq + 1, ts

    def append(self, kind, ts, payload):
        self.record(kind, ts, payload)
        if len(self.bytes) - self.group_start >= GROUP_BYTES:
            self.seal(SEAL)

    def seal(self, kind):
        start = len(self.bytes)
        digest = blake3(self.bytes[self.group_start :]).digest()
        self.record(kind, self.ts, struct.pack("<Q", self.group_first) + digest)
        self.group_start, self.group_first = start, self.seq

    def flush(self):
        if self.seq > self.group_first:
            self.seal(SEAL)

    def digest(self):
        return blake3(self.bytes[self.group_start :]).digest()


def verify(data):
    """The summary of an intact journal; an AssertionError otherwise."""
    head = data[:80]
    magic, version, length, flags, run, created, first, previous = struct.unpack("<8sHHI16sQQ32s", head)
    assert (magic, version, length, flags) == (b"STARLJNL", 1, 84, 0), "header"
    salt = zlib.crc32(head)
    assert struct.unpack_from("<I", data, 80)[0] == salt, "header checksum"
    at, seq, group_start, group_first, seals, ended = 84, first, 0, first, 0, False
    while at < len(data):
        assert not ended, f"bytes behind the end at {at}"
        own, payload_crc, size, kind, flags, number, ts = struct.unpack_from("<IIIHHQQ", data, at)
        assert zlib.crc32(data[at + 4 : at + 32], salt) == own, f"record header at {at}"
        assert size <= MAX_PAYLOAD and number == seq, f"record at {at}"
        payload = data[at + 32 : at + 32 + size]
        assert len(payload) == size and zlib.crc32(payload, salt) == payload_crc, f"payload at {at}"
        seq += 1
        if kind in (SEAL, END):
            expected = struct.pack("<Q", group_first) + blake3(data[group_start:at]).digest()
            assert payload == expected, f"chain at {at}"
            group_start, group_first, seals, ended = at, seq, seals + 1, kind == END
        at += 32 + size
    digest = blake3(data[group_start:]).hexdigest()
    return dict(run_id=run.hex(), created=created, records=seq - first - seals, seals=seals, next_seq=seq,
                finished=ended, bytes=len(data), digest=digest, previous=previous.hex())


T0 = 1_700_000_000_000_000_000


def golden():
    journal = Journal(run_id(bytes([7] * 32), 42), 0)
    journal.append(1, T0, b"demo")
    journal.append(7, T0 + 1, b"buy 3")
    journal.flush()
    journal.append(NOTE, T0 + 2, b"")
    journal.seal(END)
    return journal


def large():
    """The file after the golden one: 3,000 records, sealed by size and by a flush after every thousandth."""
    before = golden()
    journal = Journal(run_id(bytes([7] * 32), 42), before.ts, before.seq, before.digest())
    kinds = list(range(1, 13)) + [NOTE]
    x = 1
    for i in range(3000):
        x = (x * 6364136223846793005 + 1442695040888963407) & MASK
        size = (x >> 33) % 200
        payload = (struct.pack("<Q", x) * 25)[:size]
        journal.append(kinds[(x >> 7) % 13], T0 + 1000 * i, payload)
        if (i + 1) % 1000 == 0:
            journal.flush()
    journal.seal(END)
    return journal


HEADER_FIELDS = [(8, "magic"), (2, "format version"), (2, "header length"), (4, "flags"), (16, "run id"),
                 (8, "created"), (8, "first sequence number"), (32, "digest of the file before"), (4, "CRC of 0..80")]
RECORD_FIELDS = [(4, "CRC of the next 28 bytes"), (4, "CRC of the payload"), (4, "payload length"), (2, "kind"),
                 (2, "flags"), (8, "sequence number"), (8, "timestamp")]
NAMES = {1: "RunHeader", 7: "Order", SEAL: "Seal", END: "End", NOTE: "Note"}


def annotated(journal):
    def lines(at, fields):
        for size, name in fields:
            for part in range(0, size, 16):
                chunk = journal.bytes[at + part : at + min(size, part + 16)]
                yield f"{at + part:06x}  {chunk.hex(' '):<47}  # {name if part == 0 else '...'}"
            at += size

    yield from lines(0, HEADER_FIELDS)
    ends = [edge for edge, _ in journal.edges[1:]] + [len(journal.bytes)]
    for (edge, kind), end in zip(journal.edges, ends):
        fields = [(n, f"{NAMES[kind]}: {name}" if i == 0 else name) for i, (n, name) in enumerate(RECORD_FIELDS)]
        if kind in (SEAL, END):
            fields += [(8, "first sequence number of the group"), (32, "BLAKE3 since the seal before")]
        elif end > edge + 32:
            fields += [(end - edge - 32, "payload")]
        yield from lines(edge, fields)


def main():
    match sys.argv[1:]:
        case ["golden"]:
            verify(golden().bytes)
            print("\n".join(annotated(golden())))
        case ["large", *files]:
            journal = large()
            for file in files:
                with open(file, "wb") as out:
                    out.write(journal.bytes)
            print(verify(journal.bytes), "BLAKE3 of the file:", blake3(journal.bytes).hexdigest())
        case ["verify", file]:
            with open(file, "rb") as source:
                print(verify(source.read()))
        case _:
            sys.exit(__doc__)


main()
