"""One Data.fs in the hands of many: what each committed is noted, and the file must hold exactly that.

    both_ways.py served ADDRESS NOTES ROUND [BLOBS]   checks what a server shows, then commits through it
    both_ways.py direct FILE NOTES ROUND              commits with FileStorage, undoes, deletes, packs, and dies
    both_ways.py check FILE NOTES [interrupted]       compares the file with the notes

A note is a line {"tid": ..., "records": {oid: digest of the data, or null where there is none}}.
"""

import hashlib
import io
import json
import logging
import os
import pickle
import random
import shutil
import sys
import tempfile
import time
from base64 import encodebytes

from common import check
from common import check_equal
from common import raised
from common import run
from common import storage
from ZODB.blob import Blob
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.scripts import fstest
from ZODB.serialize import referencesf
from ZODB.utils import load_current
from ZODB.utils import z64
from ZEO.Exceptions import ServerException


class Reference:
    def __init__(self, oid):
        self.oid = oid


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        return obj.oid if isinstance(obj, Reference) else None


def record(kind, state):
    out = io.BytesIO()
    Pickler(out, 3).dump(kind)
    Pickler(out, 3).dump(state)
    return out.getvalue()


def mapping(text, references=()):
    """A record as ZODB writes them; a pack follows its references."""
    return record(('persistent.mapping', 'PersistentMapping'), dict(text=text, refs=list(map(Reference, references))))


def digest(data):
    return None if data is None else hashlib.sha256(data).hexdigest()


class Notes:

    def __init__(self, path):
        self._path = path
        self.log = {}
        if os.path.exists(path):
            with open(path) as file:
                for line in file:
                    note = json.loads(line)
                    self.log[note['tid']] = note['records']

    def add(self, tid, records):
        self.log[tid.hex()] = {oid.hex(): digest(data) for oid, data in records.items()}
        with open(self._path, 'a') as file:
            file.write(json.dumps(dict(tid=tid.hex(), records=self.log[tid.hex()])) + '\n')

    def replace(self, log):
        os.remove(self._path)
        self.log = log
        with open(self._path, 'w') as file:
            for tid, records in log.items():
                file.write(json.dumps(dict(tid=tid, records=records)) + '\n')

    def current(self):
        found = {}
        for tid in sorted(self.log):
            found.update((bytes.fromhex(oid), data) for oid, data in self.log[tid].items())
        return found


class Writer:
    """Commits through any storage, and notes what it was told."""

    def __init__(self, store, notes, number):
        self.store = store
        self.notes = notes
        self.dice = random.Random(number)

    def transact(self, records, step):
        meta = TransactionMetaData('both', 'ways', {'round': 1})
        self.store.tpc_begin(meta)
        step(meta)
        self.store.tpc_vote(meta)
        tid = self.store.tpc_finish(meta)
        self.notes.add(tid, records)
        return tid

    def serial(self, oid):
        try:
            return load_current(self.store, oid)[1]
        except POSKeyError:
            return z64

    def put(self, records):
        def step(meta):
            for oid, data in records.items():
                self.store.store(oid, self.serial(oid), data, '', meta)
        return self.transact(records, step)

    def delete(self, oid):
        return self.transact({oid: None}, lambda meta: self.store.deleteObject(oid, self.serial(oid), meta))

    def undo(self, tid, records):
        # Storages know transactions by the base64 of their ids.
        return self.transact(records, lambda meta: self.store.undo(encodebytes(tid).rstrip(), meta))

    def blob(self, oid):
        # Python's server stores the record of a blob twice.
        data = record(Blob, None)

        def step(meta):
            fd, path = tempfile.mkstemp()
            os.write(fd, os.urandom(100_000))
            os.close(fd)
            self.store.storeBlob(oid, self.serial(oid), data, path, '', meta)
        return self.transact({oid: data}, step)

    def text(self):
        return 'x' * (200_000 if self.dice.random() < 0.05 else self.dice.randrange(3_000)) + str(time.time_ns())

    def some(self):
        """New objects, changed ones, many and few in a transaction; the root refers to them all."""
        for count in (1, 3, 1, 12, 2):
            known = [oid for oid, data in self.notes.current().items() if data is not None and oid != z64]
            fresh = [self.store.new_oid() for _ in range(count)]
            changed = self.dice.sample(known, min(count, len(known)))
            records = {oid: mapping(self.text()) for oid in fresh + changed}
            if count == 3 or z64 not in self.notes.current():
                records[z64] = mapping(self.text(), known + fresh)
            self.put(records)

    def undos(self):
        """One that brings an older state back, and one that takes an object away."""
        oid = self.store.new_oid()
        older = mapping('older')
        self.put({oid: older})
        newer = self.put({oid: mapping('newer')})
        self.undo(newer, {oid: older})
        made = self.store.new_oid()
        self.undo(self.put({made: mapping('made by mistake')}), {made: None})

    def deletion(self):
        oid = self.store.new_oid()
        self.put({oid: mapping('to be deleted')})
        self.delete(oid)


def supports(store, method, *arguments):
    """Whether the server knows a method, asked with arguments that it refuses."""
    try:
        store._call(method, *arguments)
    except ServerException as error:
        return not error.args[0].endswith('.Unsupported')
    except Exception:
        return True
    return True


