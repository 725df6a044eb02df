"""merging.py ADDRESS named|unnamed: a client undoes what was changed since, and merges, if its class is named."""

import transaction
from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from ZODB.POSException import UndoError
from ZODB.tests.ConflictResolution import PCounter


def main(where, named):
    db = database(where)
    manager = transaction.TransactionManager()
    root = db.open(manager).root()
    with manager:
        root['counter'] = PCounter()
    for step in (5, 100, 2000):
        with manager:
            manager.get().note(f'add {step}')
            root['counter'].inc(step)
    [name] = [entry['id'] for entry in db.undoInfo() if entry['description'] == 'add 100']
    db.undo(name, manager.get())
    if named == 'named':
        manager.commit()
        manager.begin()
        check_equal(root['counter']._value, 2005, 'the counter without the undone step')
    else:
        error = raised(UndoError, manager.commit)
        check('later' in str(error), f'the reason: {error}')
        manager.abort()
        check_equal(root['counter']._value, 2105, 'the counter that could not be set back')
    db.close()
    return f'an undo is {"merged" if named == "named" else "refused"}'


if __name__ == '__main__':
    run(main)
