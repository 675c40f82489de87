//! What is counted, for whoever watches the server: `/metrics`, in the form that Prometheus reads (OpenMetrics).
//!
//! What happens is counted here as it does; what is so at a time (`gathered`, `process`) is found out when it is asked
//! for. The names, and what to make of them, are in `docs/operations.md`.

mod gathered;
mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tailcast_codecs::format::Format;

use crate::body::Standing;

pub(crate) use gathered::Gathered;

/// Why something is refused: the kinds of problems, and what ends a connection without one.
const REASONS: [&str; 36] = [
    "address",
    "being-written",
    "changed",
    "conflict",
    "connections",
    "descriptors",
    "header-size",
    "idle",
    "internal",
    "malformed",
    "media-type",
    "method",
    "name",
    "no-header-yet",
    "no-space",
    "not-found",
    "not-ready",
    "offset",
    "parameter",
    "past-the-end",
    "path",
    "precondition",
    "queue",
    "range",
    "reading",
    "sidecar",
    "signature",
    "stalled",
    "stopping",
    "token",
    "undecodable",
    "unreadable",
    "unwritable",
    "upload",
    "wav-header",
    "writing",
];

/// Counters of seconds have fractions.
pub(crate) type Seconds = Counter<f64, AtomicU64>;

/// Everything that is counted as it happens.
#[derive(Debug)]
pub struct Metrics {
    registry: parking_lot::Mutex<Registry>,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Bodies of sound that are being received.
    pub(crate) uploads: Gauge,
    /// Bytes of these that were written.
    pub(crate) received: Counter,
    /// Handlers and bodies that panicked: bugs. It stays at zero; tests look.
    pub(crate) panics: Counter,
    requests: Family<StatusLabel, Counter>,
    refusals: Family<ReasonLabel, Counter>,
    pub(crate) listeners: Family<ListenerLabels, Gauge>,
    sent: Family<FormatLabel, Counter>,
    listened: Family<FormatLabel, Seconds>,
    first_byte: Family<FormatLabel, Histogram>,
    live_delay: Family<FormatLabel, Histogram>,
}

/// A format of sound by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FormatLabel {
    format: &'static str,
}

/// Where a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ListenerLabels {
    pub(crate) format: &'static str,
    pub(crate) state: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

/// What one format's listeners are counted by.
#[derive(Debug, Clone)]
pub(crate) struct OfFormat {
    pub(crate) sent: Counter,
    pub(crate) listened: Seconds,
    pub(crate) first_byte: Histogram,
    pub(crate) live_delay: Histogram,
}

fn first_byte_buckets() -> Histogram {
    Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
}

fn live_delay_buckets() -> Histogram {
    Histogram::new([0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0])
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Arc<Self> {
        let metrics = Self {
            registry: parking_lot::Mutex::new(Registry::with_prefix("tailcast")),
            connections: Gauge::default(),
            uploads: Gauge::default(),
            received: Counter::default(),
            panics: Counter::default(),
            requests: Family::default(),
            refusals: Family::default(),
            listeners: Family::default(),
            sent: Family::default(),
            listened: Family::default(),
            first_byte: Family::new_with_constructor(first_byte_buckets),
            live_delay: Family::new_with_constructor(live_delay_buckets),
        };
        metrics.register();
        metrics.begin();
        Arc::new(metrics)
    }

    /// Tells of everything from the first, since what is not told of at zero is not seen to rise from it.
    fn begin(&self) {
        for format in Format::ALL.map(Format::name) {
            self.of(format);
            for state in Standing::NAMES {
                drop(self.listeners.get_or_create(&ListenerLabels { format, state }));
            }
        }
        for reason in REASONS {
            drop(self.refusals.get_or_create(&ReasonLabel { reason }));
        }
        drop(self.requests.get_or_create(&StatusLabel { status: 200 }));
    }

    fn register(&self) {
        let mut registry = self.registry.lock();
        let version = Info::new(VersionLabel { version: env!("CARGO_PKG_VERSION") });
        registry.register("build", "The program", version);
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register("uploads", "Recordings that are being received", self.uploads.clone());
        let received = "Sound that was received and written";
        registry.register_with_unit("received", received, Unit::Bytes, self.received.clone());
        registry.register("panics", "Panics of handlers and bodies: bugs", self.panics.clone());
        registry.register("requests", "Requests that were answered", self.requests.clone());
        registry.register("refusals", "What was refused, by why", self.refusals.clone());
        registry.register("listeners", "Bodies of sound under way", self.listeners.clone());
        let mut timed = |name, help, unit, metric: Family<FormatLabel, Seconds>| {
            registry.register_with_unit(name, help, unit, metric);
        };
        timed("listened", "Sound that was sent", Unit::Seconds, self.listened.clone());
        registry.register_with_unit(
            "sent",
            "Bodies of sound, as far as sent",
            Unit::Bytes,
            self.sent.clone(),
        );
        let first_byte = "From a request for sound to its first byte";
        registry.register_with_unit("first_byte", first_byte, Unit::Seconds, self.first_byte.clone());
        let live_delay = "From the recorder's write to the listener at the live edge";
        registry.register_with_unit("live_delay", live_delay, Unit::Seconds, self.live_delay.clone());
    }

    /// Has what is so at a time found out by `gathered`, and the process described.
    pub(crate) fn gather(&self, gathered: Gathered) {
        let mut registry = self.registry.lock();
        registry.register_collector(Box::new(gathered));
    }

    /// Counts a refusal. The reason is one of few, never what came from outside.
    pub(crate) fn refused(&self, reason: &'static str) {
        debug_assert!(REASONS.contains(&reason), "`{reason}` is not among the reasons");
        self.refusals.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16) {
        self.requests.get_or_create(&StatusLabel { status }).inc();
    }

    /// The counters of a format.
    pub(crate) fn of(&self, format: &'static str) -> OfFormat {
        let label = FormatLabel { format };
        OfFormat {
            sent: self.sent.get_or_create_owned(&label),
            listened: self.listened.get_or_create_owned(&label),
            first_byte: self.first_byte.get_or_create_owned(&label),
            live_delay: self.live_delay.get_or_create_owned(&label),
        }
    }

    /// All of it as text, with what the system knows of the process.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode_registry(&mut out, &self.registry.lock())?;
        text::encode_registry(&mut out, &process::registry())?;
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}
