"""status.py ADDRESS CODEC: server_status, the ruok handshake on a bare socket, and ZEO's nagios check."""

import contextlib
import io
import json
import socket
import struct
import tempfile
import time

from common import address
from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from common import status
from common import storage
from common import wait_until
from transaction import TransactionManager
from ZEO import nagios
from ZODB.POSException import ConflictError
from ZODB.tests.MinPO import MinPO

KEYS = {
    'loads': int,
    'stores': int,
    'commits': int,
    'aborts': int,
    'active_txns': int,
    'lock_time': (float, int, type(None)),
    'conflicts': int,
    'conflicts_resolved': int,
    'start': str,
    'connections': int,
    'waiting': int,
    'timeout-thread-is-alive': (bool, str),
    'last-transaction': str,
}


def check_keys(found):
    # How far a pack is, Python does not tell.
    check_equal(set(found) - {'pack'}, set(KEYS), 'the keys of a status')
    for name, kind in KEYS.items():
        check(isinstance(found[name], kind), f'{name} is {found[name]!r}')
    time.strptime(found['start'])  # as time.ctime writes it, or monitors cannot read it


def exactly(connection, size):
    data = b''
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        check(chunk, f'the connection ended after {data!r}')
        data += chunk
    return data


def frame(connection):
    return exactly(connection, struct.unpack('>I', exactly(connection, 4))[0])


def ruok(where, codec):
    where = address(where)
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(where)
        check_equal(frame(connection), codec.encode(), 'what the server speaks first')
        connection.sendall(struct.pack('>I', 4) + b'ruok')
        answer = json.loads(frame(connection).decode('ascii'))
        check_equal(connection.recv(1), b'', 'what follows the answer')
    return answer


def ask_nagios(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        level = nagios.main(list(arguments))
    return level, printed.getvalue().strip()


def stored(where):
    """What one client does shows in the counters that all can read."""
    db = database(where, server_sync=True)
    manager = TransactionManager()
    root = db.open(manager).root()
    root['x'] = MinPO(0)
    manager.commit()
    before = status(db.storage)
    check_keys(before)
    for i in range(3):
        root['x'].value = i
        manager.commit()
    after = status(db.storage)
    check_equal(after['commits'] - before['commits'], 3, 'commits counted')
    check_equal(after['stores'] - before['stores'], 3, 'stores counted')
    check_equal(after['last-transaction'], root['x']._p_serial.hex(), 'the last transaction')
    check_equal((after['active_txns'], after['waiting'], after['connections']), (0, 0, 1), 'what goes on')

    other = database(where, server_sync=True)
    check_equal(status(other.storage)['connections'], 2, 'connections with a second client')
    other_manager = TransactionManager()
    other_root = other.open(other_manager).root()
    check_equal(other_root['x'].value, 2, 'what the other client reads')
    check_equal(status(other.storage)['loads'] - after['loads'], 2, 'loads counted')
    other_root['x'].value, root['x'].value = 'other', 'one'
    manager.commit()
    raised(ConflictError, other_manager.commit)
    other_manager.abort()
    check_equal(status(db.storage)['conflicts'] - after['conflicts'], 1, 'conflicts counted')
    other.close()
    wait_until(lambda: status(db.storage)['connections'] == 1, 'the second client is gone', patience=10)
    db.close()
    return after['last-transaction']


def main(where, codec):
    # A client that stores nothing, so that there is a connection while the storage is empty.
    first = storage(where)
    check_keys(status(first))
    check_equal(ask_nagios(where), (1, "Empty storage '1'"), 'nagios about an empty storage')
    first.close()

    stored(where)
    answer = ruok(where, codec)
    check_equal(list(answer), ['1'], 'the storages that ruok tells of')
    check_keys(answer['1'])
    check(answer['1']['commits'] >= 5, 'ruok counts the commits')
    check_equal(ask_nagios(where), (None, 'OK'), 'nagios')
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            level, printed = ask_nagios('-m', '-s', folder + '/status', '-u', 'seconds', where)
            check_equal((level, printed.split('|')[0]), (None, 'OK'), 'nagios with metrics')
    for name in nagios.nodiff_names + nagios.diff_names:
        check(f'{name}=' in printed, f'nagios does not tell of {name}: {printed}')
    return f'{len(KEYS)} keys of the status, ruok and nagios agree'


if __name__ == '__main__':
    run(main)
