//! The cache as its users see it, over a disk that can fail in every way.

mod damage;
mod disk;
mod large;
mod model;
mod rules;
