"""Which of ZEO's own tests run, and which of them may fail.

A line is a regular expression over a test's whole name.
"""

MODULES = ['testZEO', 'testConnection', 'testssl', 'test_sync', 'test_client_side_conflict_resolution', 'testConfig',
           'testConversionSupport', 'scripts']

# Cases that ZEO has and leaves out of its run to save time.
MORE_CASES = {
    'testZEO': ['FileStorageTests', 'FileStorageHexTests', 'FileStorageClientHexTests', 'DemoStorageTests'],
}

# What says nothing about a server in a process of its own.
LEFT_OUT = {
    'looks into the state of a server in its own process': [
        'test_sync .*',
        'test_client_side_conflict_resolution .* test_server_side',
        'testConversionSupport test_server_record_iternext',
        'testZEO .* (getInvalidationsAfterServerRestart|multiple_storages_invalidation_queue_is_not_insane)',
        'testZEO .* dynamic_server_ports_test',
        'testssl .* test_ssl_mockiavellian_server_.*',
    ],
    'starts runzeo by itself': [
        'testZEO .* (runzeo_without_configfile|runzeo_logrotate_on_sigusr2)',
    ],
    'makes a server of its own process announce an older protocol': [
        'testZEO .* protocols_test',
    ],
    'needs no server': [
        'testZEO !no tests here! .*',
        'testZEO Test_convenience_functions .*',
        'testZEO .* (ClientDisconnected_errors_are_TransientErrors|zdoptions_test)',
        'testConversionSupport test_client_record_iternext',
        'testssl .* test_ssl_mockiavellian_client_.*',
        'scripts .*',
        r'testZEO \w+Tests testPackUndoLog',
    ],
}

# What fails with Python's own server too.
PYTHONS_OWN = {
    'a file without the right to write is written by root': [
        'testZEO ClientStorage.* blob_transaction_txt',
    ],
}

EXCEPTIONS = {
    'undo merges objects of classes that only the application knows, and that no configuration names': [
        r'testZEO \w+Tests testUndo(Multiple)?ConflictResolution(Reversed)?',
    ],
    # It expects that the old state of an object is read first. Ours has the client drop its cache, and what is read is right.
    'a client that names a last transaction which the server never had keeps its cache': [
        'testZEO .* invalidate_client_cache_entry_on_server_commit_error',
    ],
    'a key that needs a function in Python for its password': [
        'testssl .* SSLConfigTest test_ssl_pw',
    ],
}

# Some of each kind.
SHORT = [
    'testZEO .*(FileStorageRecoveryTests|iterator_sane|ConflictResolutionTests|test_server_status|test_ruok)',
    'testZEO (FileStorageTests|FileStorageClientHexTests) .*',
    'testZEO MappingStorageTests .*(Load|Len|Lock)',
    'testZEO BlobAdaptedFileStorageTests .*(Blob|Undo)',
    'testZEO ClientStorageNonSharedBlobs.* (blob_transaction_txt|testUndo|packing_.*)',
    'testZEO FileStorageSSLTests .*(Store|Iterat)',
    'testConnection .*(InvqTests|ReadOnly|checkMultipleServers|checkTimeout)',
    'test_client_side_conflict_resolution',
    'testZEO .* zeo-fan-out_test',
]
