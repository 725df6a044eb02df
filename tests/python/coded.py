"""One Data.fs of records in another form, in the hands of servers of both makers.

    coded.py served ADDRESS WRAPPER ROUND   checks what all rounds before stored, then stores its own
    coded.py raw FILE FORM ROUNDS           looks at the records as they are written: as hex, zlib or none

The client wraps records itself where WRAPPER is hex or zlib; it is none otherwise.
"""

import random
import zlib
from base64 import encodebytes
from binascii import unhexlify
from contextlib import closing

from common import check
from common import check_equal
from common import run
from common import storage
from zc.zlibstorage import ZlibStorage
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.tests.hexstorage import HexStorage
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle
from ZODB.utils import load_current
from ZODB.utils import p64
from ZODB.utils import z64

WRAPPERS = {'hex': HexStorage, 'zlib': ZlibStorage, 'none': lambda client: client}
# Written anew in every round; and its last state is undone in every second one.
SHARED = p64(1)


def records(number):
    """What a round stores: something that is shorter when it is compressed, something that is not, and something short."""
    noise = random.Random(number).randbytes(300)
    values = f'round {number} ' * 100, noise, number
    return {p64(100 + 10 * number + at): zodb_pickle(MinPO(value)) for at, value in enumerate(values)}


def shared(number):
    return zodb_pickle(MinPO(f'shared in round {number} ' * 10))


def commit(client, changes):
    transaction = TransactionMetaData(description='coded')
    client.tpc_begin(transaction)
    for oid, data in changes.items():
        try:
            serial = load_current(client, oid)[1]
        except KeyError:
            serial = z64
        client.store(oid, serial, data, '', transaction)
    client.tpc_vote(transaction)
    return client.tpc_finish(transaction)


def undo(client, tid):
    transaction = TransactionMetaData()
    client.tpc_begin(transaction)
    client.undo(encodebytes(tid).rstrip(), transaction)
    client.tpc_vote(transaction)
    client.tpc_finish(transaction)


def check_all(client, number):
    known = {oid: data for earlier in range(number) for oid, data in records(earlier).items()}
    if number:
        known[SHARED] = shared(number - 1)
    for oid, data in known.items():
        found, serial = load_current(client, oid)
        check_equal(found, data, f'object {oid.hex()}')
        check_equal(client.loadSerial(oid, serial), data, f'revision {serial.hex()} of {oid.hex()}')
    revisions = 0
    for transaction in client.iterator():
        for record in transaction:
            check_equal(record.data, client.loadSerial(record.oid, record.tid), f'{record.oid.hex()} in the iteration')
            revisions += 1
    check(revisions >= len(known), f'{revisions} revisions in the iteration')
    found, following = {}, None
    while known:
        oid, _, data, following = client.record_iternext(following)
        found[oid] = data
        if following is None:
            break
    check_equal(found, known, 'record by record')


def served(where, wrapper, number):
    number = int(number)
    with closing(storage(where)) as inner:
        client = WRAPPERS[wrapper](inner)
        check_all(client, number)
        commit(client, records(number) | {SHARED: shared(number)})
        if number % 2:
            undo(client, commit(client, {SHARED: zodb_pickle(MinPO('a mistake ' * 20))}))
        check_all(client, number + 1)
        wrapped = any(name == 'IStorageWrapper' for _, name in inner._info['interfaces'])
        check(wrapped, 'a client is told that records are wrapped')
    return f'round {number} finds what those before it stored'


def decoded(form, data):
    if form == 'hex':
        check_equal(data[:2], b'.h', 'the start of a record')
        return unhexlify(data[2:])
    if data[:2] == b'.z':
        check_equal(form, 'zlib', 'compression')
        return zlib.decompress(data[2:])
    return data


def raw(path, form, rounds):
    with closing(FileStorage(path, read_only=True)) as file:
        for number in range(int(rounds)):
            for at, (oid, data) in enumerate(records(number).items()):
                written = load_current(file, oid)[0]
                check_equal(decoded(form, written), data, f'object {oid.hex()} in the file')
                check_equal(written[:2] == b'.z', form == 'zlib' and at == 0, f'compression of {oid.hex()}')
    return f'the file has {rounds} rounds of records as {form}'


def main(what, *arguments):
    return {'served': served, 'raw': raw}[what](*arguments)


if __name__ == '__main__':
    run(main)
