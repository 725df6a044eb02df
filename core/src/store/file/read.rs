//! To come.
/// To come.
#[derive(Debug)]
pub struct Pending<C>(pub C);
