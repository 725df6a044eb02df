"""A relay between client and server whose connections can be cut: a reconnect without a restart of either."""

import socket
import threading

from common import address


class Proxy:

    def __init__(self, where):
        self._upstream = address(where)
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._sockets = set()
        self.connections = 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Cuts every connection and lets new ones wait, unanswered."""
        with self._lock:
            self._open.clear()
            sockets, self._sockets = self._sockets, set()
        for end in sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its peer was faster

    def resume(self):
        """Lets waiting and new connections through."""
        self._open.set()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        self._open.wait()
        family = socket.AF_UNIX if isinstance(self._upstream, str) else socket.AF_INET
        server = socket.socket(family, socket.SOCK_STREAM)
        server.connect(self._upstream)
        with self._lock:
            self._sockets.update((client, server))
            self.connections += 1
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        with self._lock:
            self._sockets.difference_update((client, server))
        client.close()
        server.close()

    @staticmethod
    def _pump(source, target):
        try:
            while chunk := source.recv(1 << 16):
                target.sendall(chunk)
        except OSError:
            pass  # cut
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other direction was faster
