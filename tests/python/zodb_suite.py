"""zodb_suite.py ADDRESS COUNT [noundo] [hex|zlib]: ZODB's own tests of storages, each through a client of an empty storage.

The server, of either maker, has COUNT empty storages named "1", "2" and so on. With `noundo` they cannot undo; the last
argument is what the client itself wraps records in.
"""

import io
import sys
import unittest
from contextlib import redirect_stdout
from itertools import count

import transaction
from common import check
from common import run
from common import storage
from zc.zlibstorage import ZlibStorage
from ZEO.tests.IterationTests import IterationTests
from ZODB.tests.BasicStorage import BasicStorage
from ZODB.tests.ConflictResolution import ConflictResolvingStorage
from ZODB.tests.hexstorage import HexStorage
from ZODB.tests.HistoryStorage import HistoryStorage
from ZODB.tests.IteratorStorage import ExtendedIteratorStorage
from ZODB.tests.IteratorStorage import IteratorStorage
from ZODB.tests.MTStorage import MTStorage
from ZODB.tests.ReadOnlyStorage import ReadOnlyStorage
from ZODB.tests.RecoveryStorage import RecoveryStorage
from ZODB.tests.RevisionStorage import RevisionStorage
from ZODB.tests.StorageTestBase import StorageTestBase
from ZODB.tests.Synchronization import SynchronizedStorage
from ZODB.tests.TransactionalUndoStorage import TransactionalUndoStorage

WRAPPERS = {'hex': HexStorage, 'zlib': ZlibStorage}

# What a test does that is left out here, by the start of its name.
LEFT_OUT = {
    'testPack': 'packs',
    'testRestoreAcrossPack': 'packs',
    'testRestoreWithMultipleObjectsInUndoRedo': 'looks into the records of a FileStorage in this process',
    'testTransactionExtensionFromIterator': 'has an extension that only running code can unpickle',
    'testTransactionalUndoAfterPack': 'packs',
    'testUndoMultipleConflictResolution': 'undoes by merging objects of a class that only the test knows',
}


# The same where nothing can be undone.
UNDOING = {
    'testLoadBeforeUndo': 'undoes',
    'testSimpleIteration': 'undoes',
    'testUndoZombie': 'undoes',
}


class Dummy:
    """A database for a client that has none."""

    def invalidate(self, *arguments):
        pass

    invalidateCache = invalidate

    def transform_record_data(self, data):
        return data

    untransform_record_data = transform_record_data


class ThroughAClient(StorageTestBase):
    _where = None
    _names = None
    _wrap = staticmethod(lambda client: client)

    def setUp(self):
        super().setUp()
        self._open_ones = []
        self._storage = self._client(str(next(self._names)))

    def _client(self, name, **options):
        client = self._wrap(storage(self._where, storage=name, **options))
        client.registerDB(Dummy())
        self._open_ones.append((client, name))
        return client

    def _new_storage_client(self):
        return self._client(self._name)

    @property
    def _name(self):
        return self._open_ones[0][1]

    def open(self, read_only=False):
        self._storage = self._client(self._name, read_only=read_only)

    def tearDown(self):
        transaction.abort()
        for client, _ in self._open_ones:
            client.close()
        super().tearDown()


class Storages(ThroughAClient, BasicStorage, RevisionStorage, IteratorStorage, HistoryStorage, ExtendedIteratorStorage,
               SynchronizedStorage, MTStorage, ReadOnlyStorage, ConflictResolvingStorage, IterationTests):
    pass


class Undoing(ThroughAClient, TransactionalUndoStorage):
    pass


class Recovery(ThroughAClient, RecoveryStorage):

    def setUp(self):
        super().setUp()
        self._dst = self._client(str(next(self._names)))


def left_out(test, reasons):
    name = test.id().rsplit('.', 1)[1]
    return any(name.startswith(start) for start in reasons)


def main(where, most, *how):
    undoes = 'noundo' not in how
    cases = [Storages, Undoing, Recovery] if undoes else [Storages]
    reasons = LEFT_OUT if undoes else LEFT_OUT | UNDOING
    ThroughAClient._where, ThroughAClient._names = where, count(1)
    for wrapper in WRAPPERS.keys() & how:
        ThroughAClient._wrap = WRAPPERS[wrapper]
    loader = unittest.TestLoader()
    tests = [test for case in cases for test in loader.loadTestsFromTestCase(case)]
    wanted = [test for test in tests if not left_out(test, reasons)]
    check(2 * len(wanted) <= int(most), f'{2 * len(wanted)} storages at most are needed')
    with redirect_stdout(io.StringIO()):
        result = unittest.TextTestRunner(stream=sys.stderr, verbosity=1).run(unittest.TestSuite(wanted))
    failed = [test.id() for test, _ in result.failures + result.errors]
    check(not failed, f'{len(failed)} of {result.testsRun} tests fail: {failed}')
    least = 60 if undoes else 35
    check(result.testsRun >= least, f'{result.testsRun} tests are what ZODB has')
    return f'{result.testsRun} of the tests of ZODB pass, {len(tests) - len(wanted)} are left out'


if __name__ == '__main__':
    run(main)
