"""damaged.py ADDRESS: the object 1 of the sample is damaged; it alone cannot be read, and the client is told so."""

from contextlib import closing

from common import check
from common import raised
from common import run
from common import storage
from ZEO.Exceptions import ServerException
from ZODB.utils import p64


def main(where):
    with closing(storage(where)) as store:
        error = raised(ServerException, store.load, p64(1))
        check('damaged' in str(error), f'{error} does not say why')
        for oid in (0, 4, 5):
            store.load(p64(oid))
    return 'damaged data is refused, everything else is served'


if __name__ == '__main__':
    run(main)
