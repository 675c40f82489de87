//! Somebody who listens: counted while a body of sound is sent, by where they are in the recording.

use std::sync::Arc;
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;

use crate::body::{BodyReader, Standing};
use crate::exchange::Heard;
use crate::metrics::{ListenerLabels, Metrics, OfFormat};
use crate::recording::Hearing;
use crate::time::seconds;

/// One body of sound under way.
#[derive(Debug)]
pub(crate) struct Listener {
    metrics: Arc<Metrics>,
    format: &'static str,
    counters: OfFormat,
    heard: Heard,
    _hearing: Hearing,
    /// When it was asked for, until the first byte is there.
    asked: Option<Instant>,
    /// When all that was there had last been sent.
    at_edge: Option<Instant>,
    counted: Option<(Standing, Gauge)>,
}

impl Listener {
    /// Of a body in `format`; `heard` is told how much of it was sent, and `hearing` is of its recording. `asked` is when it
    /// was asked for, if its first byte is that of the answer.
    pub(crate) fn new(
        metrics: &Arc<Metrics>,
        format: &'static str,
        (heard, hearing): (Heard, Hearing),
        asked: Option<Instant>,
    ) -> Self {
        let (metrics, counters) = (Arc::clone(metrics), metrics.of(format));
        Self { metrics, format, counters, heard, _hearing: hearing, asked, at_edge: None, counted: None }
    }

    /// Counts what `reader` has just given: `len` bytes up to its position.
    pub(crate) fn took(&mut self, reader: &BodyReader, len: usize) {
        // The header is there before anything is coded.
        if reader.is_in_sound()
            && let Some(asked) = self.asked.take()
        {
            self.counters.first_byte.observe(asked.elapsed().as_secs_f64());
        }
        self.counters.sent.inc_by(len as u64);
        let (frames, rate) = reader.frames_in_last(len as u64);
        self.counters.listened.inc_by(seconds(frames, rate));
        self.heard.add(frames, rate);
        let standing = reader.standing();
        if let Standing::Live { written: Some(written) } = standing {
            // Who gets there for the first time was not waiting for it.
            if self.at_edge.replace(Instant::now()).is_some_and(|before| before < written) {
                self.counters.live_delay.observe(written.elapsed().as_secs_f64());
            }
        }
        self.stand(standing);
    }

    fn stand(&mut self, standing: Standing) {
        let same = |(counted, _): &(Standing, Gauge)| counted.name() == standing.name();
        if self.counted.as_ref().is_some_and(same) {
            return;
        }
        self.leave();
        let labels = ListenerLabels { format: self.format, state: standing.name() };
        let gauge = self.metrics.listeners.get_or_create_owned(&labels);
        gauge.inc();
        self.counted = Some((standing, gauge));
    }

    fn leave(&mut self) {
        if let Some((_, gauge)) = self.counted.take() {
            gauge.dec();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.leave();
    }
}
