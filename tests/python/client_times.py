"""client_times.py ADDRESS OBJECTS prefetch|load: how long a new client takes to have the objects 1 to OBJECTS, asked for
together beforehand or one by one."""

import time

from common import check_equal
from common import run
from common import storage
from ZODB.utils import p64
from ZODB.utils import u64


def main(where, objects, how):
    oids = [p64(number + 1) for number in range(int(objects))]
    client = storage(where)
    begun = time.perf_counter()
    before = p64(u64(client.lastTransaction()) + 1)
    if how == 'prefetch':
        client.prefetch(oids, before)
    total = sum(len(client.loadBefore(oid, before)[0]) for oid in oids)
    seconds = time.perf_counter() - begun
    check_equal(total, 300 * len(oids), 'bytes')
    client.close()
    return f'{how}: seconds={seconds:.6f}'


if __name__ == '__main__':
    run(main)
