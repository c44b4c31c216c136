//! A histogram of durations: fixed buckets, no lock. It knows no labels.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds, and as Prometheus writes them in seconds.
pub(super) const BOUNDS: [(u64, &str); 15] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (60_000_000, "60"),
];

#[derive(Default)]
pub(super) struct Histogram {
    /// Not cumulative here; the last is for what is longer than every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// What a histogram holds at one moment.
pub(super) struct Reading {
    /// Cumulative, one for each bound.
    pub(super) buckets: [u64; BOUNDS.len()],
    pub(super) count: u64,
    pub(super) sum_micros: u64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|(bound, _)| *bound < micros);
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Reading {
        let mut count = 0;
        let mut cumulative = |bucket: &AtomicU64| {
            count += bucket.load(Ordering::Relaxed);
            count
        };
        let buckets = std::array::from_fn(|at| cumulative(&self.buckets[at]));
        cumulative(&self.buckets[BOUNDS.len()]);
        Reading { buckets, count, sum_micros: self.sum_micros.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_each_bucket_that_is_large_enough() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let reading = histogram.read();
        assert_eq!(reading.buckets[..2], [2, 3]);
        assert_eq!((reading.buckets[BOUNDS.len() - 1], reading.count), (4, 5));
        assert_eq!(reading.sum_micros, 120_002_002);
    }

    #[test]
    fn each_bound_is_written_as_its_seconds() {
        for (micros, seconds) in BOUNDS {
            assert_eq!(seconds.parse::<f64>().unwrap() * 1e6, micros as f64);
        }
    }
}
