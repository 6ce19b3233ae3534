//! What a bench prints and writes.

use std::time::Duration;

/// Times of one measurement, sorted.
#[derive(Clone, Debug)]
pub struct Times(Vec<Duration>);

impl Times {
    #[must_use]
    pub fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The time below which this share of the measurements lies.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a handful of measurements"
        )]
        let index = (self.0.len().saturating_sub(1) as f64 * share).round() as usize;
        self.0.get(index).copied().unwrap_or_default()
    }

    #[must_use]
    pub fn median(&self) -> Duration {
        self.quantile(0.5)
    }

    /// Rows per second when each measurement handled so many, at the median.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self, rows: usize) -> f64 {
        rows as f64 / self.median().as_secs_f64()
    }
}

/// Writes a bench's section of docs/performance.md; the other sections stay.
pub fn write(name: &str, about: &str, result: &str) -> anyhow::Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let date = quittance_chassis::clock::now().format("%Y-%m-%d");
    let section = format!(
        "{begin}## {name}\n\n{about}\n\n{cores} cores, {} GiB of memory, {date}.\n\n{result}{end}",
        machine_gib()
    );
    let text = match (before.find(&begin), before.find(&end)) {
        (Some(from), Some(to)) => {
            format!("{}{section}{}", &before[..from], &before[to + end.len()..])
        }
        _ => format!("{before}{section}"),
    };
    Ok(std::fs::write(path, text)?)
}

/// Memory of this machine in GiB, or 0 where it cannot be read.
fn machine_gib() -> u64 {
    kib("/proc/meminfo", "MemTotal:").div_ceil(1024 * 1024)
}

/// A line of a file of the kernel, in KiB.
pub(super) fn kib(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// A rate as people read it.
#[must_use]
pub fn per_second(rate: f64) -> String {
    if rate >= 10_000.0 { format!("{:.1} k/s", rate / 1000.0) } else { format!("{rate:.0}/s") }
}

/// Milliseconds with two decimals.
#[must_use]
pub fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
