//! The tokio shell around the machines of zeolith-core.
