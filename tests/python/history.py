"""history.py ADDRESS FILE: histories through a server are those that FileStorage tells of a copy of its file."""

import os
import tempfile
from contextlib import closing

from common import check
from common import check_equal
from common import raised
from common import run
from common import storage
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.utils import p64
from ZODB.utils import u64

SIZES = (-1, 0, 1, 2, 3, 1000)


def main(where, path):
    told = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, 'copy.fs')
        with open(path, 'rb') as source, open(copy, 'wb') as target:
            target.write(source.read())
        with closing(FileStorage(copy, read_only=True)) as file, closing(storage(where)) as store:
            oids = {record.oid for transaction in file.iterator() for record in transaction}
            for oid in sorted(oids) + [p64(u64(max(oids)) + 1)]:
                for size in SIZES:
                    try:
                        expected = file.history(oid, size)
                    except POSKeyError:
                        error = raised(POSKeyError, store.history, oid, size)
                        check_equal(error.args[0], oid, 'the oid of a POSKeyError')
                        continue
                    found = store.history(oid, size)
                    # msgpack knows no lists.
                    check_equal(list(found), expected, f'the history of {u64(oid)}, {size}')
                    check_equal([list(entry) for entry in found], [list(entry) for entry in expected], 'the order of keys')
                    told += len(found)
            check_equal(list(store.history(p64(0))), file.history(p64(0)), 'a history of one')
    check(told > 10, 'histories with something in them')
    return f'{told} revisions of {len(oids)} objects are told as FileStorage tells them'


if __name__ == '__main__':
    run(main)
