"""zodb_suite.py ADDRESS COUNT: ZODB's own tests of storages, each through a client of an empty storage of one server.

The server, of either maker, has COUNT empty storages named "1", "2" and so on.
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
from ZEO.tests.IterationTests import IterationTests
from ZODB.tests.BasicStorage import BasicStorage
from ZODB.tests.ConflictResolution import ConflictResolvingStorage
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

# What a test does that is left out here, by the start of its name.
LEFT_OUT = {
    'testPack': 'packs',
    'testRestoreAcrossPack': 'packs',
    'testRestoreWithMultipleObjectsInUndoRedo': 'looks into the records of a FileStorage in this process',
    'testTransactionExtensionFromIterator': 'has an extension that only running code can unpickle',
    'testTransactionalUndoAfterPack': 'packs',
    'testUndoMultipleConflictResolution': 'undoes by merging objects of a class that only the test knows',
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

    def setUp(self):
        super().setUp()
        self._open_ones = []
        self._storage = self._client(str(next(self._names)))

    def _client(self, name, **options):
        client = storage(self._where, storage=name, **options)
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


class Storages(ThroughAClient, BasicStorage, RevisionStorage, TransactionalUndoStorage, IteratorStorage, HistoryStorage,
               ExtendedIteratorStorage, SynchronizedStorage, MTStorage, ReadOnlyStorage, ConflictResolvingStorage,
               IterationTests):
    pass


class Recovery(ThroughAClient, RecoveryStorage):

    def setUp(self):
        super().setUp()
        self._dst = self._client(str(next(self._names)))


def left_out(test):
    name = test.id().rsplit('.', 1)[1]
    return any(name.startswith(start) for start in LEFT_OUT)


def main(where, most):
    ThroughAClient._where, ThroughAClient._names = where, count(1)
    loader = unittest.TestLoader()
    tests = [test for case in (Storages, Recovery) for test in loader.loadTestsFromTestCase(case)]
    wanted = [test for test in tests if not left_out(test)]
    check(2 * len(wanted) <= int(most), f'{2 * len(wanted)} storages at most are needed')
    with redirect_stdout(io.StringIO()):
        result = unittest.TextTestRunner(stream=sys.stderr, verbosity=1).run(unittest.TestSuite(wanted))
    failed = [test.id() for test, _ in result.failures + result.errors]
    check(not failed, f'{len(failed)} of {result.testsRun} tests fail: {failed}')
    check(result.testsRun >= 60, f'{result.testsRun} tests are what ZODB has')
    return f'{result.testsRun} of the tests of ZODB pass, {len(tests) - len(wanted)} are left out'


if __name__ == '__main__':
    run(main)
