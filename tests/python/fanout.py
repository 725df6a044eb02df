"""fanout.py CHECK ABOVE BELOW [MORE]: servers over a server. The clients of both are Python's, and see one database."""

import os
import tempfile
import time
import transaction
from collections import Counter

from common import check
from common import check_equal
from common import commit
from common import database
from common import raised
from common import run
from common import storage
from common import together
from common import wait_until
from BTrees.Length import Length
from persistent.mapping import PersistentMapping
from ZEO.Exceptions import ClientDisconnected
from ZEO.Exceptions import ServerException
from ZODB.blob import Blob
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import MultipleUndoErrors
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadConflictError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import StorageError
from ZODB.utils import p64
from ZODB.utils import z64

LARGE = 5_000_011


def store(client, changes, checks=(), user='ann', note='a change'):
    """Commits states of objects; returns the tid."""
    txn = TransactionMetaData(user, note, {'answer': 42})
    client.tpc_begin(txn)
    try:
        for oid, serial, data in changes:
            client.store(oid, serial, data, '', txn)
        for oid, serial in checks:
            client.checkCurrentSerialInTransaction(oid, serial, txn)
        client.tpc_vote(txn)
    except BaseException:
        client.tpc_abort(txn)
        raise
    return client.tpc_finish(txn)


def seen(client, oid, serial):
    wait_until(lambda: client.load(oid)[1] == serial, f'{oid!r} as of {serial!r}')


def iterated(client):
    return [(txn.tid, txn.status, txn.user, txn.description, txn.extension,
             [(record.oid, record.tid, record.data, record.data_txn) for record in txn])
            for txn in client.iterator()]


def api(above, *below):
    """Every call of the storage API gives below what it gives above."""
    top, clients = storage(above), [storage(address) for address in below]
    one = clients[0]
    oid = one.new_oid()
    check(oid != top.new_oid(), 'an oid was given twice')

    # A commit on either side is seen on all others, and its tid is the upper server's.
    first = store(one, [(z64, z64, b'root'), (oid, z64, b'1')])
    # Its client hears of it when it gets round to it.
    wait_until(lambda: top.lastTransaction() == first, 'the last transaction above')
    for client in [top, *clients]:
        seen(client, oid, first)
    second = store(top, [(oid, first, b'2')])
    third = store(clients[-1], [(oid, second, b'3')])
    check(first < second < third, 'tids rise')
    for client in [top, *clients]:
        seen(client, oid, third)
        check_equal(client.load(oid), (b'3', third), 'the object')
        check_equal(client.loadBefore(oid, third), (b'2', second, third), 'the revision before')
        check_equal(client.loadBefore(oid, first), None, 'nothing before the first')
        check_equal(client.loadSerial(oid, first), b'1', 'the first state')
        check_equal(client.lastTransaction(), third, 'the last transaction')

    # Conflicts and read checks are judged above.
    error = raised(ConflictError, store, one, [(oid, second, b'no')])
    check_equal((error.oid, error.serials), (oid, (third, second)), 'the conflict')
    raised(ReadConflictError, store, one, [(z64, first, b'no')], [(oid, second)])
    raised(POSKeyError, one.load, p64(1 << 40))

    # What looks around, asks above.
    for client in clients:
        for call in [lambda it: it.history(oid, 10), lambda it: it.undoLog(0, 10),
                     lambda it: it.undoInfo(0, 10, {'user_name': b'ann'}), lambda it: it.getTid(oid),
                     lambda it: it.record_iternext(), lambda it: it.record_iternext(oid),
                     iterated]:
            # msgpack makes tuples of lists.
            found, expected = ([*it] if isinstance(it, (tuple, list)) else it for it in (call(client), call(top)))
            check_equal(found, expected, 'what is said of the storage')
    raised(KeyError, one._call, 'iterator_next', 10_000)

    # Undo.
    undone = one.undoLog(0, 1)[0]['id']
    txn = TransactionMetaData()
    one.tpc_begin(txn)
    one.undo(undone, txn)
    one.tpc_vote(txn)
    fourth = one.tpc_finish(txn)
    for client in [top, *clients]:
        seen(client, oid, fourth)
        check_equal(client.load(oid)[0], b'2', 'the state that was set back')

    # One that is refused.
    fifth = store(one, [(oid, fourth, b'5')])
    store(one, [(oid, fifth, b'6')])
    for client in [top, *clients]:
        txn = TransactionMetaData()
        client.tpc_begin(txn)
        client.undo(top.undoLog(0, 2)[1]['id'], txn)
        error = raised(MultipleUndoErrors, client.tpc_vote, txn)
        check_equal([at for at, _ in error._errs], [oid], 'the objects that cannot be set back')
        client.tpc_abort(txn)
    fourth = one.getTid(oid)

    # Deletion.
    txn = TransactionMetaData()
    one.tpc_begin(txn)
    one.deleteObject(oid, fourth, txn)
    one.tpc_vote(txn)
    one.tpc_finish(txn)
    # Python's server tells nobody of it.
    told = [top, *clients] if 'zeolith.in_order' in top._info else []
    for client in told:
        wait_until(lambda: gone(client, oid), 'the deletion')

    # Two transactions of different clients: the place above is free again after every one of them.
    for client in [*clients, *clients]:
        txn = TransactionMetaData()
        client.tpc_begin(txn)
        client.store(z64, client.getTid(z64), b'never', '', txn)
        client.tpc_vote(txn)
        client.tpc_abort(txn)
    for client in [top, *clients]:
        client.close()
    return f'{len(clients)} servers below say what the one above says'


