"""records.py: prints records of many kinds as JSON, each with what ZODB itself finds in it and what is to be seen."""

import copy
import datetime
import decimal
import io
import itertools
import json
import pickle
import random
import sys

import BTrees.Length
from persistent import Persistent
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from persistent.wref import WeakRef
from ZODB import DB
from ZODB.MappingStorage import MappingStorage
from ZODB.serialize import ObjectWriter
from ZODB.serialize import get_refs
from ZODB.serialize import referencesf
from ZODB.tests.MinPO import MinPO
from ZODB.utils import get_pickle_metadata
from ZODB.utils import p64
from zodbpickle import binary


class Plain:
    """An object that is no record of its own."""

    def __init__(self, **values):
        self.__dict__.update(values)


class Slotted:
    __slots__ = ('one', 'two')


class Listed(list):
    pass


class Mapped(dict):
    pass


class Reduced:
    def __reduce__(self):
        return Plain, (), {'reduced': True}, iter([1, 2]), iter([('k', 'v')])


class NewArgs(Persistent):
    def __new__(cls, *args):
        return Persistent.__new__(cls)

    def __init__(self, *args):
        self.args = args

    def __getnewargs__(self):
        return self.args


class Outer:
    class Inner(Persistent):
        pass


# Under a name of its own, as an application's module has.
sys.modules['records'] = sys.modules['__main__']
for one in (Plain, Slotted, Listed, Mapped, Reduced, NewArgs, Outer, Outer.Inner):
    one.__module__ = 'records'


class Records:
    def __init__(self):
        self.rows = []

    def add(self, name, record, contains=(), module=None, weak=(), foreign=(), references=None):
        """Keeps a record, with what ZODB finds in it, or with these references."""
        if references is None:
            references = referencesf(record)
            assert references == [oid for oid, _ in get_refs(record)], name
        found = [oid.hex() for oid in references]
        self.rows.append({
            'name': name, 'record': record.hex(), 'class': '.'.join(module or get_pickle_metadata(record)),
            'references': found, 'weak': [oid.hex() for oid in weak], 'foreign': [oid.hex() for oid in foreign],
            'contains': list(contains)})


def database(name, databases):
    return DB(MappingStorage(name), databases=databases, database_name=name)


