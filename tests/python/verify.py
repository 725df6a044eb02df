"""verify.py zeo ADDRESS | file DATA.FS  FOLDER ROUNDS WORKERS: every transaction that crashloop.py noted is there.

Through a server each is asked for by its tid; in the file the whole log is read from start to end.

Besides: no pair is half written, the Length counts its transactions, and what is stored without a note is at most the
one transaction of each worker whose answer the kill cut off.
"""

import hashlib
import io
import json
import os
import pickle
from contextlib import closing

from common import FIRST_TID
from common import OURS
from common import check
from common import check_equal
from common import run
from common import storage
from ZODB.FileStorage import FileStorage
from ZODB.utils import z64


class Record(pickle.Unpickler):
    """A record's class and state, with references left alone."""

    def persistent_load(self, reference):
        return reference

    def read(self):
        return self.load(), self.load()


def state(data):
    return Record(io.BytesIO(data)).read()[1]


def notes(folder):
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as file:
            for line in file:
                # Only a note's end says that it is one; the processes that write them are not killed.
                check(line.endswith('\n'), f'{name}: a torn note')
                yield json.loads(line)


def check_note(note, records):
    name, number, payload = None, None, None
    for data in records:
        check(data is not None, f'acknowledged and lost: {note}')
        name, number, payload = state(data)['value']
        check_equal((name, number), (note['name'], note['number']), f'transaction {note["tid"]}')
        check_equal(hashlib.sha256(payload).hexdigest(), note['digest'], f'the payload of {note["tid"]}')


def check_served(store, folder):
    last, noted = store.lastTransaction(), 0
    for note in notes(folder):
        tid = bytes.fromhex(note['tid'])
        check(tid <= last, f'acknowledged, and later than the last transaction: {note}')
        check_note(note, [store.loadSerial(bytes.fromhex(oid), tid) for oid in note['oids']])
        noted += 1
    return noted


def check_log(store, folder, rounds, workers):
    # A copy of the log in memory: what is checked below is what a reader from start to end finds.
    log, last = {}, z64
    for transaction in store.iterator(FIRST_TID):
        check(transaction.tid > last, f'tids do not rise at {transaction.tid.hex()}')
        last = transaction.tid
        log[last.hex()] = {record.oid: record.data for record in transaction}
    # Python's server takes its last tid from the transaction that its recovery has just cut off.
    found = store.lastTransaction()
    check(found == last if OURS else found >= last, f'the last tid is {found.hex()}, not {last.hex()}')

    noted = {}
    for note in notes(folder):
        noted[note['tid']] = note
        oids = [bytes.fromhex(oid) for oid in note['oids']]
        check(note['tid'] in log, f'acknowledged and lost: {note}')
        check_note(note, [log[note['tid']].get(oid) for oid in oids])

    root = state(store.load(z64)[0])['data']
    length = root['length'][0]
    sides = {tuple(side[0] for side in pair)
             for name, pairs in root.items() if name.startswith('worker') for pair in pairs}
    begun = min(log, key=lambda tid: (length not in log[tid], tid))
    unnoted, lengthened = 0, 0
    for tid, records in log.items():
        if tid <= begun:
            continue
        check(set(records) - {length} in [set(pair) for pair in sides], f'{tid} is half a transaction')
        unnoted += tid not in noted
        lengthened += length in records
    check_equal(state(store.load(length)[0]), lengthened, 'the Length')
    check(unnoted <= rounds * workers, f'{unnoted} transactions that nobody was told of')
    return len(noted), unnoted


def main(kind, where, folder, rounds, workers, fewest):
    if kind == 'zeo':
        with closing(storage(where)) as store:
            noted, unnoted = check_served(store, folder), 0
    else:
        with closing(FileStorage(where, read_only=True)) as store:
            noted, unnoted = check_log(store, folder, int(rounds), int(workers))
    check(noted >= int(fewest), f'only {noted} commits were acknowledged')
    return f'{kind}: {noted} acknowledged transactions are there, and {unnoted} whose answer was cut off'


if __name__ == '__main__':
    run(main)
