//! The server as a whole: bytes in, bytes out.

mod calls;

mod tx;
