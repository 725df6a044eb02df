//! A plot of the hit rate over the cache's size, as a file that needs no other.

use super::curves::{Curves, size_text};
use crate::cache::text::percent;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 728.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 392.0;

/// Colours that differ for the colour-blind too, and the dashes of reference curves.
const STYLES: &[(&str, &str)] =
    &[("#d55e00", ""), ("#0072b2", ""), ("#009e73", "6 4"), ("#cc79a7", "2 3"), ("#555555", "")];

/// Draws the curves; the size's axis is logarithmic.
pub(super) fn draw(curves: &Curves) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    put(&mut svg, curves).expect("a string takes everything");
    svg
}

fn put(svg: &mut String, curves: &Curves) -> std::fmt::Result {
    let (first, last) = (curves.sizes[0] as f64, *curves.sizes.last().unwrap_or(&1) as f64);
    let span = (last / first).ln();
    // A single size stands in the middle.
    let x = |size: u64| match span > 0.0 {
        true => LEFT + (RIGHT - LEFT) * (size as f64 / first).ln() / span,
        false => (LEFT + RIGHT) / 2.0,
    };
    let y = |rate: f64| BOTTOM - (BOTTOM - TOP) * rate / 100.0;
    let middle = (LEFT + RIGHT) / 2.0;

    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#333">
<title>Hit rate over cache size</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="{LEFT}" y="34" font-size="18" font-weight="600" fill="#111">Hit rate over cache size</text>
<text x="{RIGHT}" y="34" text-anchor="end" fill="#777">{} loads, {} of objects</text>"##,
        crate::figures::commas(curves.loads),
        size_text(curves.footprint),
    )?;
    for rate in (0..=100).step_by(20) {
        let at = y(f64::from(rate));
        writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{RIGHT}" stroke="#e4e4e4"/>"##)?;
        writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{rate}%</text>"#,
            LEFT - 10.0,
            at + 4.5
        )?;
    }
    for &size in labelled(&curves.sizes) {
        let at = x(size);
        writeln!(svg, r##"<path d="M{at:.1} {BOTTOM}v6" stroke="#888"/>"##)?;
        let text = size_text(size);
        writeln!(svg, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#, BOTTOM + 22.0)?;
    }
    writeln!(svg, r##"<path d="M{LEFT} {BOTTOM}H{RIGHT}" stroke="#888"/>"##)?;
    writeln!(
        svg,
        r##"<text x="{middle:.1}" y="{:.1}" text-anchor="middle" fill="#555">cache size (logarithmic)</text>
<text transform="translate(20 {:.1}) rotate(-90)" text-anchor="middle" fill="#555">loads answered by the cache</text>"##,
        BOTTOM + 50.0,
        (TOP + BOTTOM) / 2.0,
    )?;
    for (at, (name, hits)) in curves.rows.iter().enumerate() {
        let (colour, dashes) = STYLES[at % STYLES.len()];
        let legend = LEFT + 150.0 * at as f64;
        let line = format!(r#"fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}""#);
        writeln!(svg, r#"<path d="M{legend:.1} 62h26" {line}/>"#)?;
        writeln!(svg, r#"<text x="{:.1}" y="66.5">{}</text>"#, legend + 34.0, escaped(name))?;
        let points = curves.sizes.iter().zip(hits);
        let points: Vec<_> =
            points.map(|(size, hits)| (*size, x(*size), percent(*hits, curves.loads))).collect();
        let path: Vec<_> = points.iter().map(|(_, x, rate)| format!("{x:.1},{:.1}", y(*rate))).collect();
        writeln!(svg, r#"<polyline points="{}" {line} stroke-linejoin="round"/>"#, path.join(" "))?;
        for (size, x, rate) in points {
            writeln!(
                svg,
                r##"<circle cx="{x:.1}" cy="{:.1}" r="3.5" fill="{colour}" stroke="#fff"><title>{}, {}: {rate:.1}%</title></circle>"##,
                y(rate),
                escaped(name),
                size_text(size),
            )?;
        }
    }
    writeln!(svg, "</svg>")
}

/// Sizes far enough apart for their names to stand side by side: no more than ten.
fn labelled(sizes: &[u64]) -> impl Iterator<Item = &u64> {
    sizes.iter().step_by(sizes.len().div_ceil(10).max(1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
