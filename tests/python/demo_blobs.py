"""Blobs of a demo storage over a Data.fs with blobs, in the hands of clients.

    demo_blobs.py base FILE BLOBS             makes the Data.fs and its blobs
    demo_blobs.py story ADDRESS FOLDER [undo] changes blobs through a server of the demo storage
    demo_blobs.py again ADDRESS FOLDER        finds the changes of a story after a restart
    demo_blobs.py fresh ADDRESS FOLDER        finds none

FOLDER is where clients keep theirs.
"""

import os
from contextlib import closing

import transaction
from blobs import read
from blobs import write
from common import check_equal
from common import database
from common import raised
from common import run
from ZODB import DB
from ZODB.blob import Blob
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.utils import p64

BASE = {'kept': b'kept' * 50_000, 'changed': b'as it was', 'undone': b'as it is'}
CHANGES = {'changed': b'as it became', 'new': b'new' * 50_000}


def base(path, blobs):
    with closing(DB(FileStorage(path, blob_dir=blobs))) as db:
        root = db.open().root()
        for key, data in BASE.items():
            root[key] = Blob(data)
        transaction.commit()
    return f'{len(BASE)} blobs'


def client(where, folder, name):
    """One that has no blobs yet."""
    return closing(database(where, blob_dir=os.path.join(folder, f'{os.getpid()}-{name}'), server_sync=True))


def contents(where, folder, name):
    with client(where, folder, name) as db:
        root = db.open().root()
        return {key: read(blob) for key, blob in root.items()}


def story(where, folder, *how):
    with client(where, folder, 'story') as db:
        root = db.open().root()
        check_equal({key: read(blob) for key, blob in root.items()}, BASE, 'the blobs of the base')
        first = root['changed']._p_serial
        write(root['changed'], CHANGES['changed'])
        root['new'] = Blob(CHANGES['new'])
        transaction.commit()
        if how:
            for data in b'once', b'twice':
                write(root['undone'], data)
                transaction.commit()
            # From the second change to the first, and to what is below.
            for left in b'once', BASE['undone']:
                db.undo(db.undoLog(0, 1)[0]['id'] if left == b'once' else db.undoLog(2, 3)[0]['id'])
                transaction.commit()
                root._p_jar.sync()
                check_equal(read(root['undone']), left, 'an undone blob')
        with open(db.storage.loadBlob(root['changed']._p_oid, first), 'rb') as file:
            check_equal(file.read(), BASE['changed'], 'the revision below')
        raised(POSKeyError, lambda: db.storage.loadBlob(root['changed']._p_oid, p64(1)))
        check_equal(contents(where, folder, 'other'), BASE | CHANGES, 'the blobs of another client')
    return f'{len(BASE | CHANGES)} blobs'


def again(where, folder):
    check_equal(contents(where, folder, 'again'), BASE | CHANGES, 'the blobs after a restart')
    return 'they are there'


def fresh(where, folder):
    check_equal(contents(where, folder, 'fresh'), BASE, 'the blobs after a restart')
    return 'they are gone'


def main(what, *arguments):
    return {'base': base, 'story': story, 'again': again, 'fresh': fresh}[what](*arguments)


if __name__ == '__main__':
    run(main)
