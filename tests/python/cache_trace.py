"""cache_trace.py ADDRESS CACHE: an unmodified client with a small cache writes the trace CACHE.trace over some hours."""

import os
import random
import types

import ZEO.cache
from common import check
from common import database
from common import run
from transaction import TransactionManager
from ZODB.tests.MinPO import MinPO

OBJECTS = 200
CACHE_SIZE = 60_000


class Hours:
    """A clock that goes on a little whenever it is asked."""

    def __init__(self):
        self.now = 1_795_299_930.0

    def time(self):
        self.now += 1.7
        return self.now


def make_traceable():
    """Tracing as it is meant: on Python 3 the client of ZEO 6.2 fails at its first miss before a transaction.

    It gives an empty string where struct wants bytes. Python 2 took that and wrote eight zeros.
    """
    pack = ZEO.cache.pack
    ZEO.cache.pack = lambda format, *fields: pack(
        format, *(field.encode('ascii') if isinstance(field, str) else field for field in fields))
    os.environ['ZEO_CACHE_TRACE'] = '1'


def opened(where, cache):
    return database(where, cache=cache, cache_size=CACHE_SIZE)


def work(db, others, generator, rounds):
    """Reads of many objects, some of them hot; own commits, and others' for invalidations; reads of the past."""
    manager, other_manager = TransactionManager(), TransactionManager()
    connection = db.open(manager)
    other = others.open(other_manager).root()
    root = connection.root()
    for _ in range(rounds):
        manager.begin()
        connection.cacheMinimize()
        for _ in range(12):
            number = min(int(generator.expovariate(0.02)), OBJECTS - 1)
            root[f'x{number}'].value
        if generator.random() < 0.3:
            root[f'x{generator.randrange(OBJECTS)}'].value = 'own' * generator.randrange(1, 300)
        # What the other changes is changed in the middle of a transaction, whose later reads are of the past.
        other_manager.begin()
        for _ in range(3):
            other[f'x{generator.randrange(OBJECTS // 4)}'].value = 'else' * generator.randrange(1, 200)
        other_manager.commit()
        db.storage.sync()
        for number in range(0, OBJECTS // 4, 3):
            root[f'x{number}'].value
        try:
            manager.commit()
        except Exception:
            manager.abort()
    connection.close()


def main(where, cache):
    generator = random.Random(7)
    others = database(where)
    connection = others.open()
    for number in range(OBJECTS):
        connection.root()[f'x{number}'] = MinPO('x' * generator.randrange(10, 1500))
    connection.transaction_manager.commit()
    connection.close()

    make_traceable()
    ZEO.cache.time = types.SimpleNamespace(time=Hours().time)
    for rounds in (60, 25):
        db = opened(where, cache)
        work(db, others, generator, rounds)
        db.close()
    others.close()
    size = os.path.getsize(cache + '.trace')
    check(size > 100_000, f'a trace of {size} bytes is too short to say much')
    return f'{size} bytes of trace'


if __name__ == '__main__':
    run(main)
