//! The tools that look into storages and copy them: over servers of both makers, and over files.

mod copying;
mod looking;
mod packing;
mod rig;
mod watching;
