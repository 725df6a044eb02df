"""Writes the fixtures beside this file: what Python's ZEO and pickle write.

Run it with a Python that has ZEO 6.2 installed, from any directory:

    python capture.py

Every line is a name, an encoding and the bytes in hexadecimal. Messages have their length prefix, values do not.
"""

import base64
import os
import pickle
import struct
import tempfile

import msgpack
import zodbpickle.pickle
from ZEO.asyncio.marshal import encoder, reduce_exception
from ZEO.StorageServer import StorageServer, ZEOStorage
from persistent.TimeStamp import TimeStamp
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import (
    ConflictError, POSKeyError, ReadConflictError, ReadOnlyError, StorageError, StorageSystemError,
    StorageTransactionError)

HERE = os.path.dirname(os.path.abspath(__file__))
OID, OTHER = struct.pack('>Q', 5), struct.pack('>Q', 0x0102030405060708)
TID, NEXT = struct.pack('>Q', 0x03ff112233445566), struct.pack('>Q', 0x03ff112233445577)
Z64 = bytes(8)
TXN = 140234567890123
DATA = b'\x80\x03cpersistent.mapping\nPersistentMapping\nq\x00.\x80\x03}q\x01.'


def calls():
    def call(name, method, *args, id=1):
        return name, (id, False, method, args)

    def oneway(name, method, *args):
        return name, (0, True, method, args)

    yield call('register', 'register', '1', False)
    yield call('get_info', 'get_info')
    yield call('last_transaction', 'lastTransaction', id=300)
    yield call('invalidations', 'getInvalidations', TID, id=70000)
    yield call('load_before', 'loadBefore', OID, TID, id=(OID, TID))
    yield call('load_serial', 'loadSerial', OID, TID)
    yield call('get_tid', 'getTid', OID)
    yield call('new_oids', 'new_oids')
    yield call('new_oids_7', 'new_oids', 7)
    yield oneway('begin', 'tpc_begin', TXN, b'user', b'description', {}, None, ' ')
    yield oneway('begin_bytes', 'tpc_begin', TXN, b'', b'', b'\x80\x03}.', None, ' ')
    yield oneway('begin_tid', 'tpc_begin', TXN, b'user', b'', {}, TID, 'p')
    # Not what a client of ours writes, but what others do.
    yield oneway('begin_extension', 'tpc_begin', TXN, 'us\xe9r', '', {'a': 1, 'b': ['x', None, 1.5]}, None, ' ')
    yield oneway('begin_short', 'tpc_begin', TXN, b'user', b'description', {})
    yield oneway('storea', 'storea', OID, Z64, DATA, TXN)
    yield oneway('storea_300', 'storea', OTHER, TID, b'x' * 300, TXN)
    yield oneway('check', 'checkCurrentSerialInTransaction', OID, TID, TXN)
    yield call('vote', 'vote', TXN)
    yield call('finish', 'tpc_finish', TXN)
    yield call('abort', 'tpc_abort', TXN)
    yield call('ping', 'ping')
    yield oneway('label', 'set_client_label', 'w\xf6rker 1')
    yield call('status', 'server_status')
    yield oneway('delete', 'deleteObject', OID, TID, TXN)
    yield oneway('restore', 'restorea', OID, TID, DATA, TID, TXN)
    yield oneway('restore_none', 'restorea', OID, TID, None, None, TXN)
    yield oneway('undo', 'undoa', base64.encodebytes(TID).rstrip(), TXN)
    yield call('undo_log', 'undoLog', 0, -20)
    yield call('undo_info', 'undoInfo', 0, -20, None)
    yield call('undo_info_of', 'undoInfo', 5, 9, {'user_name': b'user'})
    yield call('history', 'history', OID, 20)
    yield call('pack', 'pack', 1740952452.015686, 1)
    yield call('record', 'record_iternext', None)
    yield call('record_next', 'record_iternext', OID)
    yield call('iterate', 'iterator_start', None, None)
    yield call('iterate_between', 'iterator_start', TID, NEXT)
    yield call('iterate_next', 'iterator_next', 0)
    yield call('records', 'iterator_record_start', 0, TID)
    yield call('records_next', 'iterator_record_next', 1)
    yield oneway('iterate_gc', 'iterator_gc', [0, 300])
    yield oneway('blob_start', 'storeBlobStart')
    yield oneway('blob_chunk', 'storeBlobChunk', b'z' * 300)
    yield oneway('blob_end', 'storeBlobEnd', OID, TID, DATA, TXN)
    yield oneway('blob_shared', 'storeBlobShared', OID, Z64, DATA, 'BUSHfR.tmp-', TXN)
    yield call('send_blob', 'sendBlob', OID, TID)
    yield 'heartbeat', (-1, 0, '.reply', None)


