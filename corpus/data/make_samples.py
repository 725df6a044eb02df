"""Makes the sample Data.fs files of this folder, with listings of all that Python reads in them.

    python make_samples.py [FOLDER]

Needs ZODB 5 or 6. Transaction ids are fixed, so the files come out the same every time. A listing has one line a
question and answer; oids, tids and serials are hexadecimal, data is given by its length and FNV-1a hash:

    storage LAST_TID OBJECTS SIZE
    before  OID TID  key | none | SERIAL UNTIL LENGTH HASH
    serial  OID TID  key | LENGTH HASH
    current OID      key | TID
    history OID SIZE key | (TID SIZE USER DESCRIPTION EXTENSION)...
    recent  TID OID...
"""
import base64
import io
import os
import pickle
import sys

from persistent.TimeStamp import TimeStamp
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.serialize import referencesf
from ZODB.utils import p64
from ZODB.utils import u64
from ZODB.utils import z64


def tid(n):
    return TimeStamp(2024, 2, 29, 12, n, 7.5).raw()


class Reference:
    def __init__(self, oid):
        self.oid = oid


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        return obj.oid if isinstance(obj, Reference) else None


def state(n, text, refs=()):
    """A record as ZODB writes them: the class, then the state, with references as persistent ids."""
    out = io.BytesIO()
    Pickler(out, 3).dump(("persistent.mapping", "PersistentMapping"))
    Pickler(out, 3).dump({"n": n, "text": text, "refs": [Reference(p64(o)) for o in refs]})
    return out.getvalue()


class Sample:
    def __init__(self, path):
        self.path = path
        self.remove(".index")
        self.storage = FileStorage(path, create=True)
        self.count = 0

    def commit(self, *steps, description="sample", user="someone", extension=None):
        """One transaction; a step is a function of the storage and the transaction."""
        self.count += 1
        meta = TransactionMetaData(user, description, extension or {})
        self.storage.tpc_begin(meta, tid(self.count))
        for step in steps:
            step(self.storage, meta)
        self.storage.tpc_vote(meta)
        self.storage.tpc_finish(meta)

    def serial(self, oid):
        try:
            return self.storage.getTid(p64(oid))
        except POSKeyError:
            return z64

    def store(self, oid, data):
        def step(storage, meta):
            # The serial the index knows, deleted or not.
            pos = storage._index.get(p64(oid), 0)
            serial = storage._read_data_header(pos, p64(oid)).tid if pos else z64
            storage.store(p64(oid), serial, data, "", meta)
        return step

    def delete(self, oid):
        return lambda storage, meta: storage.deleteObject(p64(oid), self.serial(oid), meta)

    def undo(self, n):
        # FileStorage knows transactions by the base64 of their ids.
        return lambda storage, meta: storage.undo(base64.encodebytes(tid(n)).rstrip(), meta)

    def close(self):
        self.storage.close()
        self.remove(".lock", ".tmp", ".old")

    def remove(self, *suffixes):
        for suffix in suffixes:
            if os.path.exists(self.path + suffix):
                os.remove(self.path + suffix)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return "%d %016x" % (len(data), value)


def past(storage, entry):
    """A revision in a history; its strings as data, the extension as it is stored."""
    extension = next(iter(storage.iterator(entry["tid"], entry["tid"]))).extension_bytes
    strings = (entry["user_name"], entry["description"], extension)
    return " ".join([entry["tid"].hex(), str(entry["size"])] + [fnv(text) for text in strings])


