//! A deterministic world for the machines of zeolith-core.
