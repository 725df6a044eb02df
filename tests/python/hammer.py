"""hammer.py ADDRESS ROUNDS: four processes change one BTree, one Length and one plain counter; every total is right.

The Length alone must never fail: its conflicts are always resolvable. The counter has no resolution: it must conflict
and be retried. The log must hold as many transactions as were acknowledged, not one more.
"""

from collections import Counter

from BTrees.check import check as check_tree
from BTrees.IOBTree import IOBTree
from BTrees.Length import Length
from common import check
from common import check_equal
from common import commit
from common import database
from common import run
from common import status
from common import together
from transaction import TransactionManager
from ZEO.TransactionBuffer import TransactionBuffer
from ZODB.tests.MinPO import MinPO

PROCESSES = 4
SHARED_KEYS = 5
OWN_KEYS = 1000


def count_resolutions(tally):
    """Counts resolved objects wherever that happened: at the server, or here and stored again."""
    for name in ('resolve', 'server_resolve'):
        def counting(self, *arguments, original=getattr(TransactionBuffer, name)):
            tally['resolved'] += 1
            return original(self, *arguments)
        setattr(TransactionBuffer, name, counting)


def hammer(where, worker, rounds):
    tally = Counter()
    count_resolutions(tally)
    db = database(where)
    manager = TransactionManager()
    root = db.open(manager).root()

    for i in range(rounds):
        own, shared = OWN_KEYS + i * PROCESSES + worker, i % SHARED_KEYS

        def insert(key=own):
            root['tree'][key] = (worker, key)

        def add(key=shared):
            root['tree'][key] += 1

        def lengthen():
            root['length'].change(1)

        def count():
            root['counter'].value += 1

        def everything():
            # The last key keeps the tree's own changes apart from those of the transactions above.
            root['tree'][-own] = (worker, -own)
            add()
            lengthen()
            count()

        commit(manager, insert, tally, 'insert')
        commit(manager, add, tally, 'add')
        commit(manager, lengthen, tally, 'length')
        commit(manager, count, tally, 'counter')
        if i % 4 == 0:
            commit(manager, everything, tally, 'everything')
    db.close()
    return tally


def main(where, rounds):
    rounds = int(rounds)
    db = database(where)
    connection = db.open()
    root = connection.root()
    root['tree'] = IOBTree({key: 0 for key in range(SHARED_KEYS)})
    root['length'] = Length()
    root['counter'] = MinPO(0)
    connection.transaction_manager.commit()
    before = status(db.storage)['commits']
    db.close()

    tally = sum(together(hammer, [(where, worker, rounds) for worker in range(PROCESSES)]), Counter())
    each, mixed = PROCESSES * rounds, PROCESSES * len(range(0, rounds, 4))
    for name, expected in dict(insert=each, add=each, length=each, counter=each, everything=mixed).items():
        check_equal(tally[name + ' commits'], expected, f'acknowledged commits of {name}')
    check_equal(tally['length conflicts'], 0, 'conflicts of the Length, which are always resolvable')
    check(tally['counter conflicts'] > 0, 'the counter never conflicted: the processes did not meet')
    check(tally['resolved'] > 0, 'no conflict was resolved: the processes did not meet')

    db = database(where)  # its cache is empty: everything below comes from the server
    root = db.open().root()
    tree = root['tree']
    check_tree(tree)
    tree._check()
    own = [OWN_KEYS + i * PROCESSES + worker for i in range(rounds) for worker in range(PROCESSES)]
    mixed_keys = [-key for n, key in enumerate(own) if n // PROCESSES % 4 == 0]
    check_equal(list(tree), sorted(own + mixed_keys + list(range(SHARED_KEYS))), 'keys of the tree')
    for key in own + mixed_keys:
        check_equal(tree[key], (abs(key) % PROCESSES, key), f'the value at {key}')
    check_equal(sum(tree[key] for key in range(SHARED_KEYS)), each + mixed, 'the sum at the shared keys')
    check_equal(root['length'](), each + mixed, 'the Length')
    check_equal(root['counter'].value, each + mixed, 'the counter')
    commits = sum(count for name, count in tally.items() if name.endswith(' commits'))
    check_equal(status(db.storage)['commits'] - before, commits, 'commits that the server counted')
    conflicts = sum(count for name, count in tally.items() if name.endswith(' conflicts'))
    db.close()
    return f'{commits} commits of {PROCESSES} processes, {conflicts} retried, {tally["resolved"]} objects resolved'


if __name__ == '__main__':
    run(main)