def listing(path, oids, count):
    storage = FileStorage(path, read_only=True)
    lines = ["storage %s %d %d" % (storage.lastTransaction().hex(), len(storage), storage.getSize())]
    tids = [tid(n) for n in range(1, count + 1)]
    for oid in map(p64, oids):
        for at in sorted(set(tids + [p64(u64(t) + 1) for t in tids])):
            try:
                found = storage.loadBefore(oid, at)
                if found is None:
                    answer = "none"
                else:
                    data, serial, until = found
                    answer = "%s %s %s" % (serial.hex(), until.hex() if until else "-", fnv(data))
            except POSKeyError:
                answer = "key"
            lines.append("before %s %s %s" % (oid.hex(), at.hex(), answer))
        for at in tids:
            try:
                answer = fnv(storage.loadSerial(oid, at))
            except POSKeyError:
                answer = "key"
            lines.append("serial %s %s %s" % (oid.hex(), at.hex(), answer))
        try:
            answer = storage.getTid(oid).hex()
        except POSKeyError:
            answer = "key"
        lines.append("current %s %s" % (oid.hex(), answer))
        for size in (0, 1, 3, 100):
            try:
                answer = [past(storage, entry) for entry in storage.history(oid, size)]
            except POSKeyError:
                answer = ["key"]
            lines.append("history %s %d %s" % (oid.hex(), size, " ".join(answer)))
    for transaction_ in storage.iterator():
        changed = sorted({record.oid.hex() for record in transaction_})
        lines.append(" ".join(["recent", transaction_.tid.hex()] + changed))
    storage.close()
    with open(path + ".txt", "w") as out:
        out.write("\n".join(lines) + "\n")


def plain(path):
    """Several revisions, several objects in a transaction, an extension, data larger than a first read."""
    sample = Sample(path)
    sample.commit(sample.store(0, state(0, "root", [1, 2])), description="initial database creation")
    sample.commit(sample.store(1, state(1, "one")), sample.store(2, state(2, "two")), extension={"key": "value"})
    sample.commit(sample.store(1, state(1, "x" * 6000)))
    sample.commit(sample.store(1, state(1, "one again")), user="")
    sample.commit(sample.store(70000, state(70000, "far away")), description="\u00e4")
    sample.commit(description="a transaction of nothing")
    sample.commit(sample.store(2, state(2, "two again")))
    sample.close()
    return [0, 1, 2, 3, 70000], 7


def undone(path):
    """Undo, undo of an undo, undo of a creation, deletion, and a new life after each."""
    sample = Sample(path)
    sample.commit(sample.store(0, state(0, "root", [1, 2, 3])))
    sample.commit(sample.store(1, state(1, "first")))
    sample.commit(sample.store(1, state(1, "second")), sample.store(2, state(2, "created")))
    sample.commit(sample.undo(3))
    sample.commit(sample.undo(4))
    sample.commit(sample.undo(5))
    sample.commit(sample.store(3, state(3, "third")))
    sample.commit(sample.delete(3))
    sample.commit(sample.store(2, state(2, "created again")))
    sample.commit(sample.delete(1), sample.store(4, state(4, "fourth")))
    sample.commit(sample.undo(10))
    sample.close()
    return range(6), 11


def packed(path):
    """Packed in the middle of its life: garbage is gone, and back pointers lead into what is left."""
    sample = Sample(path)
    sample.commit(sample.store(0, state(0, "root", [1, 2])))
    sample.commit(sample.store(1, state(1, "first")), sample.store(5, state(5, "garbage")))
    sample.commit(sample.store(1, state(1, "second")))
    sample.commit(sample.store(2, state(2, "two")))
    sample.commit(sample.store(2, state(2, "two again")))
    sample.commit(sample.undo(5))
    sample.storage.pack(TimeStamp(tid(4)).timeTime() + 1, referencesf)
    sample.commit(sample.store(1, state(1, "third")))
    sample.close()
    return range(6), 7


def doubled(path):
    """Two records of one object in one transaction, as Python's server writes them for a blob."""
    sample = Sample(path)
    sample.commit(sample.store(0, state(0, "root", [1])))
    sample.commit(sample.store(1, state(1, "old")))

    def twice(storage, meta):
        serial = tid(2)
        storage.store(p64(1), serial, state(1, "first of two"), "", meta)
        storage.store(p64(1), serial, state(1, "second of two, and longer"), "", meta)
    sample.commit(twice)
    sample.close()
    return [0, 1], 3


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for make in plain, undone, packed, doubled:
        path = os.path.join(folder, make.__name__ + ".fs")
        oids, count = make(path)
        listing(path, oids, count)
