"""How long Python's client cache takes: cache_times.py FILE SIZE OBJECTS LOADS

Fills a cache file with objects of 300 bytes, loads some at random, and opens it again. Prints nanoseconds a load, then nanoseconds an
opening, the best of several.
"""
import random
import sys
import time

from ZEO.cache import ClientCache
from ZODB.utils import p64

path, size, objects, loads = sys.argv[1], *map(int, sys.argv[2:])
cache = ClientCache(path, size)
for oid in range(objects):
    cache.store(p64(oid), p64(oid + 1), None, b'%08d' % oid + b'x' * 292)
cache.setLastTid(p64(objects + 1))
# Those that were put in last, so that none is written anew.
present = [oid for oid, _ in cache.contents()]
wanted = random.Random(1).choices(present[-len(present) // 5:], k=loads)
best = []
# Short stretches, each of other objects: in the best of them nothing else ran.
for first in range(0, loads, 2000):
    begun = time.perf_counter_ns()
    for oid in wanted[first:first + 2000]:
        cache.load(oid)
    best.append((time.perf_counter_ns() - begun) // 2000)
cache.close()
opened = []
for _ in range(5):
    begun = time.perf_counter_ns()
    cache = ClientCache(path, size)
    opened.append(time.perf_counter_ns() - begun)
    held = len(cache)
    cache.close()
print(min(best), min(opened), held)
