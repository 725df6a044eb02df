"""tls.py ADDRESS: who has no certificate that the server trusts is refused, and costs nobody else anything."""

import ssl

from common import check
from common import check_equal
from common import database
from common import raised
from common import run
from common import storage
from ZEO.Exceptions import ClientDisconnected
from ZEO.tests import testssl
from ZODB.tests.MinPO import MinPO


def context(certificate=None, version=None):
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=testssl.server_cert)
    made.check_hostname = False
    if certificate:
        made.load_cert_chain(*certificate)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def main(where):
    good = testssl.client_cert, testssl.client_key
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        db = database(where, ssl=context(good, version))
        connection = db.open()
        connection.root()[version.name] = MinPO(version.name)
        connection.transaction_manager.commit()
        strange = testssl.serverpw_cert, testssl.serverpw_key, testssl.pwfunc
        for refused in (None, context(), context(strange, version)):
            raised(ClientDisconnected, lambda: storage(where, ssl=refused, wait_timeout=2))
        # One that is in another name than the one it looks for, on the other side.
        named = context(good, version)
        named.check_hostname = True
        raised(ClientDisconnected, lambda: storage(where, ssl=named, ssl_server_hostname='example.org', wait_timeout=2))
        storage(where, ssl=named, ssl_server_hostname='zodb.org').close()
        # Who came in before was not disturbed.
        check(db.storage.is_connected(), 'the good client was disturbed')
        check_equal(connection.root()[version.name].value, version.name, 'what was written')
        connection.root()[version.name].value = 'changed'
        connection.transaction_manager.commit()
        db.close()
    return 'three kinds of strangers refused over two versions'


if __name__ == '__main__':
    run(main)
