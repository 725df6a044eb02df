"""iteration.py OURS PYTHONS: all that can be iterated through a server is what Python's server tells of the same file."""

from contextlib import closing

from common import check
from common import check_equal
from common import run
from common import storage
from ZODB.utils import p64
from ZODB.utils import u64


def plain(value):
    """The value with one kind of row: msgpack knows no lists."""
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def transaction(of):
    return of.tid, of.status, of.user, of.description, plain(of.extension)


def record(of):
    return of.oid, of.tid, of.data, of.data_txn, of.version


def told(store, *bounds):
    return [(transaction(one), [record(part) for part in one]) for one in store.iterator(*bounds)]


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return type(error), error.args and getattr(error.args[0], '__name__', error.args[0])


def current(store):
    records, oid = [], None
    while True:
        found = outcome(store.record_iternext, oid)
        records.append(found)
        if len(found) == 4:
            oid = found[3]
        else:
            # A revision that cannot be told: on behind it.
            oid = p64(u64(found[1]) + 1) if isinstance(found[1], bytes) else None
        if oid is None:
            return records


def undo_specifications(store):
    """What some transaction has, and what none has."""
    yield None
    yield {}
    yield {'user_name': b'nobody at all'}
    yield {'unknown': None}
    for entry in store.undoLog(0, -100):
        for key, value in entry.items():
            yield {key: value}
        yield entry


def main(ours, pythons):
    with closing(storage(ours)) as our, closing(storage(pythons)) as theirs:
        everything = told(theirs)
        check_equal(told(our), everything, 'all transactions')
        check(len(everything) > 1, 'a storage with something in it')
        tids = [one[0][0] for one in everything]
        bounds = [None, p64(1), tids[0], p64(u64(tids[1]) + 1), tids[len(tids) // 2], tids[-1], p64(u64(tids[-1]) + 1)]
        for start in bounds:
            for stop in bounds:
                check_equal(told(our, start, stop), told(theirs, start, stop), f'{start} to {stop}')
        check_equal(current(our), current(theirs), 'what is current')
        info = [set(map(tuple, store._info['interfaces'])) for store in (our, theirs)]
        check_equal(*info, 'the interfaces')
        for name in ('supportsUndo', 'supports_record_iternext'):
            check_equal(bool(our._info[name]), bool(theirs._info[name]), name)
        for arguments in (0, -1), (0, -100), (1, 3), (2, -1), (3, 3), (0, 0), (-1, 2):
            check_equal(plain(our.undoLog(*arguments)), plain(theirs.undoLog(*arguments)), f'undoLog{arguments}')
        for specification in undo_specifications(theirs):
            check_equal(plain(our.undoInfo(0, -100, specification)), plain(theirs.undoInfo(0, -100, specification)),
                        f'undoInfo for {specification}')
        return f'{len(tids)} transactions and {len(current(our))} current records are told alike'


if __name__ == '__main__':
    run(main)
