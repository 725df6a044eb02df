"""zeo_suite.py: ZEO's own tests, with the server that they start replaced by another one in a process of its own.

    zeo_suite.py --server target/release/zeolith     all of the suite
    zeo_suite.py --server ... --only 'Recovery|Invq' the tests whose names match, listed exceptions among them
    zeo_suite.py --server ... --short                some of each kind, in a minute or two
    zeo_suite.py --python                            Python's own server, for comparison
    zeo_suite.py --list                              the names

Which tests may fail, and why, stands in zeo_suite_lists.py. The run fails when another one does, when a test that may
fail passes, or when a line of the lists fits no test.
"""

import argparse
import ast
import collections
import importlib
import io
import json
import logging
import os
import queue
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from zeo_suite_lists import EXCEPTIONS
from zeo_suite_lists import LEFT_OUT
from zeo_suite_lists import MODULES
from zeo_suite_lists import MORE_CASES
from zeo_suite_lists import PYTHONS_OWN
from zeo_suite_lists import SHORT

# How long a test may take, and a server until it listens or has ended.
PATIENCE = 240
START = 30
STOP = 20

# In the environment of a worker: the file that says which servers ended badly.
BAD_ENDS = 'ZEO_SUITE_BAD_ENDS'

# In the environment of a worker: the first of its ports.
PORTS = 'ZEO_SUITE_PORTS'

# Where ports begin, and how many a worker has: together they stay below those that systems give away by themselves.
LOWEST_PORT = 10_000
PORTS_OF_A_WORKER = 2_500
MOST_WORKERS = 8

# Lines of a log that are shown of a test that fails.
SHOWN = 100

# What ZEO's tests run at unless told otherwise; above it are those that take many minutes.
LEVEL = 1


# The servers.

def ports():
    """The ports of a worker, two at a time as ZEO's tests want them, over and over.

    Most tests let the system choose, and many stop a server and start it there again while its client tries to come back:
    between the two the port is anybody's, for another server or for either end of any connection.
    """
    first = int(os.environ[PORTS])
    # Others on this machine may run the suite as well.
    begin = random.randrange(0, PORTS_OF_A_WORKER, 2)
    while True:
        for step in range(0, PORTS_OF_A_WORKER, 2):
            port = first + (begin + step) % PORTS_OF_A_WORKER
            if is_free(port) and is_free(port + 1):
                yield port


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
        return True


def serve_as_python(config):
    """Python's server with this configuration; tells where it listens in the words of ours."""
    from ZEO import runzeo
    options = runzeo.ZEOOptions()
    options.realize(['-C', config])
    server = runzeo.ZEOServer(options)
    server.setup_default_logging()
    server.open_storages()
    server.setup_signals()
    server.create_server()
    print(f'ZEO.DB({server.server.acceptor.addr!r})', flush=True)
    server.loop_forever()


def address_told(process):
    """Where the server listens, from what it prints; None when it ends before, or takes too long."""
    told, end = b'', time.monotonic() + START
    while select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
        more = os.read(process.stdout.fileno(), 4096)
        told += more
        found = re.search(rb"ZEO\.DB\((\('[^']*', \d+\)|'[^']*')", told)
        if found:
            return ast.literal_eval(found[1].decode())
        if not more:
            break
    return None


def remove_storages(text):
    """What Python's servers do at their end unless they are told to keep their files."""
    for path in re.findall(r'^\s*path\s+(\S+)', text, re.MULTILINE):
        for suffix in ['', '.index', '.lock', '.tmp', '.old', '.pack', '.sums']:
            if not path.endswith('.log') and os.path.exists(path + suffix):
                os.remove(path + suffix)


