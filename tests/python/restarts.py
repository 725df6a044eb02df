"""Clients whose server goes away and comes back.

    restarts.py clients ADDRESS FOLDER QUEUE    the clients; the test acts wherever they wait for it
    restarts.py commit FILE TIMES               commits while no server runs

QUEUE is the server's invalidation-queue-size. A client holds its connection all the time, with its cache in memory;
another one has a cache file and is started anew each time.
"""

import os
import time
from contextlib import closing

from common import OURS
from common import Failed
from common import check
from common import check_equal
from common import connection_of
from common import database
from common import raised
from common import run
from common import storage
from common import wait_until
from transaction import TransactionManager
from ZEO.Exceptions import ClientDisconnected
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.tests.MinPO import MinPO

OBJECTS = 10
UP_TO_DATE = 'Cache up to date'
QUICK = 'quick verification'
TOO_OLD = 'cache too old, clearing'
NEWER = 'Cache newer than server'


def hasten(store):
    """Ten seconds between attempts are for servers, not for tests. Nothing else of the client is changed."""
    connection = connection_of(store)
    connection.connect_poll = connection.register_failed_poll = 0.1


def change(root, times):
    """One object a transaction, always among the first three."""
    for i in range(times):
        yield
        root[i % 3].value += 1


class Client:

    def __init__(self, where, **options):
        self.db = database(where, **options)
        hasten(self.db.storage)
        self.manager = TransactionManager()
        self.root = self.db.open(self.manager).root()

    def commit(self, times):
        for _ in change(self.root, times):
            self.manager.commit()
        self.manager.commit()

    def check(self, result, values):
        self.manager.begin()
        check_equal([self.root[i].value for i in range(OBJECTS)], values, f'values after {result!r}')
        check_equal(connection_of(self.db.storage).verify_result, result, 'how the cache was verified')


class Clients:

    def __init__(self, where, folder):
        self.where = where
        self.folder = folder
        self.cache = os.path.join(folder, 'kept.zec')
        self.values = [0] * OBJECTS
        self.one = Client(where)
        for i in range(OBJECTS):
            self.one.root[i] = MinPO(0)
        self.one.manager.commit()
        self.check_kept('empty cache')

    def check_kept(self, result):
        """The one with a cache file; what it read stays in its file."""
        client = Client(self.where, cache=self.cache)
        client.check(result, self.values)
        client.db.close()

    def changed(self, times):
        for i in range(times):
            self.values[i % 3] += 1

    def commit(self, times):
        self.one.commit(times)
        self.changed(times)
        self.check_kept(QUICK)

    def lost(self):
        wait_until(lambda: not self.one.db.storage.is_connected(), 'the server is gone')

    def meanwhile(self, what):
        """Lets the test do what it has to, and notices that the server went away."""
        print(f'at {what}', flush=True)
        self.lost()
        wait_until(lambda: os.path.exists(os.path.join(self.folder, what)), f'{what} is done')

    def back(self, result):
        wait_until(self.one.db.storage.is_connected, f'the client is back for {result!r}')
        self.one.check(result, self.values)
        self.check_kept(result)
        # It is as good as any other connection: what it commits is seen.
        self.commit(1)

    def refused(self):
        """The server knows less than the clients: they ask it nothing."""
        connection = connection_of(self.one.db.storage)
        wait_until(lambda: connection.verify_result == NEWER, 'the client sees that it knows more')
        time.sleep(0.3)
        check(not self.one.db.storage.is_connected(), 'a client that knows more than its server stays away')
        kept = storage(self.where, cache=self.cache, wait=False, wait_timeout=0.5)
        hasten(kept)
        wait_until(lambda: connection_of(kept).verify_result == NEWER, 'the cache file is seen to know more')
        raised(ClientDisconnected, kept._call, 'ping')
        kept.close()


def clients(where, folder, queue):
    all_ = Clients(where, folder)
    check_equal(connection_of(all_.one.db.storage).verify_result, 'empty cache', 'how no cache was verified')
    all_.meanwhile('restart')
    all_.back(UP_TO_DATE)
    all_.meanwhile('kill')
    all_.back(UP_TO_DATE)
    all_.meanwhile('three')
    all_.changed(3)
    all_.back(QUICK)
    all_.meanwhile('many')
    all_.changed(2 * int(queue))
    all_.back(TOO_OLD)
    if not OURS:
        return 'a server of Python: four restarts'
    all_.meanwhile('backup')
    all_.back(UP_TO_DATE)
    # The backup is of the time before the last commit.
    all_.values[0] -= 1
    saved = list(all_.values)
    all_.values[0] += 1
    for number, after in enumerate(('heal', 'diverge')):
        all_.commit(5)
        all_.meanwhile(f'restore {number}')
        all_.refused()
        print(f'at {after}', flush=True)
        wait_until(lambda: os.path.exists(os.path.join(folder, after)), f'{after} is done')
        all_.values = list(saved)
        if after == 'diverge':
            all_.changed(1)
        all_.back(TOO_OLD)
    all_.one.db.close()
    return 'restarted, killed, changed meanwhile, restored, healed and diverged: every client came back by itself'


def commit(path, times):
    db = DB(FileStorage(path))
    with closing(db):
        connection = db.open()
        for _ in change(connection.root(), int(times)):
            connection.transaction_manager.commit()
        connection.transaction_manager.commit()
    return f'{times} commits without a server'


def main(kind, *arguments):
    if kind not in ('clients', 'commit'):
        raise Failed(f'{kind} is neither')
    return dict(clients=clients, commit=commit)[kind](*arguments)


if __name__ == '__main__':
    run(main)
