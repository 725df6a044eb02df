use super::*;

fn pieces(count: usize) -> Vec<Bytes> {
    (0..count).map(|at| Bytes::from(vec![at as u8; 100_000 + at])).collect()
}

async fn all(reader: &mut Reader) -> (Vec<u8>, Spooled) {
    let mut bytes = Vec::new();
    loop {
        match reader.next().await {
            Spooled::Piece(piece) => bytes.extend_from_slice(&piece),
            end => return (bytes, end),
        }
    }
}

#[tokio::test]
async fn bytes_come_out_as_they_went_in_wherever_they_waited() {
    for (count, read) in [(0, 0), (1, 0), (41, 0), (42, 0), (300, 0), (300, 1), (300, 50), (300, 299)] {
        let (feeder, mut reader) = spool();
        let pieces = pieces(count);
        let mut early = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            feeder.push(piece.clone());
            if at % 300 < read
                && let Spooled::Piece(piece) = reader.next().await
            {
                early.extend_from_slice(&piece);
            }
        }
        feeder.end(Ok(Answer::Done));
        let (late, end) = all(&mut reader).await;
        assert!([early, late].concat() == pieces.concat(), "{count} pieces, {read} of them read meanwhile");
        assert_eq!(end, Spooled::End(Ok(Answer::Done)));
    }
}

#[tokio::test]
async fn memory_is_bounded_and_the_file_goes_when_it_is_read() {
    let (feeder, mut reader) = spool();
    for piece in pieces(200) {
        feeder.push(piece);
    }
    assert!(reader.0.lock().held <= IN_MEMORY && reader.0.lock().overflow.is_some());
    for _ in 0..500 {
        if reader.0.lock().overflow.is_none() && reader.0.lock().pieces.is_empty() {
            break;
        }
        reader.next().await;
    }
    assert!(reader.0.lock().overflow.is_none());
    feeder.push(Bytes::from_static(b"more"));
    assert_eq!(reader.0.lock().held, 4, "memory again");
}

#[tokio::test]
async fn an_end_that_never_comes_is_told() {
    let (feeder, mut reader) = spool();
    feeder.push(Bytes::from_static(b"some"));
    drop(feeder);
    assert_eq!(all(&mut reader).await, (b"some".to_vec(), Spooled::Broken));
}

#[tokio::test]
async fn a_future_that_is_dropped_has_taken_nothing() {
    let (feeder, mut reader) = spool();
    let nothing = tokio::time::timeout(std::time::Duration::from_millis(1), reader.next()).await;
    assert!(nothing.is_err());
    feeder.push(Bytes::from_static(b"some"));
    feeder.end(Err(Error::Closed));
    assert_eq!(all(&mut reader).await, (b"some".to_vec(), Spooled::End(Err(Error::Closed))));
}
