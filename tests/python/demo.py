"""A demo storage over a Data.fs, in the hands of clients.

    demo.py base FILE             makes the Data.fs
    demo.py story ADDRESS [undo]  changes what is in it through a server of the demo storage
    demo.py again ADDRESS         finds the changes of a story after a restart
    demo.py fresh ADDRESS         finds none
"""

from contextlib import closing

import transaction
from BTrees.Length import Length
from common import OURS
from common import Worker
from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from transaction import TransactionManager
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.tests.MinPO import MinPO

OBJECTS = 20


def base(path):
    with closing(DB(FileStorage(path))) as db:
        root = db.open().root()
        for step in range(3):
            for number in range(OBJECTS):
                root[f'o{number}'] = root.get(f'o{number}') or MinPO()
                root[f'o{number}'].value = f'base {number} at {step}'
            transaction.get().note(f'base {step}')
            transaction.commit()
        root['length'] = Length()
        transaction.commit()
    return f'a base of {OBJECTS} objects'


def contents(where):
    """What a process of its own finds."""
    with closing(database(where)) as db:
        root = db.open().root()
        return {key: value.value for key, value in root.items()}


def unchanged():
    return {f'o{number}': f'base {number} at 2' for number in range(OBJECTS)} | {'length': 0}


def story(where, *how):
    with closing(database(where)) as db:
        records = [(found.tid, record.oid) for found in db.storage.iterator() for record in found]
        below, oids = sorted({tid for tid, _ in records}), {oid for _, oid in records}
        last = below[-1]
        check_equal(db.storage.lastTransaction(), last, 'the last transaction before any change')
        check_equal(contents(where), unchanged(), 'the base through the server')
        one, other = TransactionManager(), TransactionManager()
        connection = db.open(one)
        root = connection.root()

        # Changes, new objects, and what was before.
        one.begin()
        root['o1'].value = 'changed'
        root['new'] = MinPO('new')
        one.commit()
        first = root['o1']._p_serial
        check(first > last, 'the first change is later than the base')
        check(root['new']._p_oid not in oids, 'a new object has an oid of its own')
        fresh = {db.storage.new_oid() for _ in range(300)}
        check_equal((len(fresh), fresh & oids), (300, set()), 'oids that are new')
        expected = unchanged() | {'o1': 'changed', 'new': 'new'}
        check_equal(Worker(contents, where).result(), expected, 'what another process sees')
        with closing(db.open(at=last)) as earlier:
            found = {key: value.value for key, value in earlier.root().items()}
            check_equal(found, unchanged(), 'the past before the changes')
        data, serial, until = db.storage.loadBefore(root['o1']._p_oid, first)
        check(b'base 1 at 2' in data and serial <= last and until == first, 'the base ends where the changes begin')

        # Conflicts with what was changed in the changes and in the base.
        rival = db.open(other).root()
        for name in ('o1', 'o2'):
            one.begin()
            other.begin()
            root[name].value, rival[name].value = 'one', 'other'
            other.commit()
            raised(ConflictError, one.commit)
            one.abort()
        one.begin()
        other.begin()
        root['length'].change(2)
        rival['length'].change(3)
        other.commit()
        one.commit()
        one.begin()
        check_equal(root['length'].value, 5, 'a Length of the base that two have changed')

        # Histories and iterations go through both.
        told = [past['tid'] for past in db.storage.history(root['o1']._p_oid, 100)]
        check_equal((told, told[-3:]), (sorted(told, reverse=True), below[3:0:-1]), 'a history')
        check_equal(len(told), 5, 'its revisions')
        after = [found.tid for found in db.storage.iterator()]
        check_equal(after[:len(below)], below, 'the base in an iteration')
        check(after == sorted(set(after)) and after[-1] == db.storage.lastTransaction(), 'the changes follow the base')
        for start in (below[1], last, after[len(below)]):
            found = [found.tid for found in db.storage.iterator(start)]
            check_equal(found, [tid for tid in after if tid >= start], f'an iteration from {start.hex()}')
        if OURS:
            found, following = [], None
            while True:
                oid, _, _, following = db.storage.record_iternext(following)
                found.append(oid)
                if following is None:
                    break
            check_equal(found, sorted(oids | {root['new']._p_oid}), 'every object once')

        if 'undo' in how:
            one.begin()
            one.get().note('to be undone')
            root['o3'].value = 'a mistake'
            one.commit()
            entry = db.undoLog(0, 1)[0]
            check_equal(entry['description'], 'to be undone', 'the last in the undo log')
            told = len(db.undoLog(0, 1000))
            check_equal(told, len(after) - len(below) + 1, 'the undo log is that of the changes')
            one.begin()
            db.undo(entry['id'], one.get())
            one.commit()
            one.begin()
            check_equal(root['o3'].value, 'base 3 at 2', 'the first change of an object, undone')
            check_equal(Worker(contents, where).result()['o3'], 'base 3 at 2', 'the same elsewhere')
    return 'a demo storage is changed, and its base is not'


def again(where):
    found = contents(where)
    expected = unchanged() | {'o1': 'other', 'o2': 'other', 'new': 'new', 'length': 5}
    check_equal(found, expected, 'the changes after a restart')
    return 'the changes are kept'


def fresh(where):
    check_equal(contents(where), unchanged(), 'the base after a restart')
    return 'the changes are gone'


def main(what, *arguments):
    return {'base': base, 'story': story, 'again': again, 'fresh': fresh}[what](*arguments)


if __name__ == '__main__':
    run(main)
