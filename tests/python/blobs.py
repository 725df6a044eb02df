"""Blobs through unmodified clients.

    blobs.py stories ADDRESS NAME FOLDER BLOBS        what clients do with blobs; the server keeps them in BLOBS
    blobs.py large ADDRESS NAME FOLDER BLOBS PROCESS MEGABYTES
                                                      a large blob, while the server's memory is watched
    blobs.py endless ADDRESS NAME FOLDER BLOBS NOTES  commits and aborts blobs until the server is gone, and notes what
                                                      was acknowledged
    blobs.py survived ADDRESS NAME FOLDER BLOBS NOTES ROUNDS
                                                      that is there after so many kills, and nothing else
    blobs.py write FILE BLOBS LAYOUT                  commits blobs with FileStorage, in a new folder of this layout
    blobs.py served ADDRESS FOLDER COUNT              reads COUNT blobs that others wrote, and adds one
    blobs.py read FILE BLOBS COUNT                    reads them with FileStorage, and adds one

FOLDER is where clients keep theirs.
"""

import hashlib
import os
import random
import stat
import threading

import transaction
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from common import OURS
from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from common import storage
from common import wait_until
from ZEO.Exceptions import ServerException
from ZODB import DB
from ZODB.blob import Blob
from ZODB.blob import FilesystemHelper
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError
from ZODB.POSException import POSKeyError
from ZODB.POSException import StorageError
from ZODB.POSException import StorageTransactionError
from ZODB.utils import load_current
from ZODB.utils import p64
from ZODB.utils import z64

CHUNK = 59000


class Stories:

    def __init__(self, where, name, folder, blobs):
        self.where, self.name, self.folder, self.blobs = where, name, folder, blobs
        self.layout = FilesystemHelper(blobs)
        self.clients = 0

    def options(self, shared=False, **options):
        self.clients += 1
        folder = self.blobs if shared else os.path.join(self.folder, f'{os.getpid()}-{self.name}-{self.clients}')
        return dict(options, storage=self.name, blob_dir=folder, shared_blob_dir=shared, server_sync=True)

    def database(self, **options):
        return database(self.where, **self.options(**options))

    def storage(self, **options):
        return storage(self.where, **self.options(**options))

    def files(self):
        """The server's blobs, and whatever else lies there but what clients put there."""
        found = [os.path.join(path, name) for path, _, names in os.walk(self.blobs) for name in names]
        return sorted(path for path in found if not path.endswith('.layout'))

    def still(self):
        """The same, once nothing is under way."""
        wait_until(lambda: all(path.endswith('.blob') for path in self.files()), 'nothing but blobs')
        return self.files()

    def blob_file(self, blob):
        return self.layout.getBlobFilename(blob._p_oid, blob._p_serial)

    def settled(self, expected, what):
        wait_until(lambda: self.files() == expected, f'{what} leaves nothing behind')


def read(blob):
    with blob.open() as file:
        return file.read()


def write(blob, data):
    with blob.open('w') as file:
        file.write(data)


def commit_and_read(stories):
    """Of every length there is something to get wrong about."""
    sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 1_000_003]
    one, other = stories.database(), stories.database()
    root = one.open().root()
    expected = [random.Random(size).randbytes(size) for size in sizes]
    root['blobs'] = [Blob() for _ in sizes]
    for blob, data in zip(root['blobs'], expected):
        write(blob, data)
    transaction.commit()
    connection = other.open()
    connection.sync()
    seen = connection.root()['blobs']
    check_equal([read(blob) for blob in seen], expected, 'the blobs of another client')
    for blob in seen:
        path = stories.blob_file(blob)
        mode, folder = (stat.S_IMODE(os.stat(it).st_mode) for it in (path, os.path.dirname(path)))
        check_equal(mode & 0o222, 0, f'who may write {path}')
        check_equal(mode & 0o444, 0o400 | folder & 0o444, f'who may read {path}')
    first = seen[1]._p_serial
    write(seen[1], b'a later revision')
    transaction.commit()
    root._p_jar.sync()
    check_equal(read(root['blobs'][1]), b'a later revision', 'a changed blob')
    check_equal(read(seen[1]), b'a later revision', 'a changed blob of the client that changed it')
    check(seen[1]._p_serial != first, 'the blob has a new revision')
    with open(one.storage.loadBlob(seen[1]._p_oid, first), 'rb') as file:
        check_equal(file.read(), expected[1], 'the revision before')
    one.close()
    other.close()


