//! Oids and tids in texts by the names that a script gives them.

use crate::server::testing::Script;
use std::fmt::Debug;

/// A value as it is printed for debugging.
pub(super) fn shown(script: &mut Script, value: &impl Debug) -> String {
    named(script, &format!("{value:?}"))
}

/// A text, with `Oid(0x…)`, `Tid(0x…)` and sixteen hexadecimal digits by name.
pub(super) fn named(script: &mut Script, mut text: &str) -> String {
    let mut out = String::new();
    while !text.is_empty() {
        let typed = text.strip_prefix("Oid(0x").or_else(|| text.strip_prefix("Tid(0x"));
        let digits = typed.unwrap_or(text);
        let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let rest = &digits[len..];
        if let Some(rest) = rest.strip_prefix(')').filter(|_| typed.is_some()) {
            out += &script.number(u64::from_str_radix(&digits[..len], 16).expect("digits"));
            text = rest;
        } else if len == 16 {
            out += &script.number(u64::from_str_radix(&digits[..len], 16).expect("digits"));
            text = rest;
        } else {
            let taken =
                text.chars().next().expect("a text that is not empty").len_utf8().max(len.min(text.len()));
            out += &text[..taken];
            text = &text[taken..];
        }
    }
    out
}
