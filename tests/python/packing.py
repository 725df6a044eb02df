"""Files with random histories, and what Python's FileStorage makes of them when it packs them.

    packing.py FOLDER SEED CASES

Prints a line of JSON for each pack: {"file", "packed", "time", "gc", "error"}; the last is null where Python packs, or finds
nothing to pack.
"""

import json
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "corpus", "data"))

from common import run
from make_samples import Sample
from make_samples import state
from make_samples import tid
from persistent.TimeStamp import TimeStamp
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.POSException import UndoError
from ZODB.serialize import referencesf
from ZODB.utils import p64
from ZODB.utils import u64


def moment(n):
    """Behind transaction `n` and before the next."""
    return TimeStamp(tid(n)).timeTime() + 1


class History:
    """A storage that grows at random, and what is in it."""

    def __init__(self, path, dice):
        self.dice = dice
        self.sample = Sample(path)
        self.sample.commit(self.sample.store(0, state(0, "root")))

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
        refs = self.dice.sample(known, min(len(known), self.dice.choice([0, 1, 1, 2, 3])))
        text = "x" * self.dice.choice([0, 5, 40, 300, 2000])
        return state(oid, "%d %d %s" % (oid, self.sample.count, text), refs)

    def step(self):
        sample, dice = self.sample, self.dice
        kind = dice.choice(["store"] * 6 + ["root"] * 2 + ["several"] * 3 + ["undo"] * 5 + ["delete", "nothing"])
        if kind == "root":
            sample.commit(sample.store(0, self.state(0)), description="\u00e4")
        elif kind == "store":
            oid = dice.randrange(1, 12)
            sample.commit(sample.store(oid, self.state(oid)), extension={"n": oid})
        elif kind == "several":
            oids = dice.sample(range(12), dice.randrange(2, 5))
            sample.commit(*[sample.store(oid, self.state(oid)) for oid in oids])
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
        except UndoError:
            self.sample.count -= 1
            self.sample.storage.tpc_abort(self.sample.storage._transaction)


def pack(path, at, gc):
    """Packs a copy; gives its path, and the error if there was one."""
    packed = "%s.%s" % (path, "gc" if gc else "all")
    shutil.copy(path, packed)
    storage = FileStorage(packed)
    error = None
    try:
        storage.pack(at, referencesf, gc=gc)
    except Exception as caught:
        error = type(caught).__name__
    storage.close()
    for suffix in (".lock", ".index", ".tmp", ".old"):
        if os.path.exists(packed + suffix):
            os.remove(packed + suffix)
    return packed, error


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
        for gc in (False, True):
            packed, error = pack(path, at, gc)
            print(json.dumps({"file": path, "packed": packed, "time": at, "gc": gc, "error": error}))
    return "packed %s files" % cases


if __name__ == '__main__':
    run(main)