def resolve(stories):
    one, other = stories.database(), stories.database()
    connection, manager = one.open(), transaction.TransactionManager()
    root = connection.root()
    root['length'], root['tree'] = Length(), OOBTree()
    transaction.commit()
    theirs = other.open(manager).root()
    manager.begin()
    for round in range(3):
        blob = root['tree'][f'blob {round}'] = Blob(b'through a conflict')
        root['length'].change(1)
        theirs['length'].change(10)
        manager.commit()
        transaction.commit()
        manager.begin()
        check_equal(theirs['length'](), 11 * (round + 1), 'a merged number')
        check_equal(read(theirs['tree'][f'blob {round}']), b'through a conflict', 'a blob beside a conflict')
    # Nobody merges blobs.
    before = stories.still()
    write(blob, b'mine')
    write(theirs['tree'][f'blob {round}'], b'theirs')
    manager.commit()
    raised(ConflictError, transaction.commit)
    transaction.abort()
    check_equal(read(root['tree'][f'blob {round}']), b'theirs', 'the blob after a conflict')
    check_equal(len(stories.still()), len(before) + 1, 'files after a conflict')
    one.close()
    other.close()


def abort(stories):
    db = stories.database()
    root = db.open().root()
    root['kept'] = Blob(b'kept')
    transaction.commit()
    before = stories.still()
    root['gone'] = Blob(b'gone')
    transaction.savepoint()
    transaction.abort()
    stories.settled(before, 'an abort')
    # A vote that fails on another object.
    store = stories.storage()
    meta = TransactionMetaData()
    store.tpc_begin(meta)
    uploaded(store, p64(1 << 40), meta, b'never committed' * 10_000)
    store.checkCurrentSerialInTransaction(z64, p64(7), meta)
    raised_any(store.tpc_vote, meta)
    store.tpc_abort(meta)
    stories.settled(before, 'a failed vote')
    # After a good vote, too.
    meta = TransactionMetaData()
    store.tpc_begin(meta)
    uploaded(store, p64(1 << 40), meta, b'never committed' * 10_000)
    store.tpc_vote(meta)
    store.tpc_abort(meta)
    stories.settled(before, 'an abort after the vote')
    store.close()
    db.close()


def raised_any(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error
    check(False, f'{function} succeeds')


def uploaded(store, oid, meta, data, serial=z64):
    path = os.path.join(store.temporaryDirectory(), f'upload-{oid.hex()}')
    with open(path, 'wb') as file:
        file.write(data)
    store.storeBlob(oid, serial, b'cZODB.blob\nBlob\n.N.', path, '', meta)


def disconnect(stories):
    before = stories.still()
    for voted in False, True:
        for complete in False, True:
            store = stories.storage()
            meta = TransactionMetaData()
            store.tpc_begin(meta)
            store._async('storeBlobStart')
            for _ in range(20):
                store._async('storeBlobChunk', b'x' * CHUNK)
            if complete:
                store._async('storeBlobEnd', p64(1 << 41), z64, b'cZODB.blob\nBlob\n.N.', id(meta))
            if complete and voted:
                store._call('vote', id(meta))
            wait_until(lambda: stories.files() != before, 'an upload under way')
            store.close()
            stories.settled(before, f'a client that goes away (complete: {complete}, voted: {voted})')


def together(stories):
    """Many at once, each of several blobs."""
    done, failed = [], []

    def upload(number):
        try:
            db = stories.database()
            manager = transaction.TransactionManager()
            root = db.open(manager).root()
            for round in range(3):
                for _ in range(100):
                    try:
                        root[number, round] = [
                            Blob(random.Random((number, round, at).__repr__()).randbytes(200_000)) for at in range(3)]
                        manager.commit()
                        break
                    except ConflictError:
                        manager.abort()
            done.append(number)
            db.close()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=upload, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failed and len(done) == len(threads), f'uploads that failed: {failed}')
    db = stories.database()
    root = db.open().root()
    for number in range(6):
        for round in range(3):
            for at, blob in enumerate(root[number, round]):
                expected = random.Random((number, round, at).__repr__()).randbytes(200_000)
                check(read(blob) == expected, f'blob {at} of {number} in round {round}')
    db.close()


