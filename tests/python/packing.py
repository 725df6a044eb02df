"""Files with random histories, and what Python's FileStorage makes of them when it packs them.

    packing.py FOLDER SEED CASES

Prints a line of JSON for each pack: {"file", "packed", "time", "gc", "error", "blobs", "gone", "back", "alone"}; the error is null where Python
packs, or finds nothing to pack; the last are the blobs whose files were there, and of these the ones that went, and what points_back() says. Beside each file, in `.txt`, is all that Python reads in
it, in the form that make_samples.py tells.
"""

import io
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "corpus", "data"))

from common import run
from make_samples import Pickler
from make_samples import Reference
from make_samples import Sample
from make_samples import listing
from make_samples import tid
from persistent.mapping import PersistentMapping
from persistent.TimeStamp import TimeStamp
from ZODB.blob import Blob
from ZODB.blob import FilesystemHelper
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import RedundantPackWarning
from ZODB.FileStorage.fspack import GC
from ZODB.POSException import POSKeyError
from ZODB.POSException import UndoError
from ZODB.serialize import referencesf
from ZODB.utils import p64
from ZODB.utils import u64
from ZODB.utils import z64


# FileStorage warns of what its own packs leave.
logging.getLogger('ZODB.FileStorage').setLevel(logging.CRITICAL)

OBJECTS = range(12)

# Objects that are blobs all their lives.
BLOBS = range(12, 15)

# An oid that nothing ever has: weak references and those into other databases may lead anywhere.
NOWHERE = p64(99)


def record(kind, content):
    out = io.BytesIO()
    Pickler(out, 3).dump(kind)
    Pickler(out, 3).dump(content)
    return out.getvalue()


def reference(dice, oid):
    """To an object, in one of the forms that keep it: by its oid, or with its class."""
    return Reference(dice.choice([p64(oid), (p64(oid), PersistentMapping)]))


def weak_or_foreign(dice):
    oid = dice.choice([NOWHERE] + [p64(oid) for oid in OBJECTS])
    return Reference(dice.choice([
        [oid], ['w', (oid,)], ['w', (oid, 'other')], ['n', ('other', oid)], ['m', ('other', oid, PersistentMapping)],
    ]))


def moment(n):
    """Behind transaction `n` and before the next."""
    return TimeStamp(tid(n)).timeTime() + 1


class WithBlobs(Sample):

    def __init__(self, path):
        self.path = path
        self.storage = with_blobs(path, create=True)
        self.count = 0

    def blob(self, oid, text):
        def step(storage, meta):
            position = storage._index.get(p64(oid), 0)
            serial = storage._read_data_header(position, p64(oid)).tid if position else z64
            handle, name = tempfile.mkstemp(dir=storage.temporaryDirectory())
            os.write(handle, text)
            os.close(handle)
            storage.storeBlob(p64(oid), serial, record(Blob, None), name, '', meta)
        return step


def with_blobs(path, **options):
    return FileStorage(path, blob_dir=path + '.blobs', pack_keep_old=False, **options)


