"""live_readers.py ADDRESS FILE FOLDER SECONDS: who reads the file of a running server never sees half a transaction.

Several clients commit pairs of objects that always say the same. Meanwhile the file is opened read-only again and
again, and backed up, in full and in increments; each backup is recovered and looked at as a database of its own.
"""

import os
import random
import threading
import time
from contextlib import closing

from common import Worker
from common import check
from common import check_equal
from common import run
from common import storage
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import FileIterator
from ZODB.scripts import fstest
from ZODB.scripts import repozo
from ZODB.utils import load_current
from ZODB.utils import z64

WRITERS = 3

# Where the first transaction stands.
FIRST = 4


def write(where, name, pair, stopped, counts):
    dice = random.Random(name)
    serial = z64
    with closing(storage(where)) as store:
        while not stopped.is_set():
            data = f'{name}.{counts[name]}'.encode() + b'x' * dice.choice((10, 10, 500, 30_000))
            meta = TransactionMetaData()
            store.tpc_begin(meta)
            for oid in pair:
                store.store(oid, serial, data, '', meta)
            store.tpc_vote(meta)
            serial = store.tpc_finish(meta)
            counts[name] += 1
            time.sleep(0.001)


def look(store, path, pairs, position):
    """Both of each pair say the same, now and in each transaction from a position on; gives how many these are."""
    for pair in pairs:
        (one, when), (other, as_well) = (load_current(store, oid) for oid in pair)
        check(one == other and when == as_well, f'half a transaction: {when.hex()} and {as_well.hex()}')
    seen = 0
    # Not store.iterator(tid): to find a tid Python reads the end of the file, and gives up where that is half written.
    for transaction in FileIterator(path, pos=position):
        found = [(record.oid, record.data) for record in transaction]
        check([oid for oid, _ in found] in map(list, pairs), f'{transaction.tid.hex()} has {len(found)} records')
        check_equal(found[0][1], found[1][1], f'the pair in {transaction.tid.hex()}')
        seen += 1
    return seen


def open_again_and_again(path, pairs, position, end):
    opened = moved = 0
    while time.time() < end or not opened:
        with closing(FileStorage(path, read_only=True)) as store:
            seen = look(store, path, pairs, position)
            check(store._pos >= position, 'the file lost its end')
            moved += store._pos > position
            check(seen or store._pos == position, 'an iterator sees less than was loaded')
            position = store._pos
            if opened % 20 == 0:
                # The server saves its index at its end; with one now, opening does not take longer and longer.
                store._index.save(store._pos, path + '.mine')
                os.rename(path + '.mine', path + '.index')
        opened += 1
        time.sleep(0.002)
    return opened, moved


def back_up(path, folder, pairs, end):
    moments = iter(range(1, 1 << 20))
    # Names of backups have seconds in them, and we are faster.
    repozo.gen_filedate = lambda options: time.gmtime(1_700_000_000 + next(moments))[:6]
    recovered = os.path.join(folder, 'recovered.fs')
    done = 0
    while time.time() < end or done < 4:
        repozo.main(['-B', '-r', folder, '-f', path] + [['-F'], [], ['-Q'], []][done % 4])
        repozo.main(['-V', '-r', folder])
        repozo.main(['-R', '-r', folder, '-o', recovered])
        fstest.check(recovered)
        with closing(FileStorage(recovered)) as store:
            look(store, recovered, pairs, FIRST)
        done += 1
    return done, sum(name.endswith('.deltafs') for name in os.listdir(folder))


def main(where, path, folder, seconds):
    with closing(storage(where)) as store:
        pairs = [tuple(sorted(store.new_oid() for _ in range(2))) for _ in range(WRITERS)]
    stopped, counts = threading.Event(), dict.fromkeys(range(WRITERS), 0)
    writers = [threading.Thread(target=write, args=(where, name, pair, stopped, counts))
               for name, pair in enumerate(pairs)]
    for writer in writers:
        writer.start()
    try:
        while not all(counts.values()):
            time.sleep(0.001)
        end = time.time() + float(seconds)
        reader = Worker(open_again_and_again, path, pairs, FIRST, end)
        backups, increments = back_up(path, folder, pairs, end)
        opened, moved = reader.result()
    finally:
        stopped.set()
        for writer in writers:
            writer.join()
    check(opened > 20 and moved > 10, f'only {opened} openings, {moved} with something new')
    check(increments > 0, 'every backup was a full one')
    return f'{sum(counts.values())} commits, {opened} openings, {backups} backups, {increments} of them increments'


if __name__ == '__main__':
    run(main)
