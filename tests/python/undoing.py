"""undoing.py OURS PYTHONS SEED: the same random stores, deletions and undos at two empty servers have the same outcome.

What one transaction does several times to one object is one record at ours, which holds what the last one says.
"""

import random
from contextlib import closing

from common import check
from common import check_equal
from common import run
from common import storage
from ZEO.Exceptions import ServerException
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import UndoError
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle
from ZODB.utils import load_current
from ZODB.utils import p64
from ZODB.utils import z64

OBJECTS = [p64(oid) for oid in range(1, 5)]
STEPS = 150


class Side:
    """A server under the history."""

    def __init__(self, where):
        self.store = storage(where)
        self.tids = []

    def close(self):
        self.store.close()

    def current(self, oid):
        """The serial of the last thing that happened to the object."""
        try:
            return self.store.history(oid)[0]['tid']
        except POSKeyError:
            return z64

    def commit(self, changes):
        """What becomes of a transaction: the objects that its vote names, or the class of the error."""
        meta = TransactionMetaData('user', f'transaction {len(self.tids)}')
        self.store.tpc_begin(meta)
        try:
            for change, *arguments in changes:
                getattr(self, change)(meta, *arguments)
            self.store.tpc_vote(meta)
            self.tids.append(self.store.tpc_finish(meta))
        except (ConflictError, POSKeyError, UndoError) as error:
            return type(error).__name__
        except ServerException as error:
            return error.args[0]
        finally:
            self.store.tpc_abort(meta)
        return 'done'

    def put(self, meta, oid, state):
        self.store.store(oid, self.current(oid), zodb_pickle(MinPO(state)), '', meta)

    def delete(self, meta, oid):
        self.store.deleteObject(oid, self.current(oid), meta)

    def undo(self, meta, number):
        name = {entry['description']: entry['id'] for entry in self.store.undoLog(0, -2 * STEPS)}
        self.store.undo(name[b'transaction %d' % number], meta)

    def states(self):
        def state(oid):
            try:
                data, serial = load_current(self.store, oid)
            except POSKeyError:
                return None
            return data, self.tids.index(serial)
        return [state(oid) for oid in OBJECTS]

    def told(self):
        """Every transaction by the last records of its objects, with numbers in the place of tids."""
        number = {tid: at for at, tid in enumerate(self.tids)}
        return [(number[one.tid], {record.oid: (record.data, number.get(record.data_txn)) for record in one})
                for one in self.store.iterator()]


def changes(draw, count):
    """A transaction like those of applications."""
    kind = draw.random()
    some = draw.sample(OBJECTS, draw.randint(1, len(OBJECTS)))
    if count == 0 or kind < 0.4:
        return [('put', oid, draw.randint(0, 2)) for oid in some]
    if kind < 0.5:
        return [('delete', oid) for oid in some[:1]]
    recent = range(max(0, count - draw.choice([6, 6, 6, 20])), count)
    undos = [('undo', number) for number in draw.sample(recent, min(len(recent), draw.choice([1, 1, 1, 2, 3])))]
    if kind < 0.85:
        return undos
    # Each object once: to our server only what comes last is a store of the transaction.
    both = undos + [('put', oid, draw.randint(0, 2)) for oid in some]
    draw.shuffle(both)
    return both


def main(ours, pythons, seed):
    draw = random.Random(int(seed))
    outcomes = {}
    with closing(Side(ours)) as our, closing(Side(pythons)) as their:
        for step in range(STEPS):
            wanted = changes(draw, len(our.tids))
            expected, found = their.commit(wanted), our.commit(wanted)
            check_equal(found, expected, f'step {step}: {wanted}')
            check_equal(our.states(), their.states(), f'the objects after step {step}: {wanted}')
            outcome = wanted[0][0], expected
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        check_equal(our.told(), their.told(), 'all transactions')
    check(outcomes.get(('undo', 'done'), 0) > 10 and len(outcomes) > 3, f'a history with some of everything: {outcomes}')
    return f'{STEPS} transactions end alike: {outcomes}'


if __name__ == '__main__':
    run(main)
