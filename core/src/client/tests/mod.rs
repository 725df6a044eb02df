//! The client machine, in conversations with real servers and with scripted ones.

mod browsing;
mod connections;
mod golden;
mod histories;
mod hostile;
mod loads;
mod settling;
mod transactions;
mod verification;