class History:
    """A storage that grows at random, and what is in it."""

    def __init__(self, path, dice):
        self.dice = dice
        self.sample = WithBlobs(path)
        self.sample.commit(self.sample.store(0, self.state(0)))

    def existing(self):
        storage = self.sample.storage
        oids = sorted(u64(oid) for oid in storage._index.keys())
        return [oid for oid in oids if self.exists(oid)]

    def exists(self, oid):
        try:
            self.sample.storage.load(p64(oid), "")
            return True
        except POSKeyError:
            return False

    def state(self, oid):
        known = [other for other in self.existing() if other != oid]
        dice = self.dice
        refs = [reference(dice, known) for known in dice.sample(known, min(len(known), dice.choice([0, 1, 1, 2, 3])))]
        refs += [weak_or_foreign(dice) for _ in range(dice.choice([0, 0, 1, 2]))]
        text = "%d %d %s" % (oid, self.sample.count, "x" * dice.choice([0, 5, 40, 300, 2000]))
        return record(PersistentMapping, {'text': text, 'refs': refs})

    def step(self):
        sample, dice = self.sample, self.dice
        kinds = ["store"] * 6 + ["root"] * 2 + ["several"] * 3 + ["blob"] * 2 + ["undo"] * 5 + ["delete", "nothing"]
        kind = dice.choice(kinds)
        if kind == "root":
            sample.commit(sample.store(0, self.state(0)), description="\u00e4")
        elif kind == "store":
            oid = dice.randrange(1, 12)
            sample.commit(sample.store(oid, self.state(oid)), extension={"n": oid})
        elif kind == "several":
            oids = dice.sample(OBJECTS, dice.randrange(2, 5))
            sample.commit(*[sample.store(oid, self.state(oid)) for oid in oids])
        elif kind == "blob":
            sample.commit(sample.blob(dice.choice(BLOBS), b"blob of %d" % sample.count))
        elif kind == "delete":
            oids = [oid for oid in self.existing() if oid]
            if oids:
                sample.commit(sample.delete(dice.choice(oids)))
        elif kind == "nothing":
            sample.commit(description="nothing")
        else:
            self.undo(dice.randrange(max(1, sample.count - 4), sample.count + 1))

    def undo(self, n):
        try:
            self.sample.commit(self.sample.undo(n), description="undo %d" % n)
        # Python's packs may have lost the blob that it goes back to.
        except (UndoError, POSKeyError):
            self.sample.count -= 1
            self.sample.storage.tpc_abort(self.sample.storage._transaction)


def pack(path, at, gc):
    """Packs a copy; tells what came of it."""
    packed = "%s.%s" % (path, "gc" if gc else "all")
    shutil.copy(path, packed)
    shutil.copytree(path + ".blobs", packed + ".blobs")
    storage = with_blobs(packed)
    before = blobs(packed)
    error = None
    try:
        storage.pack(at, referencesf, gc=gc)
    except Exception as caught:
        error = type(caught).__name__
    storage.close()
    for suffix in (".lock", ".index", ".tmp", ".old"):
        if os.path.exists(packed + suffix):
            os.remove(packed + suffix)
    return {"packed": packed, "gc": gc, "error": error, "blobs": sorted(before), "gone": sorted(before - blobs(packed))}


def points_back(path, at):
    """Whether records behind this time point back before it, and whether some of them are of objects that nothing reached then."""
    stop = TimeStamp(*time.gmtime(at)[:5], at % 60).raw()
    with open(path, "rb") as file:
        pack = GC(file, os.path.getsize(path), stop, True, referencesf)
        try:
            pack.buildPackIndex()
            pack.findReachableAtPacktime([z64])
        except (KeyError, RedundantPackWarning):
            return {"back": False, "alone": False}
    known, storage = set(pack.reachable.keys()), FileStorage(path, read_only=True)
    oids = [record.oid for txn in storage.iterator(p64(u64(stop) + 1)) for record in txn
            if record.data_txn and record.data_txn <= stop]
    storage.close()
    return {"back": bool(oids), "alone": not known.issuperset(oids)}


def blobs(path):
    """Object and transaction of each blob."""
    names = FilesystemHelper(path + ".blobs")
    found = (names.splitBlobFilename(os.path.join(folder, name)) for _, folder in names.listOIDs()
             for name in os.listdir(folder))
    return {f"{oid.hex()} {tid.hex()}" for oid, tid in found if oid}


def main(folder, seed, cases):
    dice = random.Random(int(seed))
    for case in range(int(cases)):
        path = os.path.join(folder, "case-%d.fs" % case)
        history = History(path, dice)
        for _ in range(dice.randrange(1, 25)):
            history.step()
        if dice.random() < 0.4:
            # Packed before, and gone on.
            try:
                history.sample.storage.pack(moment(dice.randrange(1, history.sample.count + 1)), referencesf, gc=True)
            except KeyError:
                pass
            for _ in range(dice.randrange(0, 12)):
                history.step()
        at = moment(dice.randrange(0, history.sample.count + 2))
        history.sample.close()
        listing(path, [*OBJECTS, *BLOBS], history.sample.count)
        for gc in (False, True):
            packed = pack(path, at, gc)
            if not packed["error"]:
                listing(packed["packed"], [*OBJECTS, *BLOBS], history.sample.count)
            print(json.dumps({"file": path, "time": at, **packed, **points_back(path, at)}))
    return "packed %s files" % cases


if __name__ == '__main__':
    run(main)
