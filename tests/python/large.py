"""large.py ADDRESS: an object of 100 MB (over TLS 20 MB) and a transaction of 20,000 objects go through, and come back the same."""

import hashlib
import os

from BTrees.IOBTree import IOBTree
from common import Worker
from common import check
from common import check_equal
from common import database
from common import run
from common import status
from ZODB.tests.MinPO import MinPO

# Over TLS Python's client gets it in pieces of 16 KB, and puts these together in a time that grows with the square of their number.
LARGE = 20_000_000 if os.environ.get('ZEOLITH_PEER_TLS') else 100_000_000
MANY = 20_000


def large():
    return hashlib.shake_256(b'zeolith').digest(LARGE)


def small(i):
    return f'object {i} ' * (1 + i % 20)


def write(where):
    db = database(where)
    connection = db.open()
    root, commit = connection.root(), connection.transaction_manager.commit
    root['large'] = MinPO(large())
    commit()
    check_equal(root['large']._p_serial, db.storage.lastTransaction(), 'the serial of the large object')
    root['many'] = IOBTree({i: MinPO(small(i)) for i in range(MANY)})
    commit()
    db.close()


def read(where):
    db = database(where)
    loads = status(db.storage)['loads']
    root = db.open().root()
    found = root['large'].value
    check_equal(len(found), LARGE, 'the size of the large object')
    check(found == large(), 'the large object comes back changed')
    check_equal(len(root['many']), MANY, 'how many objects')
    for i, minimal in root['many'].items():
        check_equal(minimal.value, small(i), f'object {i}')
        check_equal(minimal._p_serial, db.storage.lastTransaction(), f'the serial of object {i}')
    loads = status(db.storage)['loads'] - loads
    check(loads > MANY, f'only {loads} loads: the objects did not come from the server')
    db.close()
    return loads


def main(where):
    Worker(write, where).result()
    loads = Worker(read, where).result()
    return f'{LARGE} bytes in one object and {MANY} objects in one transaction, read back with {loads} loads'


if __name__ == '__main__':
    run(main)
