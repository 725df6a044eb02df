"""crashloop.py ADDRESS FOLDER ROUND WORKERS: commits until the server is gone, and notes what was acknowledged.

Each worker notes a transaction in FOLDER only after its tpc_finish returned, and makes the note durable before it goes
on: what verify.py finds noted and not stored was lost by the server.
"""

import hashlib
import json
import os
import random

from BTrees.Length import Length
from common import check
from common import database
from common import run
from common import together
from transaction import TransactionManager
from ZEO.Exceptions import ClientDisconnected
from ZODB.POSException import ConflictError
from ZODB.tests.MinPO import MinPO

PAIRS = 8


def work(where, folder, this_round, worker):
    name = f'{this_round}.{worker}'
    # Waiting for a server that was killed for good is of no use.
    try:
        db = database(where, wait_timeout=1)
    except ClientDisconnected:
        return 0  # the others were so fast that the kill came first
    manager = TransactionManager()
    root = db.open(manager).root()
    # A seed makes the sizes the same from run to run; the moment of the kill never is.
    dice = random.Random(name)
    acknowledged = 0
    with open(os.path.join(folder, name), 'a') as notes:
        try:
            while True:
                payload = dice.randbytes(200_000 if dice.random() < 0.02 else dice.randrange(5_000))
                pair = root[f'worker {worker}'][dice.randrange(PAIRS)]
                manager.begin()
                for side in pair:
                    side.value = (name, acknowledged, payload)
                # Half of the transactions meet in one object, half go side by side.
                if acknowledged % 2 == 0:
                    root['length'].change(1)
                try:
                    manager.commit()
                except ConflictError:
                    # ZODB says so too when the server goes away while a conflict is resolved; else it is an error.
                    manager.abort()
                    db.storage.ping()
                    raise
                note = dict(
                    tid=pair[0]._p_serial.hex(),
                    oids=[side._p_oid.hex() for side in pair],
                    name=name,
                    number=acknowledged,
                    digest=hashlib.sha256(payload).hexdigest(),
                )
                check(pair[1]._p_serial == pair[0]._p_serial, 'both of a pair have one serial')
                notes.write(json.dumps(note) + '\n')
                notes.flush()
                os.fsync(notes.fileno())
                acknowledged += 1
        except ClientDisconnected:
            pass  # this is what the loop is for
    db.close()
    return acknowledged


def main(where, folder, this_round, workers):
    workers = int(workers)
    if int(this_round) == 0:
        db = database(where)
        connection = db.open()
        root = connection.root()
        for worker in range(workers):
            root[f'worker {worker}'] = [(MinPO(None), MinPO(None)) for _ in range(PAIRS)]
        root['length'] = Length()
        connection.transaction_manager.commit()
        db.close()
    counts = together(work, [(where, folder, this_round, worker) for worker in range(workers)])
    return f'round {this_round}: {counts} commits acknowledged'


if __name__ == '__main__':
    run(main)
