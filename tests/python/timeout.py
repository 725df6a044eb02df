"""timeout.py ADDRESS: who votes and then does nothing is cut off, and does not keep others waiting for ever.

The server's transaction-timeout is a second or two.
"""

import time

from common import Failed
from common import check
from common import check_equal
from common import database
from common import run
from common import wait_until
from transaction import TransactionManager
from ZEO.Exceptions import ClientDisconnected
from ZODB.Connection import TransactionMetaData
from ZODB.tests.MinPO import MinPO


def main(where):
    db = database(where, server_sync=True)
    manager = TransactionManager()
    root = db.open(manager).root()
    root['x'] = MinPO(0)
    manager.commit()

    # The storage interface by hand, up to the vote.
    idle = database(where).storage
    oid = root['x']._p_oid
    data, serial = idle.load(oid)
    transaction = TransactionMetaData()
    idle.tpc_begin(transaction)
    idle.store(oid, serial, data, '', transaction)
    idle.tpc_vote(transaction)
    generation = idle._connection_generation

    begun = time.monotonic()
    root['x'].value = 1
    manager.commit()
    waited = time.monotonic() - begun
    check(waited > 0.5, f'a vote on a locked object was answered after {waited} seconds')
    check(waited < 20, f'a vote on a locked object was answered only after {waited} seconds')

    # The idle client was disconnected, and its transaction went with the connection.
    wait_until(lambda: idle._connection_generation > generation, 'the idle client is cut off', patience=20)
    wait_until(idle.is_connected, 'the idle client is back', patience=20)
    try:
        idle.tpc_finish(transaction)
    except ClientDisconnected:
        pass
    else:
        raise Failed('a transaction was finished after its timeout')
    idle.tpc_abort(transaction)
    manager.begin()
    check_equal(root['x'].value, 1, 'the value of who waited')
    check_equal(idle.load(oid)[1], root['x']._p_serial, 'the serial')
    idle.close()
    db.close()
    return f'a transaction without end was cut off, who waited for it went on after {waited:.1f} s'


if __name__ == '__main__':
    run(main)
