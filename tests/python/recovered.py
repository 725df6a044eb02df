"""recovered.py LIST: Python finds files sound and complete. A line of LIST has a path and the tids that are there."""

import logging

from common import check_equal
from common import raised
from common import run
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.scripts import fstest
from ZODB.utils import load_current


class Complaints(logging.Handler):

    def __init__(self):
        super().__init__(logging.WARNING)
        self.heard = []

    def emit(self, record):
        self.heard.append(record.getMessage())


def main(path):
    complaints = Complaints()
    logging.getLogger('ZODB').addHandler(complaints)
    with open(path) as file:
        cases = [line.split() for line in file]
    for log, *tids in cases:
        fstest.check(log)
        store = FileStorage(log, read_only=True)
        check_equal(store._used_index, int(bool(tids)), f'whether Python used the index of {log}')
        found, current = [], {}
        for transaction in store.iterator():
            found.append(transaction.tid.hex())
            current.update((record.oid, record.data) for record in transaction)
        check_equal(found, tids, f'transactions of {log}')
        check_equal(store.lastTransaction().hex(), tids[-1], f'the last transaction of {log}')
        check_equal(set(store._index), set(current), f'objects of {log}')
        for oid, data in current.items():
            if data is None:
                raised(POSKeyError, load_current, store, oid)
            else:
                check_equal(load_current(store, oid)[0], data, f'object {oid.hex()} of {log}')
        store.close()
        check_equal(complaints.heard, [], f'what Python says about {log}')
    return f'{len(cases)} files are sound'


if __name__ == '__main__':
    run(main)