def undo(stories):
    db = stories.database()
    if not db.supportsUndo():
        return db.close()
    connection = db.open()
    root = connection.root()
    root['undone'] = Blob(b'first')
    transaction.commit()
    for data in b'second', b'third':
        write(root['undone'], data)
        transaction.commit()
    for expected in b'second', b'third', b'second':
        db.undo(db.undoInfo()[0]['id'])
        transaction.commit()
        connection.sync()
        check_equal(read(root['undone']), expected, 'an undone blob')
        check(os.path.exists(stories.blob_file(root['undone'])), 'its file')
    db.close()


def shared(stories):
    db, other = stories.database(shared=True), stories.database()
    connection = other.open()
    root = db.open().root()
    root['shared'] = Blob(b'shared')
    transaction.commit()
    connection.sync()
    check_equal(read(connection.root()['shared']), b'shared', 'a blob of a client that shares the folder')
    write(connection.root()['shared'], b'sent')
    transaction.commit()
    root._p_jar.sync()
    check_equal(read(root['shared']), b'sent', 'a blob for a client that shares the folder')
    before = stories.still()
    store = stories.storage(shared=True)
    meta = TransactionMetaData()
    store.tpc_begin(meta)
    uploaded(store, root['shared']._p_oid, meta, b'aborted', root['shared']._p_serial)
    check(stories.files() != before, 'the client has put it there')
    store.tpc_abort(meta)
    stories.settled(before, 'an aborted blob of a shared folder')
    store.close()
    db.close()
    other.close()


def bad_input(stories):
    store, other = stories.storage(), stories.storage()
    before = stories.still()
    error = raised(POSKeyError, store._call, 'sendBlob', p64(1 << 42), p64(1))
    check(isinstance(error, KeyError), 'a missing blob is a missing key')
    raised(POSKeyError, store.loadBlob, p64(1 << 42), p64(1))
    record = b'cZODB.blob\nBlob\n.N.'
    oid = p64(1 << 43)
    if OURS:
        meta = TransactionMetaData()
        raised(StorageTransactionError, store._call, 'storeBlobChunk', b'without a transaction')
        store.tpc_begin(meta)
        raised(StorageTransactionError, store._call, 'storeBlobChunk', b'without a start')
        raised(StorageTransactionError, store._call, 'storeBlobEnd', oid, z64, record, id(meta))
        store._call('storeBlobStart')
        raised(StorageTransactionError, store._call, 'storeBlobStart')
        store._call('storeBlobChunk', b'some')
        raised(StorageTransactionError, store._call, 'storeBlobEnd', oid, z64, record, id(meta) + 1)
        raised(StorageTransactionError, store._call, 'vote', id(meta))
        store.tpc_abort(meta)
        stories.settled(before, 'an upload that makes no sense')
    for name in '../../etc/passwd.tmp', '/tmp/a.tmp', 'a.blob', '':
        meta = TransactionMetaData()
        store.tpc_begin(meta)
        # The client makes no ValueError of what a server calls one.
        error = raised(ServerException, store._call, 'storeBlobShared', oid, z64, record, name, id(meta))
        check_equal(error.args, ('builtins.ValueError', (name,)), 'the error for a path')
        store.tpc_abort(meta)
    meta = TransactionMetaData()
    store.tpc_begin(meta)
    store._call('storeBlobShared', oid, z64, record, 'nobody-put-it-there.tmp', id(meta))
    error = raised_any(store._call, 'vote', id(meta))
    check(not OURS or isinstance(error, StorageError), f'{error!r} for a file that is not there')
    store.tpc_abort(meta)
    # One-way it has nowhere to go: the connection ends, and with it nothing else.
    meta = TransactionMetaData()
    store.tpc_begin(meta)
    store._async('storeBlobShared', oid, z64, record, '../a.tmp', id(meta))
    raised_any(store.tpc_vote, meta)
    store.tpc_abort(meta)
    raised(POSKeyError, load_current, other, oid)
    stories.settled(before, 'bad input')
    store.close()
    other.close()


def stories(where, name, folder, blobs):
    told = [commit_and_read, resolve, abort, disconnect, together, undo, shared, bad_input]
    if not OURS:
        told = [commit_and_read, together, undo, shared]
    for story in told:
        story(Stories(where, name, os.path.join(folder, story.__name__), blobs))
        print(story.__name__)
    return f'{len(told)} stories'


def peak(process):
    with open(f'/proc/{process}/status') as file:
        line = next(line for line in file if line.startswith('VmHWM'))
    return int(line.split()[1])