class Connection:
    protocol_version = b'Z5'


def replies():
    def reply(name, result, id=1):
        return name, (id, 0, '.reply', result)

    def error(name, exception):
        return name, (1, 2, '.reply', reduce_exception(exception))

    yield reply('none', None)
    yield reply('tid', TID)
    yield reply('revision', (DATA, TID, None), id=(OID, NEXT))
    yield reply('revision_old', (b'y' * 5000, TID, NEXT), id=(OID, NEXT))
    yield reply('data', DATA)
    yield reply('no_oids', [])
    yield reply('one_oid', [OID])
    yield reply('oids', [OID, OTHER])
    yield reply('oids_1001', [struct.pack('>Q', i) for i in range(1001)])
    yield reply('invalidations', (TID, [OID, OTHER]))
    yield reply('conflicts', [dict(oid=OID, serials=(NEXT, TID), data=DATA)])

    # Keys and their order are the server's, the figures are ours.
    server = StorageServer(None, {'1': MappingStorage()})
    session = ZEOStorage(server)
    session.storage = MappingStorage()
    session.connection = Connection()
    info = dict(session.get_info(), length=12, size=34567, name='/data/Data.fs', supportsUndo=True,
                interfaces=(('ZODB.interfaces', 'IStorage'), ('ZODB.interfaces', 'IStorageUndoable')))
    yield reply('info', info)
    status = dict(server.server_status('1'), loads=1, stores=300, commits=3, start='Sat Nov 21 22:25:30 2026',
                  connections=2)
    status['last-transaction'] = TID.hex()
    yield reply('status_stub', status)
    yield reply('status', dict(status, lock_time=1795299930.5, **{'timeout-thread-is-alive': True}))

    yield error('pos_key', POSKeyError(OID))
    yield error('read_only', ReadOnlyError())
    yield error('conflict', ConflictError(oid=OID, serials=(NEXT, TID), data=DATA))
    yield error('read_conflict', ReadConflictError(oid=OID, serials=(NEXT, TID)))
    yield error('storage_transaction', StorageTransactionError('no transaction'))
    yield error('storage_system', StorageSystemError('disk'))
    yield error('storage', StorageError('storage'))
    yield error('type', TypeError('type'))
    yield error('value', ValueError('unknown storage: x'))

    for name, result in results():
        yield reply(name, result)

    yield 'blob_start', (0, True, 'receiveBlobStart', (OID, TID))
    yield 'blob_chunk', (0, True, 'receiveBlobChunk', (OID, TID, b'z' * 300))
    yield 'blob_stop', (0, True, 'receiveBlobStop', (OID, TID))

    yield 'invalidate', (0, True, 'invalidateTransaction', (TID, [OID, OTHER]))
    yield 'info_notice', (0, True, 'info', ({'length': 12, 'size': 34567},))


def results():
    """What a server answers over a FileStorage with an object that was stored, changed, undone twice and deleted."""
    with tempfile.TemporaryDirectory() as folder:
        storage = FileStorage(os.path.join(folder, 'Data.fs'))
        tids = [TimeStamp(2024, 2, 29, 12, n, 7.1).raw() for n in range(6)]

        def commit(n, step, user, description, extension=None):
            meta = TransactionMetaData(user, description, extension or {})
            storage.tpc_begin(meta, tids[n])
            step(meta)
            storage.tpc_vote(meta)
            storage.tpc_finish(meta)

        def undo(n):
            return lambda meta: storage.undo(base64.encodebytes(tids[n]).rstrip(), meta)

        def both(meta):
            storage.store(Z64, Z64, DATA, '', meta)
            storage.store(OID, Z64, DATA, '', meta)

        commit(0, both, '', 'created')
        commit(1, lambda meta: storage.store(OID, tids[0], DATA * 3, '', meta), 'w\xf6rker', 'changed',
               {'request_type': 'View', 'levels': [1, 2.5, None], 'time': 'never', 'size': 'large'})
        commit(2, undo(1), 'worker', 'undone')
        commit(3, lambda meta: storage.deleteObject(OID, tids[2], meta), 'worker', 'deleted')
        commit(4, lambda meta: storage.store(OID, tids[3], b'n', '', meta), 'worker', 'back', {b'raw': (b'\xff', 2**63)})

        session = ZEOStorage(StorageServer(None, {'1': storage}))
        session.connection = Connection()
        session.register('1', False)
        yield 'history', session.history(OID, 20)
        yield 'history_1', session.history(OID)
        yield 'undo_log', storage.undoLog(0, -20)
        yield 'undo_info', storage.undoInfo(0, -20, {'description': b'undone'})
        iteration = session.iterator_start(None, None)
        for n in range(5):
            yield 'iterated_%d' % n, session.iterator_next(iteration)
            records = session.iterator_record_start(iteration, tids[n])
            yield 'iterated_record_%d' % n, session.iterator_record_next(records)
        yield 'record', session.record_iternext(None)
        yield 'record_last', session.record_iternext(OID)
        yield 'info_file', dict(session.get_info(), name='/data/Data.fs')
        storage.close()


