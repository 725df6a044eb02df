//! A client's cache.

pub mod trace;
