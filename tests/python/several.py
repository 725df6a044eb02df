"""several.py ADDRESS CODEC NAME...: the storages of one server, which know nothing of each other."""

from common import Worker
from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from common import status
from common import storage
from status import ask_nagios
from status import check_keys
from status import ruok
from transaction import TransactionManager
from ZEO.Exceptions import ClientDisconnected
from ZODB.tests.MinPO import MinPO


def read(where, name):
    """What a process of its own finds in a storage."""
    db = database(where, storage=name)
    root = db.open().root()
    found = {key: root[key].value for key in root}, db.storage.lastTransaction()
    db.close()
    return found


def main(where, codec, *names):
    check('/' in where, 'the storages are served on a unix socket')
    databases = {name: database(where, storage=name, server_sync=True) for name in names}
    manager = TransactionManager()
    roots = {name: db.open(manager).root() for name, db in databases.items()}
    for name in names:
        for i in range(5):
            roots[name][f'{name} {i}'] = MinPO(f'{i} in {name}')
        manager.commit()
    # One transaction over all storages: each votes before any finishes.
    manager.begin()
    for root in roots.values():
        root['all'] = MinPO('all')
    manager.commit()
    tids = {name: db.storage.lastTransaction() for name, db in databases.items()}
    for name, root in roots.items():
        check_equal(root['all']._p_serial, tids[name], f'the last transaction of {name}')
        check_equal(status(databases[name].storage)['last-transaction'], tids[name].hex(), f'the status of {name}')
        found, tid = Worker(read, where, name).result()
        expected = {f'{name} {i}': f'{i} in {name}' for i in range(5)} | {'all': 'all'}
        check_equal((found, tid), (expected, tids[name]), f'the contents of {name}')
    answer = ruok(where, codec)
    check_equal(sorted(answer), sorted(names), 'the storages that ruok tells of')
    for name, found in answer.items():
        check_keys(found)
        check_equal(found['last-transaction'], tids[name].hex(), f'the last transaction of {name} by ruok')
    level, printed = ask_nagios('-m', where)
    check(level is None and printed.startswith('OK|') and 'tmp:connections=1' in printed, f'nagios: {printed}')
    raised(ClientDisconnected, lambda: storage(where, storage='nobody', wait_timeout=1))
    for db in databases.values():
        db.close()
    return f'{len(names)} storages of one server on a unix socket keep apart'


if __name__ == '__main__':
    run(main)
