//! The process as the system sees it, by the names that Prometheus' own clients have for it, where there is a `/proc`.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What can be told of it now.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::with_prefix("process");
    if let Some(seconds) = cpu_seconds() {
        let cpu: Counter<f64, AtomicU64> = Counter::default();
        cpu.inc_by(seconds);
        registry.register_with_unit(
            "cpu",
            "Time of processors, its own and the system's for it",
            Unit::Seconds,
            cpu,
        );
    }
    let gauges = [
        ("resident_memory_bytes", "Memory that it takes", resident_bytes()),
        (
            "open_fds",
            "File descriptors in use",
            fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count() as u64),
        ),
        ("max_fds", "File descriptors there may be", getrlimit(Resource::Nofile).current),
        ("threads", "Threads", fs::read_dir("/proc/self/task").ok().map(|tasks| tasks.count() as u64)),
    ];
    for (name, help, value) in gauges {
        let Some(value) = value else { continue };
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    registry
}

/// The second field of `/proc/self/statm`, in pages (proc(5)).
fn resident_bytes() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

/// Fields 14 and 15 of `/proc/self/stat`, in clock ticks; the name in field 2 may have blanks in it.
#[allow(clippy::cast_precision_loss, reason = "ticks")]
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(ticks as f64 / clock_ticks_per_second() as f64)
}
