"""packs.py ADDRESS ROUNDS: three processes commit while two others pack again and again; every total is right.

What is replaced is garbage at once. A pack that comes while another goes on is refused as FileStorage does it.
"""

import time
from collections import Counter

from BTrees.check import check as check_tree
from BTrees.IOBTree import IOBTree
from BTrees.Length import Length
from common import check
from common import check_equal
from common import commit
from common import database
from common import run
from common import together
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from ZEO.Exceptions import ServerException
from ZODB.serialize import referencesf
from ZODB.tests.MinPO import MinPO

PROCESSES = 3
PACKERS = 2


def work(where, worker, rounds):
    if worker >= PROCESSES:
        return pack(where, rounds)
    tally = Counter()
    db = database(where)
    manager = TransactionManager()
    root = db.open(manager).root()
    mine = 'mine %d' % worker
    for i in range(rounds):

        def change(i=i):
            root[mine][i % 50] = PersistentMapping(round=i, text='x' * 500)
            root[mine + ' counter'].value = i + 1
            root['length'].change(1)

        commit(manager, change, tally, 'change')
    db.close()
    return tally


def pack(where, rounds):
    tally = Counter()
    db = database(where)
    for _ in range(max(3, rounds // 20)):
        try:
            db.storage.pack(time.time(), None)
            tally['packed'] += 1
        except ServerException as error:
            check('Already packing' in str(error) and 'FileStorageError' in str(error), str(error))
            tally['refused'] += 1
    db.close()
    return tally


def main(where, rounds):
    rounds = int(rounds)
    db = database(where)
    connection = db.open()
    root = connection.root()
    root['length'] = Length()
    for worker in range(PROCESSES):
        root['mine %d' % worker] = IOBTree()
        root['mine %d counter' % worker] = MinPO(0)
    connection.transaction_manager.commit()
    tallies = together(work, [(where, worker, rounds) for worker in range(PROCESSES + PACKERS)])
    total = sum(tallies, Counter())
    check(total['packed'] > 0, 'somebody packed: %r' % total)
    connection.transaction_manager.begin()
    check_equal(root['length'](), PROCESSES * rounds, 'the length')
    for worker in range(PROCESSES):
        tree = root['mine %d' % worker]
        check_tree(tree)
        check_equal(root['mine %d counter' % worker].value, rounds, 'a counter')
        for i in range(max(0, rounds - 50), rounds):
            check_equal(tree[i % 50]['round'], i, 'an entry')
    db.storage.pack(time.time(), None)
    objects, size = len(db.storage), db.storage.getSize()
    db.storage.pack(time.time(), None)
    check_equal((len(db.storage), db.storage.getSize()), (objects, size), 'a storage with nothing to pack')
    db.cacheMinimize()
    # Everything that is left can be reached.
    seen, waiting = set(), [root]
    while waiting:
        found = waiting.pop()
        if found._p_oid in seen:
            continue
        seen.add(found._p_oid)
        data, _ = db.storage.load(found._p_oid)[:2]
        waiting.extend(connection.get(oid) for oid in referencesf(data))
    check_equal(objects, len(seen), 'objects that are left')
    db.close()
    return 'packed: %r' % dict(total)


if __name__ == '__main__':
    run(main)
