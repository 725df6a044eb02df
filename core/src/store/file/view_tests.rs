use super::*;

fn view<'a>(spans: &'a Spans, end: u64, closed: &'a [Range<u64>]) -> View<'a> {
    View { spans: &spans.held, end, closed }
}

#[test]
fn a_miss_names_the_span_clipped_to_the_file() {
    let spans = Spans::default();
    let view = view(&spans, 100, &[]);
    assert_eq!(view.slice_or(90, 4, 4096), Err(Need::Bytes(Span { at: 90, len: 10 })));
    assert_eq!(view.slice(98, 4), damaged(98, Broken::Ends));
    assert_eq!(view.slice(u64::MAX, 4), damaged(u64::MAX, Broken::Ends));
}

#[test]
fn bytes_of_settled_steps_are_dropped_when_new_ones_come() {
    let mut spans = Spans::default();
    spans.add(0, Bytes::from_static(b"0123"));
    spans.add(10, Bytes::from_static(b"abcd"));
    assert_eq!(view(&spans, 100, &[]).slice(1, 3), Ok(&b"123"[..]));
    assert_eq!(view(&spans, 100, &[]).some(12, 100), Ok(&b"cd"[..]));
    spans.settled = true;
    spans.add(20, Bytes::from_static(b"x"));
    assert!(view(&spans, 100, &[]).slice(1, 3).is_err());
    assert_eq!(view(&spans, 100, &[]).slice(20, 1), Ok(&b"x"[..]));
}

#[test]
fn a_look_into_a_damaged_range_ends_there_though_the_bytes_are_at_hand() {
    let mut spans = Spans::default();
    spans.add(0, Bytes::from_static(b"0123456789"));
    let closed = std::slice::from_ref(&(4..6));
    assert_eq!(view(&spans, 10, closed).slice(5, 1), damaged(5, Broken::Checksum));
    assert_eq!(view(&spans, 10, closed).slice(6, 1), Ok(&b"6"[..]));
}
