"""A demo storage over a Data.fs, in the hands of clients.

    demo.py base FILE             makes the Data.fs
    demo.py story ADDRESS [undo]  changes what is in it through a server of the demo storage
    demo.py again ADDRESS         finds the changes of a story after a restart
    demo.py fresh ADDRESS         finds none
    demo.py packed ADDRESS        packs the changes, and goes on
    demo.py known ADDRESS         finds after a restart that they were packed
"""

import time
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
from common import storage
from transaction import TransactionManager
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.tests.MinPO import MinPO
from ZODB.utils import maxtid

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


def packed(where):
    with closing(database(where)) as db:
        manager = TransactionManager()
        root = db.open(manager).root()
        serials = []
        for value in ('one', 'two', 'three'):
            manager.begin()
            root['o5'].value = value
            manager.commit()
            serials.append(root['o5']._p_serial)
        oid, expected = root['o5']._p_oid, unchanged() | {'o5': 'three'}
        size, last = db.storage.getSize(), db.storage.lastTransaction()
        time.sleep(0.01)
        db.storage.pack(time.time(), None)
        check(db.storage.getSize() < size, 'the changes are smaller')
        check_equal(db.storage.lastTransaction(), last, 'the last transaction')
        check_equal(Worker(contents, where).result(), expected, 'what another process sees after a pack')
        for serial in serials[:2]:
            raised(POSKeyError, db.storage.loadSerial, oid, serial)
        # Of a client without a cache of what was.
        with closing(storage(where)) as other:
            before = other.loadBefore(oid, serials[1])
        check(before is None or not OURS, f'no revision is told whose end was packed away: {before}')
        manager.begin()
        root['o5'].value = 'after'
        manager.commit()
        db.storage.pack(time.time(), None)
        check_equal(Worker(contents, where).result(), expected | {'o5': 'after'}, 'what it sees after another')
    return 'the changes of a demo storage were packed'


def known(where):
    with closing(database(where)) as db:
        oid = db.open().root()['o5']._p_oid
        after, below, *_ = [past['tid'] for past in db.storage.history(oid, 100)]
        data, serial, until = db.storage.loadBefore(oid, maxtid)
        check(b'after' in data and serial == after and until is None, 'the current revision')
        before = db.storage.loadBefore(oid, after)
        check(before is None or not OURS, f'no revision is told whose end was packed away: {before}')
        data, serial, until = db.storage.loadBefore(oid, below)
        check(b'base 5 at 1' in data and until == below, 'the base knows the ends of its older ones')
    return 'nothing is told that is not certain'


STORIES = {story.__name__: story for story in (base, story, again, fresh, packed, known)}


def main(what, *arguments):
    return STORIES[what](*arguments)


if __name__ == '__main__':
    run(main)
