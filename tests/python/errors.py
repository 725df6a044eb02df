"""errors.py ADDRESS [MODE]: the errors that the Python client rebuilds from what the server says.

MODE says what is read-only, if anything: writable, read-only for the server, read-only-storage, read-only-client.
"""

import base64
import time

from common import OURS
from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from common import storage
from common import wait_until
from transaction import TransactionManager
from ZEO.asyncio.client import Protocol
from ZEO.Exceptions import ClientDisconnected
from ZEO.Exceptions import ServerException
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError
from ZODB.POSException import MultipleUndoErrors
from ZODB.POSException import POSKeyError
from ZODB.POSException import ReadConflictError
from ZODB.POSException import ReadOnlyError
from ZODB.POSException import StorageTransactionError
from ZODB.tests.MinPO import MinPO
from ZODB.utils import maxtid
from ZODB.utils import p64
from ZODB.utils import z64

UNKNOWN = p64(0x7fff_0000)


class Client:
    """A client of its own, with its own idea of the current transaction."""

    def __init__(self, where):
        # A round trip at each begin, so that a begin sees what another client was acknowledged.
        self.db = database(where, server_sync=True)
        self.manager = TransactionManager()
        self.connection = self.db.open(self.manager)
        self.root = self.connection.root()

    def close(self):
        self.manager.abort()
        self.db.close()


def unknown_objects(client):
    store = client.db.storage
    for call in (
        lambda: store.loadBefore(UNKNOWN, maxtid),
        lambda: store.load(UNKNOWN),
        lambda: store.loadSerial(UNKNOWN, store.lastTransaction()),
        lambda: client.connection.get(UNKNOWN),
    ):
        check_equal(raised(POSKeyError, call).args[0], UNKNOWN, 'the oid of a POSKeyError')
    check_equal(store.loadBefore(z64, p64(1)), None, 'an object before it was made')


def conflicts(one, other):
    one.root['x'] = MinPO(0)
    one.manager.commit()
    read = one.root['x']._p_serial
    other.manager.begin()
    other.root['x'].value = 'other'
    one.root['x'].value = 'one'
    one.manager.commit()
    committed = one.root['x']._p_serial
    check(committed > read, 'serials rise')
    error = raised(ConflictError, other.manager.commit)
    check_equal(error.oid, one.root['x']._p_oid, 'the oid of a ConflictError')
    check_equal(error.serials, (committed, read), 'the serials of a ConflictError')
    check_equal(error.class_name, 'ZODB.tests.MinPO.MinPO', 'the class of a ConflictError')
    other.manager.abort()
    other.manager.begin()
    check_equal(other.root['x'].value, 'one', 'the value after a conflict')
    other.root['x'].value = 'other'
    other.manager.commit()


def read_conflicts(one, other):
    one.root['read'], one.root['written'] = MinPO(0), MinPO(0)
    one.manager.commit()
    other.manager.begin()
    # Only an object that was read has a serial that can be checked.
    check_equal(other.root['read'].value, 0, 'the value that is read')
    other.connection.readCurrent(other.root['read'])
    other.root['written'].value = 1
    read = other.root['read']._p_serial
    one.root['read'].value = 1
    one.manager.commit()
    error = raised(ReadConflictError, other.manager.commit)
    check_equal(error.oid, one.root['read']._p_oid, 'the oid of a ReadConflictError')
    check_equal(error.serials, (one.root['read']._p_serial, read), 'the serials of a ReadConflictError')
    other.manager.abort()
    other.manager.begin()
    check_equal(other.root['written'].value, 0, 'what a refused transaction wrote')
    check_equal(other.root['read'].value, 1, 'the value that is read')
    other.connection.readCurrent(other.root['read'])
    other.root['written'].value = 1
    other.manager.commit()


