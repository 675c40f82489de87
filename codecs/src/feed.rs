//! From the bytes of a recording to what an encoder takes: channels mixed, rate converted, samples as floats.
//!
//! Everything here is a function of a position: to make coded frames `a..b` takes the source frames
//! [`Feed::window`]`(a..b)` and nothing else, whatever was made before.

use std::ops::Range;
use std::sync::Arc;

use crate::CodecError;
use crate::grid::Rates;
use crate::mix::Mixer;
use crate::pcm::{PcmError, PcmSpec};
use crate::resample::Resampler;

/// One `Vec` of samples in `-1.0..=1.0` per channel, all of the same length.
pub type Planar = Vec<Vec<f32>>;

/// Turns stretches of a recording into coded frames.
#[derive(Debug, Clone)]
pub struct Feed {
    spec: PcmSpec,
    channels: u16,
    rates: Rates,
    mixer: Mixer,
    resampler: Option<Arc<Resampler>>,
}

impl Feed {
    /// From recordings of `spec` to `channels` channels at `coded_rate` frames a second.
    ///
    /// # Errors
    /// When `channels` cannot be mixed from those of the recording.
    pub fn new(spec: PcmSpec, channels: u16, coded_rate: u32) -> Result<Self, PcmError> {
        let rates = Rates { source: spec.rate, coded: coded_rate };
        let resampler = (rates.source != rates.coded).then(|| Resampler::shared(rates.source, rates.coded));
        Ok(Self { spec, channels, rates, mixer: Mixer::new(spec, channels)?, resampler })
    }

    /// What the recording's bytes are.
    pub fn spec(&self) -> PcmSpec {
        self.spec
    }

    /// Channels that come out.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// The rate that goes in and the one that comes out.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// The source frames on which coded frames depend. It may begin before frame 0 and reach beyond the
    /// recording's end, where there is silence.
    pub fn window(&self, coded: Range<i64>) -> Range<i64> {
        match &self.resampler {
            Some(resampler) => resampler.window(coded),
            None => coded,
        }
    }

    /// How many coded frames (from 0 on) can be made of `source_frames` source frames, when what comes after
    /// them is not known yet.
    pub fn ready(&self, source_frames: u64) -> u64 {
        match &self.resampler {
            Some(resampler) => resampler.ready(source_frames),
            None => source_frames,
        }
    }

    /// Appends coded frames to one `Vec` per channel.
    ///
    /// `source` holds the interleaved bytes of exactly the frames [`window`](Self::window)`(coded)`.
    ///
    /// # Errors
    /// When `source` is of another length.
    pub fn planar(&self, source: &[u8], coded: Range<i64>, out: &mut Planar) -> Result<(), CodecError> {
        out.resize_with(self.channels.into(), Vec::new);
        let Some(resampler) = &self.resampler else {
            return Ok(self.mixer.planar(source, out)?);
        };
        let mut mixed = Planar::new();
        mixed.resize_with(self.channels.into(), Vec::new);
        self.mixer.planar(source, &mut mixed)?;
        for (channel, out) in mixed.iter().zip(out) {
            resampler.resample(coded.clone(), channel, out)?;
        }
        Ok(())
    }
}
