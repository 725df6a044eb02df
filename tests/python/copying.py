"""copying.py ADDRESS SERVED SOURCE: copyTransactionsFrom through a client makes the file that FileStorage makes of SOURCE.

SERVED is the server's file, empty at first. Afterwards external garbage collection deletes an object.
"""

import os
import tempfile
from contextlib import closing

from common import check
from common import check_equal
from common import raised
from common import run
from common import storage
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageTransactionError
from ZODB.utils import load_current
from ZODB.utils import p64
from ZODB.utils import u64


def contents(path):
    with open(path, 'rb') as file:
        return file.read()


def state(store, oid):
    try:
        return load_current(store, oid)
    except POSKeyError:
        return None


def delete(store, oid, serial):
    transaction = TransactionMetaData()
    store.tpc_begin(transaction)
    try:
        store.deleteObject(oid, serial, transaction)
        store.tpc_vote(transaction)
        return store.tpc_finish(transaction)
    finally:
        store.tpc_abort(transaction)


def again(store, source):
    """What was copied is not newer than the last transaction."""
    for transaction in source.iterator():
        try:
            store.tpc_begin(transaction, transaction.tid, transaction.status)
            for record in transaction:
                store.restore(record.oid, record.tid, record.data, '', record.data_txn, transaction)
            store.tpc_vote(transaction)
        finally:
            store.tpc_abort(transaction)


def main(where, served, path):
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, 'source.fs')
        with open(source, 'wb') as file:
            file.write(contents(path))
        copied = os.path.join(folder, 'copied.fs')
        with closing(FileStorage(source, read_only=True)) as source, closing(FileStorage(copied)) as file, \
                closing(storage(where)) as store, closing(storage(where)) as other:
            file.copyTransactionsFrom(source)
            store.copyTransactionsFrom(source)
            check_equal(contents(served), contents(copied), 'the two files')
            oids = sorted({record.oid for transaction in source.iterator() for record in transaction})
            other.sync()
            for oid in oids:
                for client in store, other:
                    check_equal(state(client, oid), state(file, oid), f'object {u64(oid)}')
            raised(StorageTransactionError, again, store, source)
            oid = next(oid for oid in reversed(oids) if state(store, oid))
            serial = state(store, oid)[1]
            check_equal(raised(ConflictError, delete, store, oid, p64(u64(serial) - 1)).oid, oid, 'the object in conflict')
            raised(POSKeyError, delete, store, p64(u64(oids[-1]) + 1), serial)
            deleted = delete(store, oid, serial)
            other.sync()
            for client in store, other:
                check(state(client, oid) is None, 'a deleted object is gone')
                check_equal(client.loadBefore(oid, deleted)[1:], (serial, deleted), 'what it was before')
            check_equal(list(store.history(oid, 1))[0]['tid'], deleted, 'its history')
            return f'{len(contents(copied))} bytes and {len(oids)} objects are as FileStorage copies them'


if __name__ == '__main__':
    run(main)
