//! What a client's machine needs of the operating system.

pub mod medium;