def undo_errors(one):
    one.root['undone'] = MinPO(0)
    one.manager.commit()
    for value in (1, 2):
        one.manager.begin()
        one.root['undone'].value = value
        one.manager.get().note(f'value {value}')
        one.manager.commit()
    # The change to 2 stands on the change to 1, which can thus not be taken out from under it.
    log = one.db.undoLog(0, 5)
    check_equal(log[1]['description'], 'value 1', 'the second last transaction in the undo log')
    one.manager.begin()
    one.db.undo(log[1]['id'], one.manager.get())
    error = raised(MultipleUndoErrors, one.manager.commit)
    check_equal([oid for oid, _ in error._errs], [one.root['undone']._p_oid], 'the oids of MultipleUndoErrors')
    if OURS:
        check('later transaction' in str(error), f'the text of MultipleUndoErrors: {error}')
    one.manager.abort()
    # What names no transaction is told by the vote, and the connection goes on.
    generation = one.db.storage._connection_generation
    for name in (b'', b'!!!!', 'text', None, 5):
        transaction = TransactionMetaData()
        one.db.storage.tpc_begin(transaction)
        one.db.storage.undo(name, transaction)
        raised(ServerException if OURS else Exception, one.db.storage.tpc_vote, transaction)
        one.db.storage.tpc_abort(transaction)
    check_equal(one.db.storage._connection_generation, generation, 'the connection after undos of nothing')
    one.db.undo(log[0]['id'], one.manager.get())
    one.manager.commit()
    one.manager.begin()
    check_equal(one.root['undone'].value, 1, 'the value after an undo')


def packs_at_odd_times(one):
    store = one.db.storage
    generation, size = store._connection_generation, store.getSize()
    store.pack(1.0, None)
    check_equal(store.getSize(), size, 'the size after a pack to a time before everything')
    raised(ServerException, store.pack, 1e18, None)
    if OURS:
        for no_time in (float('inf'), float('nan'), 'tomorrow'):
            raised(TypeError, store.pack, no_time, None)
    one.manager.begin()
    one.root['made'].value = 'not packed'
    one.manager.commit()
    entry = one.db.undoLog(0, 1)[0]
    store.pack(time.time() + 3600, None)
    one.manager.begin()
    check_equal(one.root['made'].value, 'not packed', 'a value after a pack to a time to come')
    undo_of_what_is_not_there(one, entry['id'])
    store.pack(time.time(), None)
    check_equal(store._connection_generation, generation, 'the connection, which outlives the packs')


def undo_of_what_is_not_there(one, packed):
    last = one.db.storage.lastTransaction()
    # The name that an undo log would have for it.
    unknown = base64.encodebytes(p64(1)).rstrip()
    for name in (unknown, packed):
        one.manager.begin()
        one.db.undo(name, one.manager.get())
        error = raised(ServerException, one.manager.commit)
        check_equal(error.args[0], 'ZODB.POSException.UndoError', 'the error for what cannot be undone')
        one.manager.abort()
    check_equal(one.db.storage.lastTransaction(), last, 'the last transaction, after undos that were refused')
    one.manager.begin()
    one.root['made'].value = 'goes on'
    one.manager.commit()


def ended_iterations(client):
    store = client.db.storage
    iterator = store._call('iterator_start', None, None)
    tid = store._call('iterator_next', iterator)[0]
    records = store._call('iterator_record_start', iterator, tid)
    store._call('iterator_gc', [iterator, records, 4711])
    for call in (('iterator_next', iterator), ('iterator_record_next', records), ('iterator_next', 4711)):
        raised(KeyError, store._call, *call)
    if OURS:
        raised(KeyError, store._call, 'iterator_record_start', iterator, tid)
    check([found.tid for found in store.iterator()], 'another iteration')


def unsupported(client):
    store = client.db.storage
    generation = store._connection_generation
    error = raised(ServerException, store._call, 'undoLog', 0, 5)
    check_equal(error.args[0], 'ZODB.POSException.Unsupported', 'the class of the error')
    store.ping()
    check_equal(store._connection_generation, generation, 'the connection, which outlives what is not supported')


def no_transaction(client):
    store = client.db.storage
    generation = store._connection_generation
    raised(StorageTransactionError, store._call, 'vote', 4711)
    store.ping()
    check_equal(store._connection_generation, generation, 'the connection, which outlives a refused vote')


def writable(where):
    one, other = Client(where), Client(where)
    one.root['made'] = MinPO(0)
    one.manager.commit()
    other.manager.begin()
    unknown_objects(one)
    packs_at_odd_times(one)
    ended_iterations(one)
    conflicts(one, other)
    read_conflicts(one, other)
    if one.db.supportsUndo():
        undo_errors(one)
    else:
        unsupported(one)
    no_transaction(one)
    raised(ClientDisconnected, lambda: storage(where, storage='no such storage', wait_timeout=1))
    # After all of these both clients still work.
    one.manager.begin()
    one.root['made'].value = 1
    one.manager.commit()
    other.manager.begin()
    check_equal(other.root['made'].value, 1, 'the value after all errors')
    one.close()
    other.close()
    return 'unknown objects, conflicts, read conflicts, undo errors and a vote without transaction are told apart'


