//! To come.
/// To come.
pub fn footprint(_: usize, _: impl Iterator<Item = Option<usize>>) -> u64 {
    todo!()
}
