use super::*;

#[test]
fn a_transaction_header_is_laid_out_as_pythons_struct() {
    let header = TxnHeader {
        tid: Tid(0x0102030405060708),
        length: 300,
        status: b' ',
        user: 1,
        description: 2,
        extension: 3,
    };
    let mut out = BytesMut::new();
    header.put(&mut out);
    // struct.pack(">8sQcHHH", bytes(range(1, 9)), 300, b" ", 1, 2, 3)
    assert_eq!(&out[..], b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\x01\x2c \0\x01\0\x02\0\x03");
    assert_eq!(TxnHeader::parse(out[..].try_into().unwrap()), header);
    assert_eq!(header.records_at(), 29);
}

#[test]
fn a_data_header_is_laid_out_as_pythons_struct() {
    let header = DataHeader { oid: Oid(1), tid: Tid(2), prev: 3, txn: 4, data: 5 };
    let mut out = BytesMut::new();
    header.put(&mut out);
    // struct.pack(">8s8sQQHQ", p64(1), p64(2), 3, 4, 0, 5)
    let expected = [1, 2, 3, 4].map(|n: u64| n.to_be_bytes()).concat();
    assert_eq!(out[..32], expected[..]);
    assert_eq!(out[32..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(DataHeader::parse(out[..].try_into().unwrap()), Ok(header));
    out[33] = 1;
    assert_eq!(DataHeader::parse(out[..].try_into().unwrap()), Err(Broken::Version));
}

#[test]
fn a_footprint_counts_headers_strings_data_and_the_repeated_length() {
    assert_eq!(footprint(10, [].into_iter()), 41);
    assert_eq!(footprint(0, [Some(100), None, Some(0)].into_iter()), 31 + 142 + 50 + 50);
}

#[test]
fn nonsense_lengths_saturate_instead_of_wrapping() {
    let header = TxnHeader::parse(&[0xff; TXN_HEADER]);
    assert_eq!(header.stride(), u64::MAX);
    let record = DataHeader { oid: Oid(1), tid: Tid(2), prev: 3, txn: 4, data: u64::MAX };
    assert_eq!(record.record_len(), u64::MAX);
}
