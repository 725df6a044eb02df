"""What the peers' scripts share. A check is a call, not an assert statement: no option of Python's turns it off."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback

from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.POSException import ConflictError
from ZODB.utils import p64

# Nothing takes this long unless something hangs; below the harness's limit, so that the script tells what it was.
PATIENCE = 60

FIRST_TID = p64(1)

# Whether the server is ours: of Python's own some things cannot be asked.
OURS = os.environ.get('ZEOLITH_PEER_SERVER') != 'python'


class Failed(Exception):
    """A check that did not hold."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def check_equal(found, expected, what):
    if found != expected:
        raise Failed(f'{what}: found {found!r}, expected {expected!r}')


def raised(kind, function, *arguments):
    """The exception of exactly this class that the call must raise: a subclass is another error on the wire."""
    try:
        result = function(*arguments)
    except kind as error:
        if type(error) is not kind:
            raise Failed(f'{type(error)} where {kind} is due: {error}') from error
        return error
    raise Failed(f'{kind.__name__} is due, but the call returned {result!r}')


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise Failed(f'{what}: not after {patience} seconds')
        time.sleep(0.002)


def address(text):
    if '/' in text:
        return text
    host, port = text.rsplit(':', 1)
    return host, int(port)


def storage(where, **options):
    options.setdefault('wait_timeout', PATIENCE)
    if os.environ.get('ZEOLITH_PEER_TLS'):
        # Here, for nobody else has a use for it.
        from ZEO.tests import testssl
        options.setdefault('ssl', testssl.client_ssl())
    return ClientStorage(address(where) if isinstance(where, str) else where, **options)


def database(where, **options):
    # A warning about large records is for applications that make them by mistake.
    return DB(storage(where, **options), large_record_size=1 << 30)


def status(client):
    return client.server_status()


def connection_of(client):
    """The state of the client's connection, for what it says about verification."""
    return client._server.client


def commit(manager, change, tally, name):
    """Runs a change until it is committed, as applications do, and counts what it took."""
    while True:
        manager.begin()
        try:
            change()
            manager.commit()
        except ConflictError:
            manager.abort()
            tally[name + ' conflicts'] += 1
        else:
            tally[name + ' commits'] += 1
            return


def _work(function, barrier, pipe, arguments):
    logging.basicConfig(level=logging.WARNING)
    try:
        barrier.wait(PATIENCE)
        pipe.send((True, function(*arguments)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
    finally:
        pipe.close()


class Worker:
    """A process of its own, started afresh: it shares nothing with this one but the arguments."""

    _spawn = multiprocessing.get_context('spawn')

    def __init__(self, function, *arguments, barrier=None):
        # Kept: when it is collected its semaphores go, and a process that is still starting no longer finds them.
        self._barrier = barrier or self._spawn.Barrier(1)
        self._pipe, other = self._spawn.Pipe(duplex=False)
        self._process = self._spawn.Process(
            target=_work, args=(function, self._barrier, other, arguments), daemon=True)
        self._process.start()
        other.close()

    @property
    def pid(self):
        return self._process.pid

    def result(self):
        try:
            fine, result = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise Failed(f'a worker died with {self._process.exitcode}') from None
        self._process.join()
        if not fine:
            raise Failed(f'a worker failed:\n{result}')
        return result


def together(function, arguments):
    """Runs the function in one process for each row of arguments; all begin at once. Returns their results."""
    barrier = Worker._spawn.Barrier(len(arguments))
    workers = [Worker(function, *row, barrier=barrier) for row in arguments]
    check_equal(len({worker.pid for worker in workers} | {os.getpid()}), len(arguments) + 1, 'processes')
    return [worker.result() for worker in workers]


def _end_with_the_harness():
    # Nothing is ever written to our input: reading it returns when whoever started us is gone.
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


def run(main):
    """Runs a script: prints the line that main returns, or ends with a message and a failure."""
    logging.basicConfig(level=logging.WARNING)
    if not sys.stdin.isatty():
        threading.Thread(target=_end_with_the_harness, daemon=True).start()
    begun = time.monotonic()
    try:
        line = main(*sys.argv[1:])
    except Failed as failure:
        traceback.print_exc()
        sys.exit(f'FAILED: {failure}')
    check(line, 'a script says what it did')
    print(f'{line} ({time.monotonic() - begun:.1f} s)')
