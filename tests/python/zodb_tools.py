"""zodb_tools.py ADDRESS FILE BLOBS FOLDER ROUNDS: ZODB's own tools read the file of a server that commits meanwhile.

Several writers change what belongs together, blobs among it, and undo some of their changes; between the backups the server
packs. `fstest`, `fsdump` and `fsrefs` read the file as it grows, `repozo` backs it up, in full and in increments, verifies
and recovers it; what was recovered is as much a prefix of the file as a database that holds together.
"""

import contextlib
import io
import os
import random
import re
import threading
import time
from contextlib import closing

from common import check
from common import check_equal
from common import database
from common import run
from common import wait_until
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from ZEO.Exceptions import ServerException
from ZODB import DB
from ZODB.blob import Blob
from ZODB.blob import FilesystemHelper
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import FileIterator
from ZODB.FileStorage.fsdump import fsdump
from ZODB.POSException import UndoError
from ZODB.scripts import fsrefs
from ZODB.scripts import fstest
from ZODB.scripts import repozo
from ZODB.utils import load_current

WRITERS = 3


class Writer(threading.Thread):
    """Changes a number and the blob that says the same, in one transaction each."""

    def __init__(self, where, name, folder):
        super().__init__()
        self.where, self.name, self.folder = where, name, os.path.join(folder, name)
        self.commits = self.undos = self.refused = 0
        self.stopped = threading.Event()
        self.error = None

    def run(self):
        try:
            with closing(database(self.where, blob_dir=self.folder)) as db:
                self.write(db)
        except BaseException as error:
            self.error = error
            raise

    def write(self, db):
        dice = random.Random(self.name)
        manager = TransactionManager()
        mine = db.open(manager).root()[self.name]
        while not self.stopped.is_set():
            manager.begin()
            if dice.random() < 0.3 and self.undo(db, manager):
                continue
            number = mine['number'] + 1
            mine['number'] = number
            mine['garbage'] = PersistentMapping(text='x' * dice.choice((10, 500, 20_000)))
            with mine['blob'].open('w') as file:
                file.write(b'%d' % number)
            manager.get().setUser(self.name)
            manager.get().note(f'{number}')
            manager.commit()
            self.commits += 1
            time.sleep(0.001)

    def undo(self, db, manager):
        """Takes the last change back; false when that cannot be, for it was packed."""
        last = [entry for entry in db.undoLog(0, 20) if entry['user_name'].endswith(self.name)]
        if not last:
            return False
        try:
            db.undo(last[0]['id'], manager.get())
            manager.get().setUser(self.name)
            manager.commit()
            self.undos += 1
            return True
        except UndoError:
            manager.abort()
            self.refused += 1
            return False


def end_of(path):
    """Where the last whole transaction of a file ends."""
    with closing(FileStorage(path, read_only=True)) as files:
        return files.getSize()


