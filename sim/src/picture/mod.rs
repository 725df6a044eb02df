//! stub
use crate::record::Record; use crate::schedule::Schedule;
pub fn svg(_: &Record, _: &str) -> String { String::new() }
pub fn html(_: &Record, _: &str, _: &Schedule) -> String { String::new() }
