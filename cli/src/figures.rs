//! Numbers as people read them.

/// Groups of three digits: `1,234,567`.
pub fn commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let grouped = [0, 12, 999, 1000, 123_456, 12_345_678].map(commas);
        assert_eq!(grouped, ["0", "12", "999", "1,000", "123,456", "12,345,678"]);
    }
}