def gone(client, oid):
    try:
        client.load(oid)
    except POSKeyError:
        return True
    return False


def copy(above, below):
    """A database is copied through the lower server, and comes out as it went in."""
    with tempfile.TemporaryDirectory() as folder:
        source = FileStorage(os.path.join(folder, 'Data.fs'))
        serial = z64
        for number in range(20):
            serial = store(source, [(z64, serial, b'%d' % number)], note=f'number {number}')
        target = storage(below)
        target.copyTransactionsFrom(source)
        top = storage(above)
        for client in [target, top]:
            check_equal([(tid, user, note, extension, [row[:3] for row in rows])
                         for tid, _, user, note, extension, rows in iterated(client)],
                        [(tid, user, note, extension, [row[:3] for row in rows])
                         for tid, _, user, note, extension, rows in iterated(source)], 'the copy')
            check_equal(client.load(z64), (b'19', serial), 'its last state')
            client.close()
        source.close()
    return '20 transactions copied'


def blobs(above, *below):
    """Blobs go up and come down, small and large ones."""
    with tempfile.TemporaryDirectory() as folder:
        dbs = [database(address, blob_dir=os.path.join(folder, str(at)))
               for at, address in enumerate([above, *below])]
        for writer in range(len(dbs)):
            with dbs[writer].transaction() as connection:
                root = connection.root()
                root[f'small {writer}'] = Blob(b'small %d' % writer)
                root[f'large {writer}'] = Blob(b'%d' % writer * LARGE)
                root[f'empty {writer}'] = Blob(b'')
            for reader in dbs:
                found = Counter()

                def complete():
                    with reader.transaction() as connection:
                        return f'large {writer}' in connection.root()
                wait_until(complete, 'the blobs')
                with reader.transaction() as connection:
                    root = connection.root()
                    for name, content in [('small', b'small %d' % writer), ('large', b'%d' % writer * LARGE),
                                          ('empty', b'')]:
                        with root[f'{name} {writer}'].open() as file:
                            found[name] += file.read() == content
                check_equal(found, Counter(small=1, large=1, empty=1), 'blobs as they were stored')
        for db in dbs:
            db.close()
    return f'{3 * len(dbs)} blobs seen by {len(dbs)}'


