//! A history drawn: time runs down, each node is a line, messages are arrows from where they were sent to where the last
//! of them arrived.

mod html;
mod layout;
mod svg;

use crate::record::Record;
use crate::schedule::Schedule;

/// The picture as an SVG file. It is drawn for a light or a dark page, as its reader prefers.
pub fn svg(record: &Record, title: &str) -> String {
    svg::draw(record, title)
}

/// The picture with the list of events, as a page that needs no other file.
pub fn html(record: &Record, title: &str, schedule: &Schedule) -> String {
    html::page(record, title, schedule)
}

/// Text as it stands in a page or a picture.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            // XML has no way to say these.
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
