"""set_raw.py ADDRESS OID TEXT: stores TEXT as the state of an object, whatever it was, and prints the transaction."""

from common import run
from common import storage
from ZODB.Connection import TransactionMetaData
from ZODB.utils import p64


def main(where, oid, text):
    client = storage(where)
    oid = p64(int(oid))
    _, serial = client.load(oid)
    transaction = TransactionMetaData()
    client.tpc_begin(transaction)
    client.store(oid, serial, text.encode(), '', transaction)
    client.tpc_vote(transaction)
    tid = client.tpc_finish(transaction)
    client.close()
    return f'transaction {tid.hex()}'


if __name__ == '__main__':
    run(main)
