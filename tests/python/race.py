"""race.py ADDRESS NAME [TIMES]: one of the three race checks of ZODB.tests.racetest, against our server."""

import unittest

from common import check
from common import check_equal
from common import run
from common import status
from common import storage
from ZODB.tests.racetest import RaceTests

# The fewest commits that a run makes. The first check commits a fixed number; in the others a worker writes one time
# in five and most of these meet in conflicts: that it raced at all is what counts.
FEWEST = dict(
    loadopen_vs_local_invalidate=500,
    load_vs_external_invalidate=10,
    external_invalidate_vs_disconnect=10,
)


def case(where):

    class Races(RaceTests, unittest.TestCase):

        def setUp(self):
            self._storage = self._new_storage_client()

        def tearDown(self):
            self._storage.close()

        def _new_storage_client(self):
            return storage(where)

    return Races


def main(where, name, times='1'):
    test = 'test_race_' + name
    check(name in FEWEST, f'no race check is named {name}')
    commits = 0
    watcher = storage(where)
    for _ in range(int(times)):
        before = status(watcher)['commits']
        result = unittest.TextTestRunner(verbosity=2).run(case(where)(test))
        check(result.wasSuccessful(), f'{test} found a race')
        check_equal((result.testsRun, result.skipped), (1, []), 'tests run and skipped')
        made = status(watcher)['commits'] - before
        check(made >= FEWEST[name], f'{test} made only {made} commits')
        commits += made
    watcher.close()
    return f'{test}: no race in {commits} commits'


if __name__ == '__main__':
    run(main)