def stored(records):
    """Objects as a connection writes them."""
    databases = {}
    main, other = database('main', databases), database('other', databases)
    connection = main.open()
    far = connection.get_connection('other')
    far_object = far.root()['far'] = MinPO('far')
    far_args = far.root()['args'] = NewArgs(1)
    far.transaction_manager.commit()
    root = connection.root()
    targets = [root.setdefault(f't{number}', MinPO(number)) for number in range(30)]
    with_args = root['args'] = NewArgs('a', 2)
    connection.transaction_manager.commit()

    def write(name, instance, *contains, **expected):
        connection.add(instance)
        records.add(name, ObjectWriter(instance).serialize(instance), contains, **expected)

    write('mapping', PersistentMapping({'name': 'Ann', 'to': targets[0]}), "{'name': 'Ann', 'to': object 0x")
    write('list', PersistentList([1, 2, targets[1], targets[1]]), '[1, 2, object 0x')
    write('length', BTrees.Length.Length(77), 'state       77')
    write('weak', MinPO([WeakRef(targets[2]), targets[3]]), '(weak)', weak=[targets[2]._p_oid])
    write('far', MinPO([far_object, targets[4]]), "in 'other' (ZODB.tests.MinPO.MinPO)", foreign=[far_object._p_oid])
    write('far with arguments', MinPO(far_args), "in 'other'", foreign=[far_args._p_oid])
    write('far and weak', MinPO(WeakRef(far_object)), "in 'other' (weak)", foreign=[far_object._p_oid])
    write('to one with arguments', MinPO(with_args), f'object {int.from_bytes(with_args._p_oid, "big"):#x}')
    write('arguments', NewArgs('x', targets[5]), "'args': ('x', object 0x")
    write('its own class', MinPO([MinPO, MinPO]), '[ZODB.tests.MinPO.MinPO, ZODB.tests.MinPO.MinPO]')

    values = {
        'nothing': (None, 'None'), 'bools': ([True, False], '[True, False]'), 'float': (1.5, '1.5'),
        'big': (1 << 100, str(1 << 100)), 'negative': (-(1 << 90), str(-(1 << 90))), 'bytes': (b'a\0\xff', "b'a\\x00\\xff'"),
        'binary': (binary(b'raw'), "b'raw'"), 'text': ('ä"\'', "'ä\"\\''"), 'set': ({7}, '{7}'),
        'frozenset': (frozenset([7]), 'frozenset({7})'), 'nested': ({'a': [(1,), {'b': ()}]}, "{'a': [(1,), {'b': ()}]}"),
        'datetime': (datetime.datetime(2026, 11, 22, 1, 34, 2, 5), 'datetime.datetime(2026, 11, 22, 1, 34, 2, 5)'),
        'aware': (datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc), 'datetime.timezone('),
        'date': (datetime.date(1970, 1, 2), 'datetime.date(1970, 1, 2)'),
        'time': (datetime.time(23, 59), 'datetime.time(23, 59)'),
        'timedelta': (datetime.timedelta(3, 4), 'datetime.timedelta(3, 4, 0)'),
        'decimal': (decimal.Decimal('1.50'), "decimal.Decimal('1.50')"), 'complex': (1 + 2j, 'complex(1.0, 2.0)'),
        'object': (Plain(here=targets[6]), "records.Plain() with {'here': object 0x"),
        'lists': (Listed([1, targets[7]]), 'records.Listed() with [1, object 0x'),
        'dicts': (Mapped({targets[8]._p_oid: targets[8]}), 'records.Mapped() with {'),
        'reduced': (Reduced(), "records.Plain()"), 'function': (copy.deepcopy, 'copy.deepcopy'),
        'long': ('y' * 5000, '… (5000 characters)'), 'tuple key': ({(1, 2): 3}, '{(1, 2): 3}'),
    }
    slotted = Slotted()
    slotted.one, slotted.two = 1, targets[9]
    values['slots'] = (slotted, "{'one': 1, 'two': object 0x")
    itself = [1]
    itself.append(itself)
    values['itself'] = (itself, '&1 [1, *1]')
    shared = ['s']
    values['shared'] = ([shared, shared], "[&1 ['s'], *1]")
    for name, (value, contained) in values.items():
        write(name, MinPO(value), contained)
        # In every place a reference may be in.
        for number, place in enumerate((
                [value, targets[10]], (targets[11], value), {'k': targets[12], 'v': value}, Plain(a=value, b=targets[13]),
                Listed([targets[14], value]), {targets[15], 1}, frozenset([targets[16]]), [[[targets[17]]], value])):
            write(f'{name} in {number}', MinPO(place))

    generator = random.Random(3)
    for family, (key, value) in itertools.product((BTrees.family32, BTrees.family64), itertools.product('OIU', 'OIUF')):
        module = getattr(family, key + value, None)
        if module is None:
            continue
        for size in (0, 3, 500):
            pairs = {k: {'O': targets[k % 30], 'F': 0.5}.get(value, k) for k in range(size)}
            tree, keys = module.BTree(pairs), module.TreeSet(pairs)
            bucket = module.Bucket({k: pairs[k] for k in range(min(size, 3))})
            empty = ['state       empty'] if size == 0 else []
            small = ['{0: ', ', 1: ', ', 2: '] if size == 3 else []
            node = ['node (', 'from ', 'first bucket: object 0x'] if size == 500 else []
            label = f'{module.__name__} of {size}'
            write(f'{label}: tree', tree, *empty, *node, *(small if size == 3 else []))
            write(f'{label}: keys', keys, *empty, *node, *(['{0, 1, 2}'] if size == 3 else []))
            write(f'{label}: bucket', bucket, *small)
            write(f'{label}: set', module.Set(list(pairs)[:3]), *(['{0, 1, 2}'] if size else []))
            if size == 500:
                first = tree._firstbucket
                write(f'{label}: first of many', first, '{0: ', 'next bucket: object 0x')
    for number in range(100):
        write(f'random {number}', MinPO(anything(generator, targets, 0)))
    main.close()
    other.close()