# What a read-only client may not call, with arguments of the right kinds.
WRITES = (
    ('new_oids',),
    ('tpc_begin', 1, b'', b'', b''),
    ('storea', z64, z64, b'data', 1),
    ('checkCurrentSerialInTransaction', z64, z64, 1),
    ('vote', 1),
    ('tpc_finish', 1),
    ('tpc_abort', 1),
    ('deleteObject', z64, z64, 1),
    ('restorea', z64, z64, b'data', None, 1),
    ('undoa', b'AAAAAAAAAAA=', 1),
    ('storeBlobEnd', z64, z64, b'data', 1),
    ('storeBlobShared', z64, z64, b'data', 'x.tmp', 1),
)


def unserved(store, *call):
    """Whether our server does not have a method yet; any other answer is for the caller to judge."""
    try:
        store._call(*call)
    except ServerException as error:
        return OURS and error.args[0] == 'ZODB.POSException.Unsupported'
    except Exception:
        pass
    return False


def refuses_writes(store, packs):
    for call in WRITES:
        raised(ReadOnlyError, store._call, *call)
    # A pack writes nothing that a client could tell: Python's server lets readers pack, whatever is read-only but the
    # storage itself. Ours does not pack yet, and says so.
    pack = ('pack', time.time(), True)
    if not packs:
        raised(ReadOnlyError, store._call, *pack)
    elif not unserved(store, *pack):
        store._call(*pack)


def reads_only(db):
    """A client that may only read is told so, by itself and by the server, and goes on reading."""
    check(db.storage.is_read_only(), 'the client knows that it may not write')
    manager = TransactionManager()
    root = db.open(manager).root()
    check_equal(root['made'].value, 1, 'what was written before')
    root['made'].value = 2
    raised(ReadOnlyError, manager.commit)
    manager.abort()
    check_equal(root['made'].value, 1, 'what stays as it was')


class Registrations:
    """Every register call of this process."""

    def __init__(self):
        self._calls = []
        original = Protocol.server_call

        def listening(protocol, method, *arguments):
            if method == 'register':
                self._calls.append(arguments)
            return original(protocol, method, *arguments)

        Protocol.server_call = listening

    def check(self, expected, what):
        check_equal(self._calls, expected, f'registrations {what}')
        self._calls.clear()


def read_only(where, packs=True):
    registered = Registrations()
    raised(ClientDisconnected, lambda: storage(where, wait_timeout=1))
    registered.check([('1', False)], 'for writing')
    for options, expected in (
        (dict(read_only=True), [('1', True)]),
        # The second registration is on the connection that has just been refused the first.
        (dict(read_only_fallback=True), [('1', False), ('1', True)]),
    ):
        db = database(where, **options)
        registered.check(expected, f'with {options}')
        reads_only(db)
        # The client refused that by itself; the server does too, and the connection outlives it.
        refuses_writes(db.storage, packs)
        registered.check([], 'after the refusals')
        db.close()
    return 'what is read-only refuses writers and every write, serves readers, and lets fallback clients register again'


def read_only_storage(where):
    return read_only(where, packs=False)


def read_only_client(where):
    registered = Registrations()
    db = database(where, read_only=True)
    registered.check([('1', True)], 'of a reader')
    reads_only(db)
    refuses_writes(db.storage, packs=True)
    # Nobody waits for the answer to a one-way call: its error ends the connection, and the client comes back.
    generation = db.storage._connection_generation
    db.storage._async('storea', z64, z64, b'data', 1)
    # It counts the end of a connection, and the next one.
    wait_until(lambda: db.storage._connection_generation > generation + 1, 'the client is back')
    registered.check([('1', True)], 'after the connection ended')
    reads_only(db)
    db.close()
    # One that would take either writes where it can.
    db = database(where, read_only_fallback=True)
    registered.check([('1', False)], 'of one that would take either')
    check(not db.storage.is_read_only(), 'the client knows that it may write')
    manager = TransactionManager()
    db.open(manager).root()['fallback'] = MinPO(1)
    manager.commit()
    db.close()
    return 'a reader of a writable server is refused every write, and others write beside it'


MODES = {
    'writable': writable,
    'read-only': read_only,
    'read-only-storage': read_only_storage,
    'read-only-client': read_only_client,
}


def main(where, mode='writable'):
    return MODES[mode](where)


if __name__ == '__main__':
    run(main)
