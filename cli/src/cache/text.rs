//! Figures as ZEO's tools write them, and the options that these share.

/// `part` of `whole` in per cent; zero of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// A hit rate: `n/a` without loads.
pub(super) fn hit_rate(hits: u64, loads: u64) -> String {
    if loads == 0 { "n/a".to_owned() } else { format!("{:5.1}%", percent(hits, loads)) }
}

/// Minutes as seconds, as ZEO's tools take them: at most an hour; nothing and less is a minute.
pub(super) fn interval(text: &str) -> Result<u32, &'static str> {
    let minutes: f64 = text.parse().map_err(|_| "expected minutes")?;
    let seconds = (60.0 * minutes) as u32;
    Ok(if seconds == 0 { 60 } else { seconds.min(3600) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_an_hour_at_most_and_a_minute_for_nothing() {
        assert_eq!(
            ["15", "0.5", "0", "-3", "100", "1.99"].map(|text| interval(text).unwrap()),
            [900, 30, 60, 60, 3600, 119]
        );
        assert!(interval("soon").is_err());
    }
}
