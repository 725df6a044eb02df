//! Numbers and text that a pickle spells out: protocols 0 and 1, and text that is not UTF-8.

use crate::wire::Malformed;

/// Digits of one decimal number: Python's own bound for converting text to an integer.
const DIGITS: usize = 4300;

/// An integer as text: `None` when it does not fit 64 bits.
pub(super) fn small_integer(line: &[u8], at: usize) -> Result<Option<i64>, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed::Text(at))?;
    if let Ok(value) = text.parse() {
        return Ok(Some(value));
    }
    let digits = line.strip_prefix(b"-").unwrap_or(line);
    if digits.is_empty() || digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::Text(at));
    }
    Ok(None)
}

/// A decimal number, checked by [`small_integer`], as two's complement in little-endian order without needless bytes.
pub(super) fn large_integer(line: &[u8]) -> Vec<u8> {
    let (negative, digits) = match line.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, line),
    };
    // Eighteen digits at a time, lowest limb first.
    let mut limbs: Vec<u64> = Vec::new();
    for digits in digits.chunks(18) {
        let (scale, value) = digits
            .iter()
            .fold((1, 0), |(scale, value), digit| (scale * 10, value * 10 + u128::from(digit - b'0')));
        let mut carry = value;
        for limb in &mut limbs {
            carry += u128::from(*limb) * scale;
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            limbs.push(carry as u64);
        }
    }
    let mut bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let needed = trimmed(&bytes);
    bytes.truncate(needed);
    bytes
}

/// How many bytes of a little-endian two's complement number say something.
pub(super) fn trimmed(bytes: &[u8]) -> usize {
    let mut len = bytes.len();
    while let [.., below, top] = bytes[..len] {
        let sign = if below & 0x80 == 0 { 0 } else { 0xff };
        if top != sign {
            break;
        }
        len -= 1;
    }
    if bytes[..len] == [0] { 0 } else { len }
}

/// Whether text is UTF-8 but for surrogates of three bytes each.
pub(super) fn is_surrogates(mut bytes: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(bytes) {
        match bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => bytes = &bytes[error.valid_up_to() + 3..],
            _ => return false,
        }
    }
    true
}

/// Appends a code point; surrogates too, as `surrogatepass` does.
fn put_char(out: &mut Vec<u8>, code: u32) -> bool {
    match char::from_u32(code) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None if code <= 0xffff => {
            out.extend_from_slice(&[0xed, 0x80 | (code >> 6) as u8 & 0x3f, 0x80 | code as u8 & 0x3f]);
        }
        None => return false,
    }
    true
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?))
}

/// Appends what Python's `raw-unicode-escape` stands for: Latin-1 with `\uxxxx` and `\Uxxxxxxxx`. `None` if malformed.
pub(crate) fn raw_unicode_escape(mut line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while let Some((&byte, rest)) = line.split_first() {
        line = rest;
        let digits = match (byte, rest.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            (b'\\', Some(&other)) => {
                // A backslash takes the next character with it: two of them never begin an escape.
                out.push(b'\\');
                put_char(out, other.into());
                line = &rest[1..];
                continue;
            }
            _ => {
                put_char(out, byte.into());
                continue;
            }
        };
        if !put_char(out, hex(rest.get(1..1 + digits)?)?) {
            return None;
        }
        line = &rest[1 + digits..];
    }
    Some(())
}

/// Appends what a quoted Python 2 string stands for. `None` if malformed.
pub(crate) fn quoted(line: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut line = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return None,
    };
    while let Some((&byte, rest)) = line.split_first() {
        line = rest;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (&escape, rest) = rest.split_first()?;
        line = rest;
        let byte = match escape {
            b'\\' | b'\'' | b'"' => escape,
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'x' => {
                line = rest.get(2..)?;
                hex(&rest[..2])? as u8
            }
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count();
                line = &rest[more..];
                rest[..more].iter().fold(escape - b'0', |value, digit| value << 3 | (digit - b'0'))
            }
            other => {
                out.push(b'\\');
                other
            }
        };
        out.push(byte);
    }
    Some(())
}

/// Appends text as Latin-1. `None` if it has other characters.
pub(crate) fn latin1(text: &str, out: &mut Vec<u8>) -> Option<()> {
    for char in text.chars() {
        out.push(u8::try_from(u32::from(char)).ok()?);
    }
    Some(())
}
