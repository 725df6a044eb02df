"""verification.py ADDRESS QUEUE: how caches are verified, when opened again and when reconnected.

QUEUE is the server's invalidation-queue-size. A cache is up to date, is brought up to date by the invalidations it
missed, or is too old for that and is dropped; and whichever it is, what is read afterwards is right.
"""

import os
import tempfile

from common import check
from common import check_equal
from common import connection_of
from common import database
from common import run
from common import status
from common import wait_until
from proxy import Proxy
from transaction import TransactionManager
from ZODB.tests.MinPO import MinPO

OBJECTS = 10
UP_TO_DATE = 'Cache up to date'
QUICK = 'quick verification'
TOO_OLD = 'cache too old, clearing'


class Writer:
    """The client that changes things while the other is away."""

    def __init__(self, where):
        self.db = database(where)
        self._manager = TransactionManager()
        self._root = self.db.open(self._manager).root()
        for i in range(OBJECTS):
            self._root[i] = MinPO(0)
        self._manager.commit()
        self.values = [0] * OBJECTS

    def commit(self, times):
        """Changes one object a transaction, always among the first three."""
        for i in range(times):
            self.values[i % 3] += 1
            self._manager.begin()
            self._root[i % 3].value = self.values[i % 3]
            self._manager.commit()

    def loads(self):
        return status(self.db.storage)['loads']


class Reader:

    def __init__(self, where, cache):
        self.db = database(where, cache=cache)
        self._manager = TransactionManager()
        self._root = self.db.open(self._manager).root()

    def check(self, writer, loads, result, loaded):
        """The values are right, and came from where the verification says."""
        self._manager.begin()
        check_equal([self._root[i].value for i in range(OBJECTS)], writer.values, f'values after {result!r}')
        check_equal(connection_of(self.db.storage).verify_result, result, 'how the cache was verified')
        check_equal(writer.loads() - loads, loaded, f'loads after {result!r}')


def main(where, queue):
    queue = int(queue)
    check(queue > 3, 'a queue that holds three transactions')
    writer = Writer(where)
    # Commits while away, what follows, and how many of the root and the objects must be loaded.
    cases = ((0, UP_TO_DATE, 0), (3, QUICK, 3), (1, QUICK, 1), (2 * queue + 5, TOO_OLD, OBJECTS + 1), (0, UP_TO_DATE, 0))
    with tempfile.TemporaryDirectory() as folder:
        for number, (commits, result, loaded) in enumerate(cases):
            # A file of its own each time: ZEO's cache writes into the first hole when it is opened again, over what
            # follows, and then loads more than what had changed.
            cache = os.path.join(folder, f'{number}.zec')
            loads = writer.loads()
            reader = Reader(where, cache)
            reader.check(writer, loads, 'empty cache', OBJECTS + 1)
            reader.db.close()
            writer.commit(commits)
            loads = writer.loads()
            reader = Reader(where, cache)
            reader.check(writer, loads, result, loaded)
            reader.db.close()

        proxy = Proxy(where)
        loads = writer.loads()
        reader = Reader(proxy.address, os.path.join(folder, 'reconnected.zec'))
        reader.check(writer, loads, 'empty cache', OBJECTS + 1)
        for commits, result, loaded in cases:
            proxy.cut()
            wait_until(lambda: not reader.db.storage.is_connected(), 'the cut is seen')
            writer.commit(commits)
            loads = writer.loads()
            proxy.resume()
            wait_until(reader.db.storage.is_connected, 'the client is back')
            reader.check(writer, loads, result, loaded)
        check_equal(proxy.connections, len(cases) + 1, 'connections')
        reader.db.close()
    writer.db.close()
    return f'{2 * len(cases)} verifications answered as they should be'


if __name__ == '__main__':
    run(main)
