"""Storages for the tools to read and copy, and what Python makes of them."""

import json
import logging
import sys
import time

from common import check, check_equal, database, storage
from persistent.mapping import PersistentMapping
from persistent.TimeStamp import TimeStamp
from transaction import TransactionManager
from ZODB import DB
from ZODB.blob import Blob
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.utils import u64


def commit(manager, user='', note='', **extension):
    transaction = manager.get()
    transaction.user = user
    transaction.description = note
    for name, value in extension.items():
        transaction.setExtendedInfo(name, value)
    manager.commit()


def undo(db, manager, *ids):
    db.undoMultiple(ids, manager.get())
    commit(manager, 'undoer', f'undo {len(ids)}')


def newest(db):
    return db.undoLog(0, 1)[0]['id']


def make(path, more=0, pack=False, bare=False, sound=False):
    """A storage with everything that transactions and records can have; bare, without extension data; sound, without a
    reference to what was deleted."""
    files = FileStorage(path)
    db = DB(files)
    manager = TransactionManager()
    root = db.open(manager).root()
    for number in range(10):
        root[f'item {number}'] = PersistentMapping(number=number, text='x' * number * 100)
        extension = {} if bare else {'number': number, 'tags': ['a', ('b', 2.5), None]}
        commit(manager, f'user {number}', f'new: {number} äö', **extension)
    for number in range(5):
        for item in list(root.values())[:3]:
            item['number'] += 1
        commit(manager)
    # Undone, and undone again; then two at once, which writes the same object twice; then a creation.
    undo(db, manager, newest(db))
    undo(db, manager, newest(db))
    for number in range(2):
        root['item 0']['number'] = f'changed {number}'
        commit(manager, 'one', 'to be undone')
    undo(db, manager, *[entry['id'] for entry in db.undoLog(0, 2)])
    # Undone and done again while it changes in between: pointers to pointers.
    for number in range(3):
        root['item 1']['number'] = f'again {number}'
        commit(manager)
        undo(db, manager, newest(db))
    root['gone'] = PersistentMapping()
    commit(manager)
    created = newest(db)
    undo(db, manager, created)
    root['large'] = PersistentMapping(data=b'large' * 200_000)
    commit(manager, 'x' * 300, 'y' * 300)
    # Deleted, as external garbage collection does it.
    oid, tid = root['item 9']._p_oid, root['item 9']._p_serial
    if sound:
        del root['item 9']
        commit(manager)
    meta = TransactionMetaData('collector')
    files.tpc_begin(meta)
    files.deleteObject(oid, tid, meta)
    files.tpc_vote(meta)
    files.tpc_finish(meta)
    if pack:
        files.pack(time.time(), lambda pickle, oids=None: oids if oids is not None else [], gc=False)
    for number in range(more):
        root['item 2']['number'] = number
        root[number % 100] = PersistentMapping(number=number, text='filler' * 100)
        commit(manager, note=f'more {number}')
    # A transaction without objects.
    meta = TransactionMetaData('nobody', 'nothing')
    files.tpc_begin(meta)
    files.tpc_vote(meta)
    files.tpc_finish(meta)
    db.close()


def make_with_blob(path):
    db = DB(FileStorage(path, blob_dir=path + '.blobs'))
    manager = TransactionManager()
    root = db.open(manager).root()
    root['plain'] = PersistentMapping()
    commit(manager)
    root['blob'] = Blob(b'the bytes of a blob')
    commit(manager)
    db.close()


def open_source(place):
    """A path or an address."""
    if place.endswith('.fs'):
        return FileStorage(place, read_only=True)
    return storage(place, read_only=True)


def copy(place, destination, transactions='all'):
    """Copies as Python does; the first transactions alone where a number is given."""
    source, files = open_source(place), FileStorage(destination)
    if transactions != 'all':
        stop = [transaction.tid for transaction in source.iterator()][int(transactions) - 1]
        files.copyTransactionsFrom(source.iterator(stop=stop))
    else:
        files.copyTransactionsFrom(source)
    files.close()
    source.close()


def frozen(value):
    """A value with tuples for its lists: in msgpack the two are one."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value


def content(place):
    source = open_source(place)
    transactions = []
    for txn in source.iterator():
        extension = frozen(txn.extension)
        records = [(record.oid, record.tid, record.data, record.data_txn) for record in txn]
        transactions.append((txn.tid, txn.status, txn.user, txn.description, extension, records))
    source.close()
    return transactions


def compare(one, other):
    first, second = content(one), content(other)
    check_equal(len(second), len(first), 'transactions')
    for before, after in zip(first, second):
        check_equal(after, before, 'transaction')
    check(first, 'an empty storage proves nothing')
    print(len(first))


def describe(path):
    """Of each object what history and load say."""
    files = FileStorage(path, read_only=True)
    oids = sorted({record.oid for txn in files.iterator() for record in txn})
    for oid in oids:
        rows = []
        for entry in files.history(oid, 1000):
            stamp = TimeStamp(entry['tid'])
            row = {key: entry[key].decode() for key in ('user_name', 'description')}
            row |= {'tid': entry['tid'].hex(), 'size': entry['size'], 'time': str(stamp)[:19]}
            rows.append(row)
        print(json.dumps({'oid': hex(u64(oid)), 'history': rows}))
    files.close()


def change(address, key):
    """Two objects of one transaction; prints its tid."""
    db = database(address)
    manager = TransactionManager()
    root = db.open(manager).root()
    root[key] = PersistentMapping(key=key)
    commit(manager, 'changer', key)
    print(root._p_serial.hex(), hex(u64(root[key]._p_oid)))
    db.close()


if __name__ == '__main__':
    logging.basicConfig(level=logging.ERROR)
    command, *arguments = sys.argv[1:]
    if command == 'make':
        path, *options = arguments
        more = int(options[0]) if options else 0
        make(path, more, 'pack' in options, 'bare' in options, 'sound' in options)
    else:
        {
            'blob': make_with_blob, 'copy': copy, 'compare': compare, 'describe': describe, 'change': change,
        }[command](*arguments)