def _add(where, rounds):
    tally = Counter()
    db = database(where)
    manager = transaction.TransactionManager()
    connection = db.open(manager)

    def change():
        root = connection.root()
        root['length'].change(1)
        # Never merged: a reader of both finds them equal at every moment.
        root['pair'][0].value += 1
        root['pair'][1].value -= 1

    for _ in range(rounds):
        commit(manager, change, tally, 'all')
        manager.begin()
        first, second = (it.value for it in connection.root()['pair'])
        check_equal(first + second, 0, 'two numbers that change together')
    manager.abort()
    connection.close()
    db.close()
    return tally


def totals(rounds, *addresses):
    """Processes above and below add to the same numbers, and nothing is lost."""
    db = database(addresses[0])
    with db.transaction() as opened:
        root = opened.root()
        root['length'] = Length()
        root['pair'] = PersistentMapping({0: PersistentMapping(), 1: PersistentMapping()})
        for number in root['pair'].values():
            number.value = 0
        root['pair'] = [root['pair'][0], root['pair'][1]]
    tallies = together(_add, [(address, int(rounds)) for address in addresses])
    tally = sum(tallies, Counter())
    with db.transaction() as opened:
        root = opened.root()
        expected = int(rounds) * len(addresses)
        check_equal((root['length'](), root['pair'][0].value, tally['all commits']),
                    (expected, expected, expected), 'the total')
    db.close()
    return f'{dict(tally)}'


def endure(flag, where, told):
    """Adds one, again and again, whatever happens above, until the flag is there: what was acknowledged is there in the end."""
    client = storage(where, wait_timeout=5)
    oid, acknowledged, unknown, failures = p64(7), 0, 0, 0
    while acknowledged < 20 or not os.path.exists(flag):
        txn = TransactionMetaData()
        finishing = False
        try:
            try:
                data, serial = client.load(oid)
            except POSKeyError:
                data, serial = b'0', z64
            client.tpc_begin(txn)
            client.store(oid, serial, b'%d' % (int(data) + 1), '', txn)
            client.tpc_vote(txn)
            finishing = True
            client.tpc_finish(txn)
            acknowledged += 1
            with open(told, 'w') as file:
                file.write(str(acknowledged))
        except (ConflictError, ClientDisconnected, ServerException, StorageError):
            failures += 1
            unknown += finishing
            if not finishing:
                client.tpc_abort(txn)
            time.sleep(0.01)
    client.close()
    fresh = storage(where)
    value = int(fresh.load(oid)[0])
    check(acknowledged <= value <= acknowledged + unknown, f'{value} of {acknowledged} and {unknown}')
    fresh.close()
    return f'{acknowledged} acknowledged, {unknown} unknown, {failures} failures, {value} there'


def reading(above, below):
    """Where nothing may be written above, nothing may be written below."""
    # A client that wants to write waits for a server that lets it.
    raised(ClientDisconnected, lambda: storage(below, wait_timeout=1))
    top, client = storage(above), storage(below, read_only=True)
    raised(ReadOnlyError, client.new_oid)
    serial = store(top, [(z64, z64, b'root')])
    seen(client, z64, serial)
    top.close()
    client.close()
    return 'read below what was written above'


def warm(below, above, times):
    """An object is loaded above once, however often the server below is started."""
    top, client = storage(above), storage(below)
    if times == '0':
        store(top, [(z64, z64, b'root')])
        wait_until(lambda: not gone(client, z64), 'the object')
    before = top.server_status()['loads']
    check_equal(client.load(z64)[0], b'root', 'the object')
    check_equal(client.server_status()['loads'] > 0, True, 'the load below')
    check_equal(top.server_status()['loads'], before, 'loads above')
    top.close()
    client.close()
    return 'nothing was loaded above'


CHECKS = dict(warm=warm, api=api, copy=copy, blobs=blobs, totals=totals, endure=endure, reading=reading)


def main(name, *arguments):
    return CHECKS[name](*arguments)


if __name__ == '__main__':
    run(main)