def served(where, notes, number, blobs=None):
    notes = Notes(notes)
    options = dict(blob_dir=blobs, shared_blob_dir=False) if blobs else {}
    store = storage(where, **options)
    for oid, data in notes.current().items():
        if data is None:
            raised(POSKeyError, load_current, store, oid)
        else:
            check_equal(digest(load_current(store, oid)[0]), data, f'object {oid.hex()} as it is served')
    writer = Writer(store, notes, number)
    writer.some()
    did = ['stored']
    if store.supportsUndo():
        writer.undos()
        did.append('undone')
    if supports(store, 'deleteObject', z64, z64, 4711):
        writer.deletion()
        did.append('deleted')
    if blobs:
        writer.blob(oid := store.new_oid())
        # Every other round this is the last that the server commits: then Python does not believe its own index.
        if int(number) % 2:
            writer.some()
        did.append(f'blob {oid.hex()}')
    store.close()
    return f'{len(notes.log)} transactions; {", ".join(did)}'


def pack(writer):
    before = {oid: load_current(writer.store, oid)[0] for oid, data in writer.notes.current().items() if data}
    writer.store.pack(time.time(), referencesf)
    log = contents(writer.store)
    for tid, records in log.items():
        for oid, data in records.items():
            check_equal(writer.notes.log[tid][oid], data, f'object {oid} of {tid} after the pack')
    check(len(log) < len(writer.notes.log), 'the pack took nothing away')
    writer.notes.replace(log)
    for oid in writer.notes.current():
        check_equal(load_current(writer.store, oid)[0], before[oid], f'object {oid.hex()} after the pack')


def direct(path, notes, number):
    notes = Notes(notes)
    store = FileStorage(path)
    check_equal(store._used_index, 1, 'whether Python used the index')
    writer = Writer(store, notes, number)
    # What others committed last is undone, if it has a past.
    last = max(notes.log)
    records = {bytes.fromhex(oid): store.loadBefore(bytes.fromhex(oid), bytes.fromhex(last)) for oid in notes.log[last]}
    if records and None not in records.values() and None not in notes.log[last].values():
        writer.undo(bytes.fromhex(last), {oid: found[0] for oid, found in records.items()})
    writer.some()
    writer.undos()
    writer.deletion()
    if int(number) % 2:
        pack(writer)
        writer.some()
    store.close()
    # Now it dies between vote and finish: the transaction stands there, marked incomplete, and no index tells of it.
    store = FileStorage(path)
    Writer(store, notes, number).some()
    meta = TransactionMetaData('both', 'never finished')
    store.tpc_begin(meta)
    store.store(store.new_oid(), z64, mapping('y' * 5_000), '', meta)
    store.tpc_vote(meta)
    store._file.flush()
    print(f'{len(notes.log)} transactions, and a half')
    sys.stdout.flush()
    os._exit(0)


def contents(store):
    log, last = {}, ''
    for transaction in store.iterator():
        tid = transaction.tid.hex()
        check(tid > last, f'{tid} comes after {last}')
        # The last of an object's records counts: there are two of a blob.
        last, log[tid] = tid, {record.oid.hex(): digest(record.data) for record in transaction}
    return log


def believed(path):
    """Whether Python would believe a right index: not where one of the last records is the first of two."""
    with_records = [records for t in FileStorage(path, read_only=True).iterator() if (records := [r.oid for r in t])]
    return all(oid not in with_records[-1][at + 1:] for at, oid in enumerate(with_records[-1][:5]))


class Complaints(logging.Handler):

    def __init__(self):
        super().__init__(logging.WARNING)
        self.heard = []

    def emit(self, record):
        self.heard.append(record.getMessage())


def check_file(path, notes, state=''):
    interrupted = state == 'interrupted'
    notes = Notes(notes)
    if not interrupted:
        fstest.check(path)
    expected = believed(path)
    complaints = Complaints()
    logging.getLogger('ZODB').addHandler(complaints)
    store = FileStorage(path, read_only=True)
    # In a file whose end was interrupted the index is of an earlier time, which may end with a blob.
    check(interrupted or store._used_index == expected, f'Python used the index: {store._used_index}, not {expected}')
    found = contents(store)
    check_equal(sorted(set(found) - set(notes.log)), [], 'transactions that nobody committed')
    check_equal(sorted(set(notes.log) - set(found)), [], 'transactions that are lost')
    check_equal(found, notes.log, 'the records of the transactions')
    for oid, data in notes.current().items():
        if data is None:
            raised(POSKeyError, load_current, store, oid)
        else:
            check_equal(digest(load_current(store, oid)[0]), data, f'object {oid.hex()}')
    # The index that was saved, and what came later, is what a scan of the whole log finds.
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, 'Data.fs')
        shutil.copy(path, copy)
        scanned = FileStorage(copy, read_only=True)
        check_equal(scanned._used_index, 0, 'whether an index was used that is not there')
        check_equal(dict(store._index), dict(scanned._index), 'the index')
        scanned.close()
    store.close()
    heard = [line for line in complaints.heard if not ('Ignoring index' in line and not expected)]
    check(interrupted or not heard, f'Python complains: {heard}')
    return f'{len(found)} transactions as noted; the index was {"" if expected else "not "}believed'


def main(kind, *arguments):
    return dict(served=served, direct=direct, check=check_file)[kind](*arguments)


if __name__ == '__main__':
    run(main)
