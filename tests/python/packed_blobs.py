"""What a pack leaves of blobs.

    packed_blobs.py ADDRESS FOLDER BLOBS [undo]

Packs a storage twice and prints which blobs lie in BLOBS and beside it then, each as its object, the number of its
transaction and its bytes. The server may be of either maker: they leave the same. FOLDER is where the client keeps its own.
"""

import logging
import os
import time

import transaction
from common import check_equal
from common import database
from common import raised
from common import run
from ZODB.blob import Blob
from ZODB.blob import FilesystemHelper
from ZODB.POSException import POSKeyError


# What is printed is compared, and a lawn is warned of.
logging.getLogger('ZODB.blob').setLevel(logging.ERROR)


class Story:

    def __init__(self, where, folder, blobs):
        self.blobs = blobs
        self.db = database(where, blob_dir=folder, server_sync=True)
        self.root = self.db.open().root()
        self.names, self.tids = {}, {}

    def commit(self):
        transaction.commit()
        self.tids[self.db.lastTransaction()] = len(self.tids)
        self.names.update({blob._p_oid: name for name, blob in self.root.items() if isinstance(blob, Blob)})

    def write(self, name, data):
        if name not in self.root:
            self.root[name] = Blob()
        with self.root[name].open('w') as file:
            file.write(data)
        self.commit()

    def undo(self):
        self.db.undo(self.db.undoInfo()[0]['id'])
        self.commit()
        self.root._p_jar.sync()

    def told(self, folder):
        """A line for each blob in a folder, and for whatever else lies there."""
        if not os.path.exists(folder):
            return [f'  no {os.path.basename(folder)}']
        # There are no locks or temporary files of Python's where ours was.
        ours = {'tmp', '.lock'}
        lines, layout = [], FilesystemHelper(self.blobs).layout
        for path, folders, names in os.walk(folder):
            if path == folder:
                folders[:] = [name for name in folders if name not in ours]
            below = os.path.relpath(path, folder)
            if not folders and not names:
                lines.append(f'  an empty folder {below}')
            for name in set(names) - ours:
                if name.endswith('.blob'):
                    oid = layout.path_to_oid(below)
                    tid = bytes.fromhex(name[2:-5].rjust(16, '0'))
                    with open(os.path.join(path, name), 'rb') as file:
                        lines.append(f'  {self.names[oid]} of {self.tids[tid]}: {file.read().decode()}')
                else:
                    lines.append(f'  {os.path.join(below, name)}')
        return sorted(lines)

    def pack(self, at, what):
        self.db.storage.pack(at, None)
        for suffix in ('', '.old'):
            print(f'{what}{suffix}:')
            print('\n'.join(self.told(self.blobs + suffix)))


def main(where, folder, blobs, *how):
    story = Story(where, folder, blobs)
    write = story.write
    write('changed', b'one')
    first = story.root['changed']._p_serial
    write('changed', b'two')
    write('garbage', b'alone')
    write('garbage', b'and changed')
    del story.root['garbage']
    story.commit()
    write('stays', b'as it is')
    if 'undo' in how:
        write('undone', b'good')
        write('undone', b'bad')
        story.undo()
    time.sleep(0.01)
    at = time.time()
    time.sleep(0.01)
    write('changed', b'three')
    write('changed', b'four')
    if 'undo' in how:
        write('later', b'a creation that is undone')
        story.undo()
    story.pack(at, 'packed to the middle')
    write('changed', b'five')
    if 'undo' in how:
        story.undo()
    time.sleep(0.01)
    story.pack(time.time(), 'packed to the end')
    with story.root['changed'].open() as file:
        check_equal(file.read(), b'four' if 'undo' in how else b'five', 'a blob after the packs')
    # Of a client that did not see it before.
    story.db.close()
    with_no_cache = database(where, blob_dir=folder + ' of another')
    raised(POSKeyError, with_no_cache.storage.loadBlob, story.root['changed']._p_oid, first)
    check_equal(len(with_no_cache.open().root()), len(story.root), 'what is in the root')
    with_no_cache.close()
    return 'blobs were packed'


if __name__ == '__main__':
    run(main)
