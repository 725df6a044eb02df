"""pack_times.py FILE gc|all: how long FileStorage takes to pack a file, and how much memory it takes for it."""

import time

from common import run
from ZODB.FileStorage import FileStorage
from ZODB.serialize import referencesf


def memory(what):
    """Kilobytes that Linux tells of this process."""
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what))


def main(path, how):
    storage = FileStorage(path)
    at = time.time()
    before = memory('VmRSS:')
    begun = time.perf_counter()
    storage.pack(at, referencesf, gc=how == 'gc')
    seconds = time.perf_counter() - begun
    more = memory('VmHWM:') - before
    storage.close()
    return f'packed: seconds={seconds:.3f} kilobytes={more}'


if __name__ == '__main__':
    run(main)
