"""counters.py ADDRESS LENGTH COUNTER ROUNDS: two processes add to a Length, whose conflicts are merged, and to a number that
stands in its record as text, whose conflicts are not: each adds as often as it is told."""

import pickle
from collections import Counter

from common import check
from common import run
from common import storage
from common import together
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError
from ZODB.utils import p64

PROCESSES = 2


def add_to_text(data):
    return str(int(data) + 1).encode()


def add_to_length(data):
    # The class, then the state.
    state = data.rindex(b'\x80\x03')
    return data[:state] + pickle.dumps(pickle.loads(data[state:]) + 1, 3)


def add(client, oid, change, tally):
    while True:
        client.sync()
        data, serial = client.load(oid)
        transaction = TransactionMetaData()
        client.tpc_begin(transaction)
        try:
            client.store(oid, serial, change(data), '', transaction)
            client.tpc_vote(transaction)
            client.tpc_finish(transaction)
            tally['commits'] += 1
            return
        except ConflictError:
            client.tpc_abort(transaction)
            tally['conflicts'] += 1


def hammer(where, length, counter, rounds):
    tally = Counter()
    # The round trip of each sync brings what others committed, so that no attempt fails for what could be known.
    client = storage(where, server_sync=True)
    for _ in range(rounds):
        add(client, length, add_to_length, tally)
        add(client, counter, add_to_text, tally)
    client.close()
    return tally


def main(where, length, counter, rounds):
    row = (where, p64(int(length)), p64(int(counter)), int(rounds))
    tally = sum(together(hammer, [row] * PROCESSES), Counter())
    check(tally['commits'] == 2 * PROCESSES * int(rounds), 'a commit is missing')
    return f'{tally["commits"]} commits, {tally["conflicts"]} retried'


if __name__ == '__main__':
    run(main)
