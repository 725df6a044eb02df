//! Scalars, as Python would write them.

use super::Options;
use std::fmt::Write;
use zeolith_core::record::Reference;

/// Characters or bytes that are shown of a long one.
pub(super) const SHOWN: usize = 60;

/// Text between quotes.
pub(super) fn text(text: &str, options: Options) -> String {
    let shown = if options.full { text } else { first(text, SHOWN) };
    let rest =
        if shown.len() == text.len() { String::new() } else { length(text.chars().count(), "characters") };
    format!("'{}'{rest}", quoted(shown.chars()))
}

/// Text with lone surrogates, which are shown by their numbers.
pub(super) fn surrogates(bytes: &[u8], options: Options) -> String {
    text(&String::from_utf8_lossy(bytes), options)
}

/// Bytes between quotes.
pub(super) fn bytes(bytes: &[u8], options: Options) -> String {
    let shown = if options.full { bytes } else { &bytes[..bytes.len().min(SHOWN)] };
    let rest = if shown.len() == bytes.len() { String::new() } else { length(bytes.len(), "bytes") };
    let mut text = String::new();
    for &byte in shown {
        match byte {
            0x20..=0x7e => text += &quoted([char::from(byte)].into_iter()),
            b'\n' | b'\r' | b'\t' => text += &quoted([char::from(byte)].into_iter()),
            _ => write!(text, "\\x{byte:02x}").expect("a string takes everything"),
        }
    }
    format!("b'{text}'{rest}")
}

fn length(length: usize, of: &str) -> String {
    format!("… ({length} {of})")
}

/// The first characters of a text.
pub(super) fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(at, _)| &text[..at])
}

fn quoted(characters: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for character in characters {
        match character {
            '\'' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character.is_control() => {
                write!(out, "\\x{:02x}", u32::from(character)).expect("a string takes everything");
            }
            _ => out.push(character),
        }
    }
    out
}

/// A name from a record: without what a terminal would obey, and not endless.
pub(crate) fn plain(name: &str) -> String {
    quoted(first(name, 500).chars())
}

/// An integer of any size, from its two's complement in little-endian order: decimal up to 128 bits.
pub(super) fn integer(bytes: &[u8], options: Options) -> String {
    let negative = bytes.last().is_some_and(|top| top & 0x80 != 0);
    if bytes.len() <= 16 {
        let mut value = [if negative { 0xff } else { 0 }; 16];
        value[..bytes.len()].copy_from_slice(bytes);
        return i128::from_le_bytes(value).to_string();
    }
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let shown = if options.full { magnitude.len() } else { magnitude.len().min(SHOWN / 2) };
    let mut text = String::from(if negative { "-0x" } else { "0x" });
    for byte in magnitude.iter().rev().take(shown) {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    if shown < magnitude.len() { text + &length(8 * bytes.len(), "bits") } else { text }
}

/// A float: as short as it reads back, with a point or an exponent.
pub(super) fn float(value: f64) -> String {
    match value {
        _ if value.is_nan() => "nan".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        _ => format!("{value:?}"),
    }
}

/// A reference by its oid.
pub(super) fn reference(reference: &Reference) -> String {
    let oid = reference.oid().0;
    match reference {
        Reference::Object(_) => format!("{oid:#x}"),
        Reference::Weak(_) => format!("{oid:#x} (weak)"),
        Reference::Foreign { database, .. } => format!("{oid:#x} in '{}'", plain(database)),
        Reference::ForeignWeak { database, .. } => format!("{oid:#x} in '{}' (weak)", plain(database)),
    }
}