def runner(command, next_port):
    """What takes the place of the function in which ZEO's tests run a server, in a process or thread of its own.

    Where a port is asked for, it is the one in `next_port`.
    """
    def run(config, orders, reports, timeout=None, name=None, keep=False, **_):
        with open(config) as file:
            text = re.sub(r'^(\s*address\s.*):\s*0\s*$', rf'\1:{next_port[0]}', file.read(), flags=re.MULTILINE)
        with open(config, 'w') as file:
            file.write(text)
        process = subprocess.Popen([*command, config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            address = address_told(process)
            reports.put(address)
            os.remove(config)
            if address:
                orders.get(timeout=timeout)
                process.terminate()
                code = process.wait(STOP)
                if code != 0:
                    # The test hears of it as a warning at most.
                    with open(os.environ[BAD_ENDS], 'a') as ends:
                        print(f'a server ended with {code}', file=ends)
                if not keep:
                    remove_storages(text)
                reports.put(code != 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    return run


def replace_server(command):
    """From now on ZEO's tests start this server."""
    from ZEO import _forker
    free, next_port = ports(), [None]
    _forker.runner = runner(command, next_port)
    start = _forker.start_zeo_server

    def start_or_fail(*arguments, **options):
        next_port[0] = next(free)
        address, stop = start(*arguments, **options)
        if address is None:
            raise RuntimeError('the server does not start')
        return address, stop

    _forker.start_zeo_server = start_or_fail
    # It takes what was just replaced when it is first imported.
    from ZEO.tests import forker
    forker.get_port = lambda ignored=None: next(free)


# The tests.

def flat(suite, layer=None):
    layer = getattr(suite, 'layer', layer)
    if isinstance(suite, unittest.TestSuite):
        for part in suite:
            yield from flat(part, layer)
    elif getattr(suite, 'level', 1) <= LEVEL:
        yield suite, layer


def name_of(module, test, layer):
    """Such as `testZEO FileStorageSSLTests checkLen`: the module, then what tells it from others in it."""
    name = test.id().removeprefix(f'ZEO.tests.{module}.')
    group = getattr(layer, '__name__', '').removesuffix(' ZEO Connection Tests')
    return ' '.join([module, *([group] if group and not name.startswith(group) else []), *name.rsplit('.', 1)])


def tests_of(module):
    loaded = importlib.import_module('ZEO.scripts.tests' if module == 'scripts' else f'ZEO.tests.{module}')
    loader = unittest.TestLoader()
    suite = loaded.test_suite() if hasattr(loaded, 'test_suite') else loader.loadTestsFromModule(loaded)
    more = [getattr(loaded, case) for case in MORE_CASES.get(module, [])]
    for loader.testMethodPrefix in ['check', 'test']:
        suite = unittest.TestSuite([suite, *map(loader.loadTestsFromTestCase, more)])
    return {name_of(module, test, layer): (test, layer) for test, layer in flat(suite)}


class Result(unittest.TestResult):
    """What came of one test."""

    def outcome(self):
        wrong = self.failures + self.errors
        if wrong or self.unexpectedSuccesses:
            return 'fails', '\n'.join(text for _, text in wrong)
        return ('skipped', self.skipped[0][1]) if self.skipped else ('passes', '')


def end_with_input(file, take=lambda line: None):
    """Ends this process and all that it started when the file does; until then, takes its lines."""
    for line in file:
        take(line)
    os.killpg(0, signal.SIGKILL)


def work(command):
    """Runs the tests that are named on standard input, and tells of each in a line of JSON on standard output."""
    logging.basicConfig(level=logging.DEBUG, format='%(asctime)s %(levelname)s %(name)s %(message)s')
    # Tests lean on what others have loaded before them.
    importlib.import_module('ZEO.ClientStorage')
    importlib.import_module('ZEO.asyncio.testing')
    replace_server(command)
    answers = os.fdopen(os.dup(1), 'w')
    # What tests print belongs to nobody, and what they expect to read is not their names.
    orders = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)

    names = queue.Queue()

    # When nobody wants to know any more, the servers of the test that is running go too.
    threading.Thread(target=end_with_input, args=[orders, names.put], daemon=True).start()
    home, known, layer_now = os.getcwd(), {}, None
    bad_ends = os.environ[BAD_ENDS] = os.path.join(home, 'bad-ends')
    while True:
        name = names.get().rstrip('\n')
        module = name.split(' ', 1)[0]
        if module not in known:
            known[module] = tests_of(module)
        test, layer = known[module].pop(name)
        if layer is not layer_now:
            if layer_now is not None:
                layer_now.tearDown()
            if layer is not None:
                layer.setUp()
            layer_now = layer
        result, begun = Result(), time.monotonic()
        for step in [getattr(layer, 'testSetUp', None), lambda: test.run(result), getattr(layer, 'testTearDown', None)]:
            if step:
                step()
        outcome, text = result.outcome()
        if os.path.exists(bad_ends):
            with open(bad_ends) as ends:
                outcome, text = 'fails', text + ends.read()
            os.remove(bad_ends)
        print(json.dumps([name, outcome, text, time.monotonic() - begun]), file=answers, flush=True)
        if layer is None:
            os.chdir(home)


# The run.

class Worker:
    """A process that runs tests one after the other, and its servers, in a group of their own."""

    def __init__(self, arguments, place):
        self._home = tempfile.mkdtemp(prefix='zeo-suite-')
        # What clients and servers log is for whoever looks into a failure.
        self._log = open(os.path.join(self._home, 'log'), 'a+b')
        self._process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), '--work', *arguments], cwd=self._home, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env=os.environ | {'TMPDIR': self._home, PORTS: str(LOWEST_PORT + place * PORTS_OF_A_WORKER)})

    def logged(self):
        """The end of what the test has logged that ran last."""
        self._log.seek(0)
        return b''.join(collections.deque(self._log, SHOWN)).decode(errors='replace')

    def run(self, name):
        """The name, what came of it, why, and in how many seconds."""
        self._log.truncate(0)
        try:
            print(name, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            return [name, 'fails', 'the process in which it was to run ended before', 0]
        begun = time.monotonic()
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            return [name, 'fails', f'nothing after {PATIENCE} seconds', PATIENCE]
        line = self._process.stdout.readline()
        return json.loads(line) if line else [name, 'fails', 'its process ended', time.monotonic() - begun]

    def end(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)


def run_all(names, arguments, jobs):
    """Runs the tests, some at a time. Yields what came of each, with the log of those that fail, in no order."""
    waiting, answers = queue.SimpleQueue(), queue.SimpleQueue()
    for name in names:
        waiting.put(name)

    def serve(place):
        worker = None
        try:
            while True:
                name = waiting.get_nowait()
                worker = worker or Worker(arguments, place)
                name, outcome, text, seconds = worker.run(name)
                failed = outcome == 'fails'
                answers.put([name, outcome, text, seconds, worker.logged() if failed else ''])
                # A process in which a test hung or ended is not asked again.
                if failed:
                    worker.end()
                    worker = None
        except queue.Empty:
            pass
        finally:
            if worker:
                worker.end()

    threads = [threading.Thread(target=serve, args=[place]) for place in range(jobs)]
    for thread in threads:
        thread.start()
    for _ in names:
        yield answers.get()
    for thread in threads:
        thread.join()


def expected_of(names, lists):
    """Which tests may fail, with the reason; and the lines that fit none."""
    expected, idle = {}, []
    for reason, lines in lists.items():
        for line in lines:
            fits = [name for name in names if re.fullmatch(line, name)]
            idle += [] if fits else [line]
            expected.update((name, reason) for name in fits)
    return expected, idle


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--server', metavar='BINARY')
    parser.add_argument('--python', action='store_true')
    parser.add_argument('--only', metavar='REGEX', default='')
    parser.add_argument('--short', action='store_true')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--msgpack', action='store_true', help='with the encoding M5 in place of Z5')
    parser.add_argument('--jobs', type=int, choices=range(1, MOST_WORKERS + 1),
                        default=min(2 * (os.cpu_count() or 1), MOST_WORKERS))
    parser.add_argument('--verbose', action='store_true', help='show why tests fail that may')
    parser.add_argument('--attended', action='store_true', help='end when standard input does')
    parser.add_argument('--work', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--serve', metavar='CONFIG', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve_as_python(options.serve)
    if options.msgpack:
        os.environ['ZEO_MSGPACK'] = '1'
    else:
        os.environ.pop('ZEO_MSGPACK', None)
    if options.python:
        command, arguments = [sys.executable, os.path.abspath(__file__), '--serve'], ['--python']
    elif options.server:
        binary = os.path.abspath(options.server)
        command, arguments = [binary, 'serve', '-C'], ['--server', binary]
    elif not options.list:
        parser.error('one of --server, --python and --list is needed')
    if options.work:
        return work(command)
    if options.attended:
        threading.Thread(target=end_with_input, args=[sys.stdin], daemon=True).start()

    everything = [name for module in MODULES for name in tests_of(module)]
    left_out, idle = expected_of(everything, LEFT_OUT)
    lists = PYTHONS_OWN if options.python else PYTHONS_OWN | EXCEPTIONS
    expected, more = expected_of(everything, lists)
    short = re.compile('|'.join(SHORT)) if options.short else re.compile('')
    names = [name for name in everything
             if name not in left_out and re.search(options.only, name) and short.search(name)]
    if options.list:
        return print('\n'.join(names))

    begun, passed, wrong, slow = time.monotonic(), 0, [], []
    for name, outcome, text, seconds, log in run_all(names, arguments, options.jobs):
        slow.append((seconds, name))
        may_fail = expected.get(name)
        if outcome == 'fails' and not may_fail:
            wrong.append(name)
            print(f'FAILS {name}\n{text}\nthe end of its log:\n{log}', flush=True)
        elif outcome == 'fails' and options.verbose:
            print(f'may fail: {name} ({may_fail})\n{text}', flush=True)
        elif outcome != 'fails' and may_fail:
            wrong.append(name)
            print(f'PASSES, but is listed ({may_fail}): {name}', flush=True)
        passed += outcome == 'passes'
    for line in idle + more:
        wrong.append(line)
        print(f'a line of the lists fits no test: {line}')
    slowest = ', '.join(f'{name} {seconds:.0f} s' for seconds, name in sorted(slow)[:-4:-1])
    print(f'{passed} of {len(names)} tests pass, {len(expected.keys() & set(names))} are listed as failing, '
          f'{len(left_out)} left out; {time.monotonic() - begun:.0f} s; the longest: {slowest}')
    if wrong:
        sys.exit(f'FAILED: {len(wrong)}\n  ' + '\n  '.join(sorted(wrong)))


if __name__ == '__main__':
    main()