def values():
    edges = [0, 1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1]
    yield 'constants', (None, True, False)
    yield 'ints', tuple(edges)
    yield 'negative_ints', tuple(-1 - n for n in edges)
    yield 'small_negatives', (-1, -31, -32, -33, -127, -128, -129, -255, -256, -257)
    yield 'unsigned', (2**63, 2**64 - 1)
    yield 'longs', (2**64, -2**63 - 1, 2**2040, -2**2040, 10**30, -10**30)
    yield 'floats', (0.0, -0.0, 1.5, -2.25e-300, float('inf'), 1e22, 0.1)
    yield 'texts', ('', 'a', "it's \"quoted\"\\ \n\t", 'gr\xfc\xdfe', '\u20ac \U0001f600', 'x' * 31, 'x' * 32, 'x' * 256)
    yield 'bytes', (b'', b'a', bytes(range(256)), b'x' * 255, b'x' * 256, b'\xe9')
    yield 'tuples', ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((),))
    yield 'lists', ([], [1], [1, 2], [[]], [[1, 2], [3]])
    yield 'dicts', ({}, {'a': 1}, {'a': 1, 'b': {'c': b'd'}})
    yield 'sixteen', (tuple(range(15)), tuple(range(16)), {str(i): i for i in range(16)})
    for n in (999, 1000, 1001, 2000):
        yield 'list_%d' % n, [None] * n
        yield 'dict_%d' % n, {i: None for i in range(n)}
    yield 'sets', ({1}, {'a'}, set())
    yield 'surrogates', ('\udc80 \ud83d\ude00 a',)
    yield 'shared', ([b'abc', 'text'],) * 3


def lenient():
    """What is read, but never written."""
    yield 'bytearrays', (bytearray(), bytearray(b'a\xe9\xff'))
    yield 'frozensets', (frozenset([7]), frozenset())


def write(name, rows):
    with open(os.path.join(HERE, name), 'w') as f:
        for row in rows:
            print(*row, file=f)


def messages(named, server):
    for codec in ('pickle', 'msgpack'):
        encode = encoder({'pickle': b'Z5', 'msgpack': b'M5'}[codec], server)
        for name, message in named():
            message = encode(*message)
            yield name, codec, (struct.pack('>I', len(message)) + message).hex()


def pickled(value):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield 'pickle%d' % protocol, pickle.dumps(value, protocol)
    for protocol in range(4):
        yield 'zodbpickle%d' % protocol, zodbpickle.pickle.dumps(value, protocol)


def encoded():
    import io
    for name, value in values():
        f = io.BytesIO()
        pickler = zodbpickle.pickle.Pickler(f, 3)
        pickler.fast = 1
        pickler.dump(value)
        yield name, 'written', f.getvalue().hex()
        if len(value) < 100:
            for encoding, bytes_ in pickled(value):
                yield name, encoding, bytes_.hex()
        try:
            yield name, 'msgpack', msgpack.packb(value, use_bin_type=True).hex()
        except (TypeError, OverflowError, UnicodeEncodeError):
            pass
    for name, value in lenient():
        for encoding, bytes_ in pickled(value):
            yield name, encoding, bytes_.hex()


write('calls.hex', messages(calls, False))
write('replies.hex', messages(replies, True))
write('values.hex', encoded())