def anything(generator, targets, depth):
    def below():
        return anything(generator, targets, depth + 1)

    leaves = [None, True, 7, 1 << 70, 2.5, 'text', b'bytes', 'z' * 300, generator.choice(targets), generator.choice(targets)]
    if depth > 3 or generator.random() < 0.3:
        return generator.choice(leaves)
    items = [below() for _ in range(generator.randrange(5))]
    return generator.choice([
        lambda: items, lambda: tuple(items), lambda: {str(i): item for i, item in enumerate(items)},
        lambda: Plain(items=items), lambda: Listed(items), lambda: [items, items]])()


class Reference:
    """Stands for an object while a record is pickled by hand."""

    def __init__(self, id):
        self.id = id


def protocols(records):
    """What other picklers and earlier times have written: every protocol, and every form of class and reference."""
    oid = b'\0\0\0\0\0\0\x01\x7f'
    high = b'\0\0\0\0\0\0\xff\x80'

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.id if isinstance(value, Reference) else None

    def by_hand(name, protocol, metadata, state, *references, **expected):
        # Below 3 bytes are written as the call that makes them, and ZODB does not find them; above 3 it reads nothing.
        expected.setdefault('module', minpo)
        if protocol != 3:
            expected['references'] = references
        out = io.BytesIO()
        pickler = Pickler(out, protocol)
        pickler.dump(metadata)
        pickler.dump(state)
        records.add(name, out.getvalue(), **expected)

    minpo = ('ZODB.tests.MinPO', 'MinPO')
    classes = {
        'class': MinPO, 'with arguments': (MinPO, (1,)), 'with none': (MinPO, None), 'by name': (minpo, None),
        'by name with arguments': (minpo, (1,)), 'name alone': minpo}
    for protocol in range(1, 6):
        for form, metadata in classes.items():
            by_hand(f'{form} in protocol {protocol}', protocol, metadata, {'value': Reference((oid, MinPO))}, oid, module=minpo)
        for form, id in {
                'oid': oid, 'pair': (oid, MinPO), 'named pair': (oid, minpo), 'none': (oid, None), 'high': (high, MinPO)}.items():
            by_hand(f'{form} in protocol {protocol}', protocol, MinPO, [Reference(id), Reference(id)], *[high if form == 'high' else oid] * 2)
        for form, id in {'weak': ['w', (oid,)], 'old weak': [oid]}.items():
            by_hand(f'{form} in protocol {protocol}', protocol, MinPO, [Reference(id)], weak=[oid])
        for form, id in {
                'n': ['n', ('other', oid)], 'm': ['m', ('other', oid, MinPO)], 'weak elsewhere': ['w', (oid, 'other')]}.items():
            by_hand(f'{form} in protocol {protocol}', protocol, MinPO, [Reference(id)], foreign=[oid])
        # The same oid object again and again, as Python 2 had it: the memo gives it.
        by_hand(
            f'memo in protocol {protocol}', protocol, MinPO,
            [Reference((oid, None)), Reference((oid, MinPO)), Reference(oid)], oid, oid, oid)
    for protocol in range(2, 6):
        by_hand(f'a class in another, protocol {protocol}', protocol, Outer.Inner, None, module=('records', 'Outer.Inner'))
    # Python 2 strings are bytes or text, as they happen to be.
    for name, text in {'S': b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\x01\\x7f'\n", 'U': b'U\x08' + oid, 'T': b'T\x08\0\0\0' + oid}.items():
        records.add(f'python 2 string {name}', b'cZODB.tests.MinPO\nMinPO\n.(' + text + b'cZODB.tests.MinPO\nMinPO\ntQ.')
    records.add('python 2 text', b'(U\x10ZODB.tests.MinPOU\x05MinPOt.}.', module=minpo)
    records.add(
        'reconstructed', b'\x80\x02ccopy_reg\n_reconstructor\n(cZODB.tests.MinPO\nMinPO\nc__builtin__\nobject\nNtR.}.', module=minpo)


def main():
    records = Records()
    stored(records)
    protocols(records)
    for row in records.rows:
        print(json.dumps(row))


if __name__ == '__main__':
    main()