def silent(tool, *arguments):
    """What a tool prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tool(*arguments)
    return printed.getvalue()


def look(path, whole):
    """Reads a file with all of the tools; gives how many transactions there were. What was whole before is sound; what is
    written meanwhile may be half there for `fstest`, which knows no file that grows."""
    end = end_of(path)
    try:
        fstest.check(path)
    except fstest.FormatError as error:
        at = int(re.search(r'at (\d+)$', str(error)).group(1))
        check(at >= end and not whole, f'fstest: {error}, and {end} bytes are whole')
    check_equal(silent(fsrefs.main, path), '', 'what fsrefs tells')
    dump = io.StringIO()
    fsdump(path, dump)
    dumped = dump.getvalue().count('Trans #')
    expected = sum(transaction._tend + 8 <= end for transaction in FileIterator(path))
    check(dumped >= expected > 0, f'fsdump tells of {dumped} transactions, and there are {expected}')
    return dumped


def content(path, count=None):
    found = []
    for transaction in FileIterator(path):
        if len(found) == count:
            break
        records = [(record.oid, record.tid, record.data, record.data_txn) for record in transaction]
        found.append((transaction.tid, transaction.status, transaction.user, transaction.description, records))
    return found


def check_recovered(path, of, blobs):
    """A file that was recovered is sound, begins as the one it was made of, and holds together with the blobs of that."""
    look(path, whole=True)
    found = content(path)
    check_equal(found, content(of, len(found)), 'the transactions that were recovered')
    names = FilesystemHelper(blobs)
    with closing(DB(FileStorage(path))) as db:
        root = db.open().root()
        for writer in range(WRITERS):
            mine = root[f'writer {writer}']
            oid = mine['blob']._p_oid
            _, serial = load_current(db.storage, oid)
            with open(names.getBlobFilename(oid, serial), 'rb') as file:
                check_equal(file.read(), b'%d' % mine['number'], 'a blob of what was recovered')


def pack(storage, at):
    while True:
        try:
            return storage.pack(at, None)
        except ServerException as error:
            # The garbage that a change left before it was undone during the pack.
            check('an undo during the pack brought back' in str(error), f'{error}')


class Backups:

    def __init__(self, path, blobs, folder):
        self.path, self.blobs, self.folder = path, blobs, folder
        # Names of backups have seconds in them, and we are faster.
        moments = iter(range(1, 1 << 20))
        repozo.gen_filedate = lambda options: time.gmtime(1_700_000_000 + next(moments))[:6]

    def names(self):
        return {name for name in os.listdir(self.folder) if name.endswith('fs')}

    def make(self, *options):
        """Backs up, verifies and recovers; gives what kind of file came of it."""
        before = self.names()
        repozo.main(['-B', '-r', self.folder, '-f', self.path, *options])
        new, = self.names() - before
        repozo.main(['-V', '-r', self.folder])
        recovered = os.path.join(self.folder, 'recovered')
        repozo.main(['-R', '-w', '-r', self.folder, '-o', recovered])
        check_recovered(recovered, self.path, self.blobs)
        return new.rsplit('.')[-1]


def main(where, path, blobs, folder, rounds):
    os.makedirs(os.path.join(folder, 'backups'))
    db = database(where, blob_dir=os.path.join(folder, 'main'))
    manager = TransactionManager()
    root = db.open(manager).root()
    for name in range(WRITERS):
        root[f'writer {name}'] = PersistentMapping(number=0, blob=Blob(b'0'))
    manager.commit()
    writers = [Writer(where, f'writer {name}', folder) for name in range(WRITERS)]
    for writer in writers:
        writer.start()

    def wait_for_commits():
        seen = [(writer.commits, writer.undos) for writer in writers]

        def all_went_on():
            check(not any(writer.error for writer in writers), 'a writer ended')
            return all(writer.commits > commits + 5 and writer.undos > undos
                       for writer, (commits, undos) in zip(writers, seen))
        wait_until(all_went_on, 'every writer goes on')

    backups = Backups(path, blobs, os.path.join(folder, 'backups'))
    kinds = []
    try:
        for step in range(int(rounds)):
            wait_for_commits()
            middle = time.time()
            look(path, whole=False)
            kinds.append(backups.make(*[['-F'], []][step % 2]))
            wait_for_commits()
            kinds.append(backups.make(*[['-Q'], []][step % 2]))
            size = db.storage.getSize()
            # To the middle, so that undone changes point across the time of the pack, and to the end.
            pack(db.storage, [middle, time.time()][step % 2])
            check(os.path.getsize(path + '.old') >= size, 'there was something to pack')
            look(path, whole=False)
            kinds.append(backups.make(*[['-Q'], []][step % 2]))
    finally:
        for writer in writers:
            writer.stopped.set()
        for writer in writers:
            writer.join()
    check_equal(kinds, (['fs', 'deltafs', 'fs'] + ['deltafs', 'deltafs', 'fs']) * (int(rounds) // 2), 'what was backed up')
    check(sum(writer.refused for writer in writers) < sum(writer.undos for writer in writers), 'undos succeed')
    db.close()
    look(path, whole=True)
    told = ['%d commits, %d undos' % (writer.commits, writer.undos) for writer in writers]
    return f'{len(kinds)} backups beside {", ".join(told)}'


if __name__ == '__main__':
    run(main)
