use super::*;
use proptest::prelude::*;

fn framed(messages: &[Vec<u8>]) -> BytesMut {
    let mut out = BytesMut::new();
    for message in messages {
        put_frame(&mut out, |out| {
            out.put_slice(message);
            0
        });
    }
    out
}

const LIMIT: usize = 1 << 20;

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_however_the_bytes_are_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
        cuts in prop::collection::vec(1..70_usize, 1..50),
        stop_after in 0..4_usize,
    ) {
        let stream = framed(&messages);
        let mut frames = Frames::new();
        let mut seen = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let mut chunk;
            (chunk, rest) = rest.split_at((*cut).min(rest.len()));
            // A caller that stops between messages keeps the rest and comes back for it.
            for _ in 0..stop_after {
                if let Some(frame) = frames.next(&mut chunk, LIMIT)? {
                    seen.push(frame.bytes().to_vec());
                }
            }
            frames.keep(chunk);
            let mut nothing: &[u8] = &[];
            while let Some(frame) = frames.next(&mut nothing, LIMIT)? {
                seen.push(frame.bytes().to_vec());
            }
        }
        prop_assert_eq!(seen, messages);
        prop_assert_eq!(frames.buffered(), 0);
    }
}

#[test]
fn a_message_that_lies_in_the_chunk_is_borrowed_from_it() {
    let stream = framed(&[b"one".to_vec(), b"".to_vec()]);
    let mut chunk = &stream[..];
    let mut frames = Frames::new();
    let frame = frames.next(&mut chunk, LIMIT).unwrap().unwrap();
    assert!(matches!(frame, Frame::Borrowed(b"one")));
    assert!(!std::ptr::eq(frame.share(b"one").as_ptr(), frame.bytes().as_ptr()));
    assert!(matches!(frames.next(&mut chunk, LIMIT), Ok(Some(Frame::Borrowed(b"")))));
    assert!(matches!(frames.next(&mut chunk, LIMIT), Ok(None)));
    assert_eq!(frames.buffered(), 0);
}

#[test]
fn a_split_message_is_assembled_once_and_its_parts_are_shared() {
    let body = vec![7; 300_000];
    let stream = framed(std::slice::from_ref(&body));
    let mut frames = Frames::new();
    for piece in stream[..stream.len() - 1].chunks(1000) {
        let mut chunk = piece;
        assert!(frames.next(&mut chunk, LIMIT).unwrap().is_none());
        assert!(chunk.is_empty());
    }
    let mut chunk = &stream[stream.len() - 1..];
    let frame = frames.next(&mut chunk, LIMIT).unwrap().unwrap();
    assert_eq!(frame.bytes(), body);
    let part = &frame.bytes()[1000..2000];
    assert_eq!(frame.share(part).as_ptr(), part.as_ptr());
    assert_eq!(frame.share(b"elsewhere"), &b"elsewhere"[..]);
}

#[test]
fn room_follows_what_arrived_and_not_what_was_announced() {
    let mut frames = Frames::new();
    let mut chunk = &b"\x3f\xff\xff\xffonly this"[..];
    assert!(frames.next(&mut chunk, 1 << 30).unwrap().is_none());
    assert_eq!(frames.buffered(), 13);
    assert!(frames.buffer.capacity() < 1000);
}

#[test]
fn the_limit_counts_the_message_and_may_change_between_two() {
    let stream = framed(&[vec![0; 10], vec![0; 11]]);
    let mut frames = Frames::new();
    let mut chunk = &stream[..];
    assert_eq!(frames.next(&mut chunk, 10).unwrap().unwrap().bytes().len(), 10);
    let refused = Err(FrameError::TooLong { len: 11, limit: 10 });
    assert_eq!(frames.next(&mut chunk, 10).map(drop), refused);
    frames.keep(chunk);
    assert_eq!(frames.next(&mut &[][..], 10).map(drop), refused);
    assert_eq!(frames.next(&mut &[][..], 11).unwrap().unwrap().bytes().len(), 11);
}

#[test]
fn a_length_is_refused_before_the_message_arrives() {
    let mut frames = Frames::new();
    for byte in [0xff, 0xff, 0xff] {
        assert!(frames.next(&mut &[byte][..], LIMIT).unwrap().is_none());
    }
    let refused = frames.next(&mut &[0xff][..], LIMIT).map(drop);
    assert_eq!(refused, Err(FrameError::TooLong { len: u32::MAX as usize, limit: LIMIT }));
}

#[test]
fn bytes_sent_from_elsewhere_count_in_the_length() {
    let mut out = BytesMut::from(&b"before"[..]);
    put_frame(&mut out, |out| {
        out.put_slice(b"head");
        10
    });
    assert_eq!(&out[..], b"before\0\0\0\x0ehead");
}