def large(where, name, folder, blobs, process, megabytes):
    told = Stories(where, name, folder, blobs)
    db = told.database()
    root = db.open().root()
    piece = random.Random(1).randbytes(1 << 20)
    digest = hashlib.sha256()
    blob = root['large'] = Blob()
    with blob.open('w') as file:
        for _ in range(int(megabytes)):
            file.write(piece)
            digest.update(piece)
    before = peak(process)
    transaction.commit()
    uploaded_at = peak(process)
    # Connected after the commit, it sees it at once.
    other, found = told.database(), hashlib.sha256()
    connection = other.open()
    with connection.root()['large'].open() as file:
        while data := file.read(1 << 20):
            found.update(data)
    after = peak(process)
    check_equal(found.hexdigest(), digest.hexdigest(), f'{megabytes} MB')
    check(after - before < 40_000, f'the peak was {before} KB, then {uploaded_at} KB, then {after} KB')
    db.close()
    other.close()
    return f'{megabytes} MB in and out; the peak was {before} KB before, {uploaded_at} KB in, {after} KB out'


def endless(where, name, folder, blobs, notes):
    told = Stories(where, name, folder, blobs)
    db = told.database(wait_timeout=5)
    root = db.open().root()
    if 'kept' not in root:
        root['kept'] = OOBTree()
        transaction.commit()
    gone, store = threading.Event(), told.storage(wait_timeout=5)

    def aborts():
        try:
            for number in range(1 << 20):
                meta = TransactionMetaData()
                store.tpc_begin(meta)
                uploaded(store, store.new_oid(), meta, b'never committed' * 50_000)
                if number % 2:
                    store.tpc_vote(meta)
                store.tpc_abort(meta)
        except Exception:
            gone.set()

    # When the commits fail it must not go on alone.
    aborter = threading.Thread(target=aborts, daemon=True)
    aborter.start()
    number = len(root['kept']) // 2
    with open(notes, 'a') as acknowledged:
        while True:
            root['kept'][number] = Blob(blob_data(number))
            root['kept'][-1 - number] = Blob(b'small')
            try:
                transaction.commit()
            except Exception:
                break
            acknowledged.write(f'{number}\n')
            acknowledged.flush()
            number += 1
    aborter.join()
    check(gone.is_set(), 'the server went away for the other one, too')
    return f'{number} blobs'


def survived(where, name, folder, blobs, notes, rounds):
    told = Stories(where, name, folder, blobs)
    db = told.database()
    connection = db.open()
    kept = connection.root()['kept']
    with open(notes) as acknowledged:
        numbers = [int(line) for line in acknowledged]
    check(all(number in kept for number in numbers), 'what was acknowledged is there')
    more = sum(number >= 0 for number in kept) - len(numbers)
    check(0 <= more <= int(rounds), f'{more} more than what was acknowledged')
    found = len(kept)
    for number, blob in kept.items():
        check(read(blob) == (blob_data(number) if number >= 0 else b'small'), f'blob {number}')
    for path in told.files():
        oid, tid = told.layout.splitBlobFilename(path)
        check(oid, f'{path} is no blob')
        db.storage.loadSerial(oid, tid)
    db.close()
    return f'{found} blobs, {len(numbers)} of them acknowledged'


def blob_data(number):
    return random.Random(number).randbytes(70_000 + number)


def compare(root, count):
    blobs = root['blobs']
    check_equal(len(blobs), count, 'blobs')
    for number, blob in enumerate(blobs):
        check(read(blob) == blob_data(number), f'blob {number}')
    blobs.append(Blob(blob_data(count)))
    root._p_changed = True
    transaction.commit()


def add(path, blobs, layout):
    # A FileStorage that makes its file empties the folder, too.
    FileStorage(path).close()
    FilesystemHelper(blobs, layout).create()
    db = DB(FileStorage(path, blob_dir=blobs))
    root = db.open().root()
    root['blobs'] = []
    compare(root, 0)
    db.close()
    return f'one blob in a {layout} folder'


def served(where, folder, count):
    db = database(where, blob_dir=folder)
    compare(db.open().root(), int(count))
    db.close()
    return f'{count} blobs, and one more'


def read_directly(path, blobs, count):
    db = DB(FileStorage(path, blob_dir=blobs))
    compare(db.open().root(), int(count))
    db.close()
    return f'{count} blobs, and one more'


def main(kind, *arguments):
    kinds = dict(stories=stories, large=large, endless=endless, survived=survived, write=add, served=served,
                 read=read_directly)
    return kinds[kind](*arguments)


if __name__ == '__main__':
    run(main)
