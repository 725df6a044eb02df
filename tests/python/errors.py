"""errors.py ADDRESS | errors.py ADDRESS read-only: the errors that the Python client rebuilds from what the server says."""

from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from common import storage
from transaction import TransactionManager
from ZEO.asyncio.client import Protocol
from ZEO.Exceptions import ClientDisconnected
from ZEO.Exceptions import ServerException
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
    one.manager.abort()
    one.db.undo(log[0]['id'], one.manager.get())
    one.manager.commit()
    one.manager.begin()
    check_equal(one.root['undone'].value, 1, 'the value after an undo')


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


def read_only(where):
    registered = []
    original = Protocol.server_call

    def listening(self, method, *arguments):
        if method == 'register':
            registered.append(arguments)
        return original(self, method, *arguments)

    Protocol.server_call = listening
    raised(ClientDisconnected, lambda: storage(where, wait_timeout=1))
    check_equal(registered, [('1', False)], 'registrations for writing')
    registered.clear()
    for options, expected in (
        (dict(read_only=True), [('1', True)]),
        # The second registration is on the connection that has just been refused the first.
        (dict(read_only_fallback=True), [('1', False), ('1', True)]),
    ):
        db = database(where, **options)
        check_equal(registered, expected, f'registrations with {options}')
        registered.clear()
        check(db.storage.is_read_only(), 'the client knows that it may not write')
        manager = TransactionManager()
        root = db.open(manager).root()
        check_equal(root['made'].value, 1, 'what was written before')
        root['made'].value = 2
        raised(ReadOnlyError, manager.commit)
        manager.abort()
        # The client refused that by itself; the server does too.
        raised(ReadOnlyError, db.storage._call, 'new_oids')
        raised(ReadOnlyError, db.storage._call, 'tpc_begin', 1, b'', b'', b'')
        db.storage.ping()
        check_equal(root['made'].value, 1, 'what stays as it was')
        db.close()
    return 'a read-only server refuses writers, serves readers, and lets fallback clients register again'


def main(where, mode='writable'):
    return dict(writable=writable, **{'read-only': read_only})[mode](where)


if __name__ == '__main__':
    run(main)
