"""methods.py ENCODING OURS PYTHONS: every method on a connection that may only read, at two servers of the same file.

Both must answer with the same class of error, or with a result, and keep or close the connection alike. What our server
does not serve it says so, but not before it has said that the client may not write.
"""

import socket
import struct
from contextlib import closing

from common import address
from common import check
from common import check_equal
from common import run
from ZEO.asyncio.marshal import decoder
from ZEO.asyncio.marshal import encoder
from ZEO.StorageServer import registered_methods
from ZODB.utils import maxtid
from ZODB.utils import p64
from ZODB.utils import z64

# The sample's object 1 and its first revision.
OID, TID = p64(1), bytes.fromhex('03f6dcb220000000')

CALLS = {
    'get_info': (),
    'lastTransaction': (),
    'getInvalidations': (TID,),
    'new_oids': (),
    'new_oid': (),
    'pack': (1.0, True),
    'loadBefore': (OID, maxtid),
    'storea': (OID, TID, b'data', 1),
    'checkCurrentSerialInTransaction': (OID, TID, 1),
    'restorea': (OID, TID, b'data', None, 1),
    'storeBlobStart': (),
    'storeBlobChunk': (b'chunk',),
    'storeBlobEnd': (OID, TID, b'data', 1),
    'storeBlobShared': (OID, TID, b'data', 'x.tmp', 1),
    'deleteObject': (OID, TID, 1),
    'tpc_begin': (1, b'', b'', {}),
    'vote': (1,),
    'tpc_finish': (1,),
    'tpc_abort': (1,),
    'history': (OID, 5),
    'record_iternext': (None,),
    'sendBlob': (OID, TID),
    'getTid': (OID,),
    'loadSerial': (OID, TID),
    'undoa': (b'AAAAAAAAAAA=', 1),
    'undoLog': (0, 5),
    'undoInfo': (0, 5, None),
    'iterator_start': (None, None),
    'iterator_next': (7,),
    'iterator_record_start': (7, TID),
    'iterator_record_next': (7,),
    'iterator_gc': ([7],),
    'server_status': (),
    'set_client_label': ('label',),
    'ping': (),
    # More than the list: what a server refuses whoever asks, and what both know of errors.
    'history ': (p64(0x7fff_0000), 5),
    'loadBefore ': (p64(0x7fff_0000), maxtid),
    'vote ': (),
    'undo': (b'AAAAAAAAAAA=', 1),
    'get_size_info': (),
}

READ_ONLY = 'ZODB.POSException.ReadOnlyError'
UNSUPPORTED = 'ZODB.POSException.Unsupported'


class Link:
    """A connection without a client around it."""

    def __init__(self, where, encoding):
        protocol = encoding.encode() + b'5'
        where = address(where)
        self._socket = socket.create_connection(where, timeout=60)
        check_equal(self._frame(), protocol, 'the handshake')
        self._encode, self._decode = encoder(protocol), decoder(protocol)
        self._send(protocol)
        check_equal(self.call('register', '1', True)[1], 0, 'the flag of the answer to register')

    def close(self):
        self._socket.close()

    def _send(self, message):
        self._socket.sendall(struct.pack('>I', len(message)) + message)

    def _bytes(self, count):
        data = b''
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _frame(self):
        return self._bytes(struct.unpack('>I', self._bytes(4))[0])

    def one_way(self, method, *arguments):
        self._send(self._encode(0, True, method, arguments))

    def call(self, method, *arguments):
        """The answer; one-way messages of the server's come in between."""
        self._send(self._encode(1, False, method, arguments))
        while True:
            answer = self._decode(self._frame())
            if answer[2] == '.reply':
                return answer

    def lives(self):
        try:
            return self.call('ping')[1] == 0
        except (EOFError, ConnectionError):
            return False


def outcomes(where, encoding, name):
    """What becomes of a call: a result or a class of error, and whether the connection outlives it, called both ways."""
    method, arguments = name.strip(), CALLS[name]
    with closing(Link(where, encoding)) as link:
        try:
            _, flag, _, result = link.call(method, *arguments)
            answer = result[0] if flag else 'result'
        except (EOFError, ConnectionError):
            answer = 'closed'
        lives = link.lives()
    with closing(Link(where, encoding)) as link:
        link.one_way(method, *arguments)
        return answer, lives, link.lives()


def main(encoding, ours, pythons):
    check_equal(registered_methods - set(CALLS), set(), 'methods of the protocol without a call here')
    refused = unserved = 0
    for name in CALLS:
        found, expected = outcomes(ours, encoding, name), outcomes(pythons, encoding, name)
        refused += expected[0] == READ_ONLY
        if found[0] == UNSUPPORTED:
            unserved += 1
            check(expected[0] != READ_ONLY, f'{name} is refused to readers before anything else')
            check(found[1], f'the connection outlives {name}, which is not served')
        elif name == 'pack':
            # Python packs in a thread, which keeps what went wrong to itself when nobody waits for it.
            check_equal(found[:2], expected[:2], name)
        else:
            check_equal(found, expected, name)
    check(refused >= 12, f'{refused} methods are refused to readers')
    return f'{len(CALLS)} calls, {refused} refused to readers, {unserved} not served'


if __name__ == '__main__':
    run(main)
