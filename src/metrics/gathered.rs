//! What is so when somebody asks: the segments, the encoders, the limits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::config::Config;
use crate::connections::Clients;
use crate::recording::DecodedCache;
use crate::segments::{Segments, Waiting};
use crate::waveform::Waveforms;

/// Where it is found out.
#[derive(Debug)]
pub(crate) struct Gathered {
    segments: Arc<Segments>,
    waveforms: Arc<Waveforms>,
    clients: Arc<Clients>,
    decoded: Arc<DecodedCache>,
    limits: Vec<(&'static str, f64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Urgency {
    urgency: &'static str,
}

#[allow(clippy::cast_precision_loss, reason = "limits are small numbers")]
fn limits(config: &Config, waveforms: &Waveforms, decoded: &DecodedCache) -> Vec<(&'static str, f64)> {
    let limits = &config.limits;
    vec![
        ("connections", limits.connections.get() as f64),
        ("requests_per_address", limits.requests_per_address.get() as f64),
        ("header_size_bytes", limits.header_size as f64),
        ("idle_timeout_seconds", limits.idle_timeout.as_secs_f64()),
        ("stall_timeout_seconds", limits.stall_timeout.as_secs_f64()),
        ("queue", limits.queue.get() as f64),
        ("ranges", limits.ranges.get() as f64),
        ("cache_bytes", config.cache as f64),
        ("waveform_bytes", waveforms.most_bytes() as f64),
        ("decoded_cache_bytes", decoded.most_bytes() as f64),
        ("threads", config.threads as f64),
    ]
}

impl Gathered {
    pub(crate) fn new(
        config: &Config,
        segments: &Arc<Segments>,
        waveforms: &Arc<Waveforms>,
        clients: &Arc<Clients>,
        decoded: &Arc<DecodedCache>,
    ) -> Self {
        let (segments, waveforms) = (Arc::clone(segments), Arc::clone(waveforms));
        let (clients, decoded) = (Arc::clone(clients), Arc::clone(decoded));
        let limits = limits(config, &waveforms, &decoded);
        Self { segments, waveforms, clients, decoded, limits }
    }

    fn counters(&self) -> [(&'static str, &'static str, u64); 12] {
        let looks = self.waveforms.counters();
        let (counters, decoded) = (self.segments.counters(), self.decoded.counters());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("segments_started", "Segments whose coding was begun", count(&counters.started)),
            ("segments_sealed", "Segments that were coded to their end", count(&counters.sealed)),
            ("segments_abandoned", "Segments that nobody wanted any more", count(&counters.abandoned)),
            ("segments_joined", "Listeners that found their segment being coded", count(&counters.joined)),
            ("cache_hits", "Listeners that found their segment in the cache", count(&counters.hits)),
            ("cache_evictions", "Segments that made room for others", self.segments.evicted()),
            ("waveform_frames_gathered", "Frames read for all who look", count(&looks.gathered)),
            ("waveform_frames_read", "Frames read for one who looks", count(&looks.read)),
            ("decoded_chunks", "Chunks of coded files that were decoded", count(&decoded.decoded)),
            ("decoded_hits", "Chunks that were found on the disk", count(&decoded.hits)),
            ("decoded_evictions", "Chunks on the disk that made room for others", count(&decoded.evictions)),
            ("encoder_panics", "Panics of encoders: bugs", self.segments.panicked()),
        ]
    }

    fn gauges(&self) -> [(&'static str, &'static str, u64); 5] {
        let len = |count: usize| count as u64;
        [
            ("addresses", "Clients with something under way", len(self.clients.addresses())),
            ("cache_segments", "Segments in the cache", len(self.segments.cached())),
            ("waveform_turns", "Reads for waveforms at this moment", len(self.waveforms.turns())),
            ("segments_under_way", "Segments that are not whole yet", len(self.segments.under_way())),
            (
                "segments_waiting",
                "Segments of the past that are coded or wait to be",
                len(self.segments.busy()),
            ),
        ]
    }
}

impl Collector for Gathered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, count) in self.counters() {
            one(&mut encoder, name, help, None, &ConstCounter::new(count))?;
        }
        for (name, help, count) in self.gauges() {
            one(&mut encoder, name, help, None, &gauge(count))?;
        }
        let bytes = gauge(self.segments.cached_bytes());
        one(&mut encoder, "cache", "Coded sound in the cache", Some(&Unit::Bytes), &bytes)?;
        let bytes = gauge(self.waveforms.cached_bytes());
        one(&mut encoder, "waveform", "Waveforms in memory", Some(&Unit::Bytes), &bytes)?;
        let seconds = ConstCounter::new(self.segments.counters().encode_seconds());
        one(&mut encoder, "encode", "Time that encoders took", Some(&Unit::Seconds), &seconds)?;
        self.encode_decoded(&mut encoder)?;
        self.encode_queue(&mut encoder)?;
        self.encode_limits(&mut encoder)
    }
}

impl Gathered {
    fn encode_decoded(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters = self.decoded.counters();
        for (name, help, seconds) in [
            ("decode", "Time that decoders of coded files took", counters.decode_seconds()),
            ("decoded", "Sound of coded files that was decoded", counters.sound_seconds()),
        ] {
            one(encoder, name, help, Some(&Unit::Seconds), &ConstCounter::new(seconds))?;
        }
        // None would be taken for zero.
        let Some(bytes) = self.decoded.bytes() else { return Ok(()) };
        one(encoder, "decoded_cache", "Decoded sound on the disk", Some(&Unit::Bytes), &gauge(bytes))
    }

    fn encode_queue(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Waiting { live, awaited, ahead, idle } = self.segments.waiting();
        let help = "Turns that wait for an encoder, by whom they keep waiting.";
        let zero = gauge(0);
        let mut family = encoder.encode_descriptor("encoder_queue", help, None, zero.metric_type())?;
        for (urgency, count) in [("live", live), ("awaited", awaited), ("ahead", ahead), ("idle", idle)] {
            gauge(count as u64).encode(family.encode_family(&Urgency { urgency })?)?;
        }
        Ok(())
    }

    fn encode_limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let zero = ConstGauge::new(0.0);
        let mut family =
            encoder.encode_descriptor("limit", "The limits in force.", None, zero.metric_type())?;
        for (limit, value) in &self.limits {
            ConstGauge::new(*value).encode(family.encode_family(&Label { limit })?)?;
        }
        Ok(())
    }
}

fn gauge(count: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    // As the registry writes them.
    let help = format!("{help}.");
    metric.encode(encoder.encode_descriptor(name, &help, unit, metric.metric_type())?)
}
