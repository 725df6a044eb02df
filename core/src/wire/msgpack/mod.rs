//! msgpack, as Python's `packb(use_bin_type=True)` writes it and `unpackb(raw=False, use_list=False)` reads it.

mod marker;
mod read;
pub(super) mod write;

pub use read::read;

#[cfg(test)]
mod tests;
