"""Records what a cache below ZODB's own is asked for, by an application on BTrees.

A shop with customers, orders by number, a text index and a counter, used by several connections in turns: visits that come
back to the same customers, new orders, and now and then a report over a stretch of all orders. The connections keep few
objects, as in a large site, so what they need again they load again.

    python record.py btrees.trace

needs ZODB and BTrees. The file is a row of numbers, each in groups of seven bits, least first, with the eighth bit set on all but the
last: object << 2 | what. 0: loaded; 1: loaded, and the next number is its size, which it keeps; 2: written, with the new size in
the next number. Objects are numbered in the order they appear.
"""
import random
import sys

import transaction
import ZODB
from BTrees.IOBTree import IOBTree
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from ZODB.MappingStorage import MappingStorage

CUSTOMERS = 4000
VISITS = 5000
CONNECTIONS = 4
KEPT = 150


class Customer(Persistent):
    def __init__(self, number):
        self.name = 'customer %d' % number
        self.notes = 'x' * int(random.lognormvariate(5, 1))
        self.orders = OOTreeSet()


class Order(Persistent):
    def __init__(self, number, customer):
        self.number, self.customer = number, customer
        self.lines = ['article %d' % random.randrange(500) for _ in range(random.randrange(1, 20))]
        self.paid = False


class Recorder(MappingStorage):
    """A storage that tells what it is asked for, once `out` is there."""
    out = None

    def __init__(self):
        super().__init__()
        self.numbers, self.sizes = {}, {}

    def put(self, number):
        while number > 127:
            self.out.append(number & 127 | 128)
            number >>= 7
        self.out.append(number)

    def tell(self, oid, size, written):
        if self.out is None:
            return
        number = self.numbers.setdefault(oid, len(self.numbers))
        known = self.sizes.get(oid) == size
        self.sizes[oid] = size
        self.put(number << 2 | (2 if written else 0 if known else 1))
        if written or not known:
            self.put(size)

    def loadBefore(self, oid, before):
        found = super().loadBefore(oid, before)
        if found:
            self.tell(oid, len(found[0]), False)
        return found

    def store(self, oid, serial, data, version, transaction):
        self.tell(oid, len(data), True)
        return super().store(oid, serial, data, version, transaction)


def place_order(root, customer_number):
    customer = root['customers'][customer_number]
    number = root['count']()
    root['count'].change(1)
    order = root['orders'][number] = Order(number, customer_number)
    customer.orders.insert(number)
    for word in sorted(set(order.lines)):
        root['words'].setdefault(word, OOTreeSet()).insert(number)


def visit(root):
    # The most popular are visited the most.
    customer_number = min(int(random.paretovariate(0.6)), CUSTOMERS) * 2654435761 % CUSTOMERS
    customer = root['customers'][customer_number]
    str(customer.notes)
    for number in list(customer.orders)[-5:]:
        len(root['orders'][number].lines)
    chance = random.random()
    if chance < 0.15:
        place_order(root, customer_number)
    elif chance < 0.25 and len(customer.orders):
        root['orders'][customer.orders.maxKey()].paid = True
    elif chance < 0.55:
        found = root['words'].get('article %d' % min(int(random.paretovariate(1)), 499), ())
        for number in list(found)[-10:]:
            root['customers'][root['orders'][number].customer].name.upper()
    elif chance < 0.56:
        first = random.randrange(root['count']())
        for order in root['orders'].values(first, first + 600):
            len(order.lines)


def main():
    random.seed(1)
    storage = Recorder()
    db = ZODB.DB(storage, cache_size=KEPT)
    with db.transaction() as connection:
        root = connection.root()
        root['customers'], root['orders'], root['words'] = IOBTree(), IOBTree(), OOBTree()
        root['count'] = Length()
        for number in range(CUSTOMERS):
            root['customers'][number] = Customer(number)
        for _ in range(2 * CUSTOMERS):
            place_order(root, random.randrange(CUSTOMERS))
    db.close = lambda: None
    db = ZODB.DB(storage, cache_size=KEPT)
    storage.out = bytearray()
    managers = [transaction.TransactionManager() for _ in range(CONNECTIONS)]
    connections = [db.open(manager) for manager in managers]
    for number in range(VISITS):
        manager, connection = managers[number % CONNECTIONS], connections[number % CONNECTIONS]
        manager.begin()
        visit(connection.root())
        manager.commit()
        connection.cacheGC()
    with open(sys.argv[1], 'wb') as file:
        file.write(storage.out)
    print(len(storage.numbers), 'objects of', sum(storage.sizes.values()), 'bytes')


main()
