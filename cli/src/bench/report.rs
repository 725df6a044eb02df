//! The result, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::histogram::Histogram;
use super::options::{BenchArgs, Row};
use super::process::{Machine, Process};
use super::tally::{Tally, median};

/// What is known of a server.
#[derive(Clone, Debug)]
pub struct About {
    /// Its address.
    pub address: String,
    /// Its handshake.
    pub protocol: String,
    /// Its process, when it runs here.
    pub process: Option<Process>,
}

/// One row, measured on one server or on two.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was measured.
    pub row: Row,
    /// With how many connections; of fan-out, listeners.
    pub connections: usize,
    /// Each server's figures. With two their slices are pairs.
    pub tallies: Vec<Tally>,
}

/// The first server's figures divided by the second's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Of the operations a second: the median of the pairs' ratios.
    pub rate: f64,
    /// The lowest and the highest of the pairs' ratios.
    pub range: (f64, f64),
    /// Of the CPU time an operation.
    pub cpu: Option<f64>,
}

impl Measured {
    /// The ratio; `None` with one server.
    pub fn ratio(&self) -> Option<Ratio> {
        let [one, two] = &self.tallies[..] else { return None };
        let pairs: Vec<f64> =
            one.slices.iter().zip(&two.slices).map(|(one, two)| one.rate() / two.rate()).collect();
        let lowest = pairs.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = pairs.iter().copied().fold(0.0, f64::max);
        let cpu = cpu_an_operation(one).zip(cpu_an_operation(two)).filter(|(_, two)| *two > 0.0);
        Some(Ratio { rate: median(pairs), range: (lowest, highest), cpu: cpu.map(|(one, two)| one / two) })
    }

    /// The row as a table.
    pub fn table(&self, servers: &[About]) -> String {
        let mut text = format!("{}\n", self.title());
        let wide = servers.iter().map(|server| server.address.len()).max().unwrap_or(0).max(24);
        let mut line = |name: &str, cells: [String; 5]| {
            let [rate, p50, p99, max, cpu] = cells;
            writeln!(text, "  {name:wide$} {rate:>9} {p50:>10} {p99:>10} {max:>10} {cpu:>10}")
                .expect("text grows");
        };
        line("", ["op/s", "p50", "p99", "max", "CPU/op"].map(str::to_owned));
        for (server, tally) in servers.iter().zip(&self.tallies) {
            let cpu =
                cpu_an_operation(tally).map_or("?".to_owned(), |cpu| human(Duration::from_secs_f64(cpu)));
            line(&server.address, row_of(tally.rate(), &tally.latencies(), cpu));
            for (name, histogram) in self.parts(tally) {
                let rate = histogram.count() as f64 / tally.elapsed().as_secs_f64().max(1e-9);
                line(&format!("  {name}"), row_of(rate, histogram, String::new()));
            }
            if tally.conflicts > 0 {
                line(&format!("  {} in conflict", tally.conflicts), Default::default());
            }
        }
        if let Some(ratio) = self.ratio() {
            let (lowest, highest) = ratio.range;
            let spread = format!("  pairs {lowest:.2} to {highest:.2}");
            let cpu = ratio.cpu.map_or("?".to_owned(), |cpu| format!("{cpu:.2}"));
            line("ratio", [format!("{:.2}", ratio.rate), String::new(), String::new(), String::new(), cpu]);
            line(&spread, Default::default());
        }
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
    }

    fn title(&self) -> String {
        let (row, number) = (self.row, self.connections);
        let plural = if number == 1 { "" } else { "s" };
        match row {
            Row::FanOut => format!("{row}, {number} listening connection{plural}"),
            _ => format!("{row}, {number} connection{plural}"),
        }
    }

    /// Latencies that are told beside the row's own.
    fn parts<'a>(&self, tally: &'a Tally) -> Vec<(&'static str, &'a Histogram)> {
        match self.row {
            Row::Load | Row::Pipelined | Row::Commit => Vec::new(),
            Row::Mix => vec![("loads", &tally.loads), ("commits", &tally.commits)],
            Row::FanOut => vec![("commits", &tally.commits)],
        }
    }

    /// The row as one JSON object.
    pub fn json(&self, servers: &[About], options: &BenchArgs, machine: &Machine) -> Value {
        let figures = |(server, tally): (&About, &Tally)| {
            let cpu = tally.cpu.map(|cpu| cpu.as_secs_f64());
            let parts: serde_json::Map<String, Value> = self
                .parts(tally)
                .into_iter()
                .map(|(name, histogram)| (name.to_owned(), latency(histogram)))
                .collect();
            json!({
                "address": server.address,
                "protocol": server.protocol,
                "pid": server.process.as_ref().map(|process| process.pid),
                "program": server.process.as_ref().map(|process| process.name.clone()),
                "operations": tally.operations(),
                "seconds": tally.elapsed().as_secs_f64(),
                "per_second": tally.rate(),
                "latency": latency(&tally.latencies()),
                "parts": parts,
                "conflicts": tally.conflicts,
                "slices": tally.slices.len(),
                "cpu_seconds": cpu,
                "cpu_us_an_operation": cpu_an_operation(tally).map(|cpu| cpu * 1e6),
            })
        };
        let ratio = self.ratio().map(|ratio| {
            json!({
                "per_second": ratio.rate,
                "lowest": ratio.range.0,
                "highest": ratio.range.1,
                "cpu_an_operation": ratio.cpu,
            })
        });
        json!({
            "row": self.row.to_string(),
            "connections": self.connections,
            "pipeline": if self.row == Row::Pipelined { options.pipeline } else { 1 },
            "size": options.size,
            "objects": options.objects,
            "objects_a_transaction": options.objects_a_transaction,
            "contended": options.contended,
            "servers": servers.iter().zip(&self.tallies).map(figures).collect::<Vec<_>>(),
            "ratio": ratio,
            "environment": {
                "cpu": machine.cpu,
                "cores": machine.cores,
                "kernel": machine.kernel,
                "zeolith": env!("CARGO_PKG_VERSION"),
            },
        })
    }
}

/// The least CPU time that is divided: the kernel counts it in hundredths of a second.
const TELLING: Duration = Duration::from_millis(100);

/// Seconds of CPU time that one operation took the server; `None` when it is not known well enough to say.
fn cpu_an_operation(tally: &Tally) -> Option<f64> {
    let operations = tally.operations();
    tally.cpu.filter(|&cpu| operations > 0 && cpu >= TELLING).map(|cpu| cpu.as_secs_f64() / operations as f64)
}

fn row_of(rate: f64, histogram: &Histogram, cpu: String) -> [String; 5] {
    let [p50, p99] = [0.5, 0.99].map(|share| human(histogram.percentile(share)));
    [format!("{rate:.0}"), p50, p99, human(histogram.max()), cpu]
}

fn latency(histogram: &Histogram) -> Value {
    let micros = |duration: Duration| duration.as_nanos() as f64 / 1e3;
    json!({
        "count": histogram.count(),
        "mean_us": micros(histogram.mean()),
        "p50_us": micros(histogram.percentile(0.5)),
        "p99_us": micros(histogram.percentile(0.99)),
        "max_us": micros(histogram.max()),
    })
}

/// A duration with three digits.
fn human(duration: Duration) -> String {
    let micros = duration.as_nanos() as f64 / 1e3;
    let (number, unit) = match micros {
        _ if micros < 1e3 => (micros, "µs"),
        _ if micros < 1e6 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
