"""visible.py ADDRESS: a change made by one process is seen by another, in an open connection and over a reconnect."""

import os
import tempfile

from common import Worker
from common import check_equal
from common import connection_of
from common import database
from common import run
from common import status
from common import wait_until
from proxy import Proxy
from transaction import TransactionManager
from ZODB.tests.MinPO import MinPO

OBJECTS = 50
SYNCED = 60
INVALIDATED = 30


def write(where, ready, written, steps):
    """Writes the numbers it is sent, and answers each when it is committed."""
    db = database(where)
    manager = TransactionManager()
    root = db.open(manager).root()
    while (step := steps.recv()) is not None:
        manager.begin()
        for name, value in step.items():
            root[name].value = value
        manager.commit()
        written.send(root[next(iter(step))]._p_serial)
    db.close()


class Writer:
    """The other process."""

    def __init__(self, where):
        ours, self._steps = Worker._spawn.Pipe(duplex=False)
        self._written, theirs = Worker._spawn.Pipe(duplex=False)
        self._worker = Worker(write, where, None, theirs, ours)

    def write(self, **values):
        self._steps.send(values)
        if not self._written.poll(60):
            self._worker.result()
        return self._written.recv()

    def end(self):
        self._steps.send(None)
        self._worker.result()


def synced(where, writer):
    """With a round trip at each begin, an acknowledged change is there at the very next transaction."""
    db = database(where, server_sync=True)
    manager = TransactionManager()
    root = db.open(manager).root()
    for i in range(SYNCED):
        tid = writer.write(x0=i)
        manager.begin()
        check_equal((root['x0'].value, root['x0']._p_serial), (i, tid), 'the change acknowledged just before')
    db.close()


def invalidated(where, writer):
    """Without one, invalidations alone bring it, in a connection that stays open."""
    db = database(where)
    manager = TransactionManager()
    root = db.open(manager).root()

    def sees(value):
        manager.begin()
        return root['x1'].value == value

    for i in range(INVALIDATED):
        writer.write(x1=-1 - i)
        wait_until(lambda: sees(-1 - i), 'the change by invalidation', patience=10)
    db.close()


def values(manager, root):
    manager.begin()
    return [root[f'x{i}'].value for i in range(OBJECTS)]


def reconnected(where, writer, watcher, folder):
    """A client with a persistent cache reads again what changed while it was away, and only that."""
    writer.write(**{f'x{i}': i for i in range(OBJECTS)})
    expected = list(range(OBJECTS))
    proxy = Proxy(where)
    cache = os.path.join(folder, 'cache.zec')

    def opened():
        db = database(proxy.address, cache=cache, server_sync=True)
        manager = TransactionManager()
        return db, manager, db.open(manager).root()

    def changed(by, *which):
        for i in which:
            writer.write(**{f'x{i}': by + i})
            expected[i] = by + i
        return status(watcher)['loads']

    db, manager, root = opened()
    check_equal(values(manager, root), expected, 'the values before')
    db.close()
    loads = changed(1000, 9, 26, 27, 49)
    db, manager, root = opened()
    check_equal(values(manager, root), expected, 'the values with the cache of before')
    check_equal(connection_of(db.storage).verify_result, 'quick verification', 'how the cache was verified')
    check_equal(status(watcher)['loads'] - loads, 4, 'loads with the cache of before')

    proxy.cut()
    wait_until(lambda: not db.storage.is_connected(), 'the cut is seen')
    loads = changed(2000, 3, 14, 15)
    proxy.resume()
    wait_until(db.storage.is_connected, 'the client is back')
    check_equal(values(manager, root), expected, 'the values after a reconnect')
    check_equal(connection_of(db.storage).verify_result, 'quick verification', 'how the cache was verified')
    check_equal(status(watcher)['loads'] - loads, 3, 'loads after a reconnect')
    check_equal(proxy.connections, 3, 'connections')
    db.close()


def main(where):
    db = database(where)
    connection = db.open()
    for i in range(OBJECTS):
        connection.root()[f'x{i}'] = MinPO(None)
    connection.transaction_manager.commit()
    writer = Writer(where)
    with tempfile.TemporaryDirectory() as folder:
        synced(where, writer)
        invalidated(where, writer)
        # The watcher only asks for the server's counters; it loads nothing itself.
        reconnected(where, writer, db.storage, folder)
    writer.end()
    db.close()
    return f'{SYNCED} changes seen at once, {INVALIDATED} by invalidation, 7 of {OBJECTS} over reconnects'


if __name__ == '__main__':
    run(main)
