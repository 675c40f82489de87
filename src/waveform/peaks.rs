//! The least and the greatest sample of a stretch of PCM.
//!
//! Samples are taken as 16-bit integers, whatever they are written as: wider integers give their upper 16 bits, 8 bits
//! are shifted up, and floating point is scaled by 32767, cut toward zero and clipped.

use tailcast_codecs::PcmSpec;
use tailcast_codecs::pcm::Endian::{Big, Little};
use tailcast_codecs::pcm::SampleFormat::{self, F32, S16, S24, S24In32, S32, U8};

/// The least and the greatest of some samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// The least.
    pub min: i16,
    /// The greatest.
    pub max: i16,
}

impl Peak {
    /// Of no samples at all.
    pub const NONE: Self = Self { min: i16::MAX, max: i16::MIN };

    fn of(samples: impl Iterator<Item = i16>) -> Self {
        samples.fold(Self::NONE, |peak, sample| Self { min: peak.min.min(sample), max: peak.max.max(sample) })
    }

    /// Takes in other samples' peak.
    pub fn join(&mut self, other: Self) {
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
    }
}

/// Takes in the peaks of other samples, lane by lane.
pub fn join_each(peaks: &mut [Peak], others: &[Peak]) {
    peaks.iter_mut().zip(others).for_each(|(peak, other)| peak.join(*other));
}

/// What peaks are taken of: a recording's channels, mixed to one or each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    format: SampleFormat,
    channels: usize,
    split: bool,
}

impl Meter {
    /// For recordings of this kind; `split` for peaks of each channel, else of their mean.
    pub fn new(spec: PcmSpec, split: bool) -> Self {
        Self { format: spec.format, channels: usize::from(spec.channels).max(1), split }
    }

    /// Peaks of a stretch: as many as there are channels, or one.
    pub fn lanes(&self) -> usize {
        if self.split { self.channels } else { 1 }
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.format.bytes() * self.channels
    }

    /// Takes the whole frames in `bytes` into `peaks`, of which there is one for each lane.
    pub fn measure(&self, bytes: &[u8], peaks: &mut [Peak]) {
        // One loop for each format, so that none decides anything for each sample. `a` is the least byte that counts.
        match self.format {
            U8 => self.over(bytes, peaks, |[b]| i16::from_le_bytes([0, b ^ 0x80])),
            S16(Little) => self.over(bytes, peaks, i16::from_le_bytes),
            S16(Big) => self.over(bytes, peaks, i16::from_be_bytes),
            S24(Little) => self.over(bytes, peaks, |[_, a, b]| i16::from_le_bytes([a, b])),
            S24(Big) => self.over(bytes, peaks, |[b, a, _]| i16::from_le_bytes([a, b])),
            S24In32(Little) => self.over(bytes, peaks, |[_, a, b, _]| i16::from_le_bytes([a, b])),
            S24In32(Big) => self.over(bytes, peaks, |[_, b, a, _]| i16::from_le_bytes([a, b])),
            S32(Little) => self.over(bytes, peaks, |[_, _, a, b]| i16::from_le_bytes([a, b])),
            S32(Big) => self.over(bytes, peaks, |[b, a, _, _]| i16::from_le_bytes([a, b])),
            F32(Little) => self.over(bytes, peaks, |bytes| scaled(f32::from_le_bytes(bytes))),
            F32(Big) => self.over(bytes, peaks, |bytes| scaled(f32::from_be_bytes(bytes))),
        }
    }

    fn over<const B: usize>(&self, bytes: &[u8], peaks: &mut [Peak], sample: impl Fn([u8; B]) -> i16) {
        let samples = bytes.as_chunks::<B>().0;
        let ([first, ..], false) = (&mut *peaks, samples.is_empty()) else { return };
        // The common numbers of channels stand apart because a loop of known stride becomes SIMD instructions.
        match (self.channels, self.split) {
            (1, _) => first.join(Peak::of(samples.iter().map(|bytes| sample(*bytes)))),
            (2, false) => first.join(mean(2, samples.as_chunks().0, |[left, right]: &[_; 2]| {
                i32::from(sample(*left)) + i32::from(sample(*right))
            })),
            (2, true) => {
                let pairs = samples.as_chunks::<2>().0;
                let left = Peak::of(pairs.iter().map(|[left, _]| sample(*left)));
                let right = Peak::of(pairs.iter().map(|[_, right]| sample(*right)));
                join_each(peaks, &[left, right]);
            }
            (channels, false) => first.join(mean(channels, samples.chunks_exact(channels), |frame| {
                frame.iter().map(|bytes| i32::from(sample(*bytes))).sum()
            })),
            (channels, true) => {
                for frame in samples.chunks_exact(channels) {
                    for (peak, bytes) in peaks.iter_mut().zip(frame) {
                        let sample = sample(*bytes);
                        peak.join(Peak { min: sample, max: sample });
                    }
                }
            }
        }
    }
}

/// The peak of frames' means, cut toward zero. Whoever has the greater sum has no lesser mean, so that only two sums need
/// to be divided.
fn mean<T>(channels: usize, frames: impl IntoIterator<Item = T>, sum: impl Fn(T) -> i32) -> Peak {
    let (least, most) = frames
        .into_iter()
        .map(sum)
        .fold((i32::MAX, i32::MIN), |(least, most), sum| (least.min(sum), most.max(sum)));
    if least > most {
        return Peak::NONE;
    }
    let channels = i32::try_from(channels).unwrap_or(1);
    let mean = |sum: i32| i16::try_from(sum / channels).unwrap_or_default();
    Peak { min: mean(least), max: mean(most) }
}

/// Scaled as audiowaveform does it, in `f32` and cut toward zero; the cast clips, too, and makes 0 of NaN.
fn scaled(sample: f32) -> i16 {
    #[allow(clippy::cast_possible_truncation, reason = "it clips, and the fraction is to go")]
    let scaled = (sample * 32_767.0) as i16;
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(spec: &str, split: bool, bytes: &[u8]) -> Vec<(i16, i16)> {
        let meter = Meter::new(spec.parse().unwrap(), split);
        let mut peaks = vec![Peak::NONE; meter.lanes()];
        meter.measure(bytes, &mut peaks);
        peaks.iter().map(|peak| (peak.min, peak.max)).collect()
    }

    fn mono(format: &str, bytes: &[u8]) -> (i16, i16) {
        peaks(&format!("{format}:48000:1"), false, bytes)[0]
    }

    #[test]
    fn every_format_gives_its_upper_16_bits() {
        assert_eq!(mono("u8", &[0x80, 0, 0xff]), (-32768, 0x7f00));
        assert_eq!(mono("s16le", &[1, 0x80, 0xff, 0x7f]), (-32767, 32767));
        assert_eq!(mono("s16be", &[0x80, 1, 0x7f, 0xff]), (-32767, 32767));
        assert_eq!(mono("s24le", &[0xff, 0xff, 0xff, 0xff, 1, 0]), (-1, 1));
        assert_eq!(mono("s24be", &[0xff, 0xff, 0xff, 0, 1, 0xff]), (-1, 1));
        assert_eq!(mono("s24-32le", &[0xff, 0xff, 0xff, 0x55, 0xff, 1, 0, 0x55]), (-1, 1));
        assert_eq!(mono("s24-32be", &[0x55, 0xff, 0xff, 0xff, 0x55, 0, 1, 0xff]), (-1, 1));
        assert_eq!(mono("s32le", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]), (-1, 1));
        assert_eq!(mono("s32be", &[0xff, 0xff, 0xff, 0xff, 0, 1, 0xff, 0xff]), (-1, 1));
    }

    #[test]
    fn floats_are_scaled_cut_and_clipped() {
        let floats = |values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            mono("f32le", &bytes)
        };
        assert_eq!(floats(&[1.0, -1.0]), (-32767, 32767));
        assert_eq!(floats(&[f32::INFINITY, f32::NEG_INFINITY]), (-32768, 32767));
        assert_eq!(floats(&[f32::NAN]), (0, 0));
        assert_eq!(floats(&[-0.99 / 32_767.0, 1.51 / 32_767.0]), (0, 1));
        assert_eq!(mono("f32be", &(-0.5f32).to_be_bytes()), (-16383, -16383));
    }

    #[test]
    fn means_are_cut_toward_zero() {
        let frames =
            |samples: &[i16]| samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(peaks("s16le:48000:2", false, &frames(&[-1, 0, 1, 0])), [(0, 0)]);
        assert_eq!(peaks("s16le:48000:2", false, &frames(&[-3, 0, 3, 0])), [(-1, 1)]);
        assert_eq!(peaks("s16le:48000:3", false, &frames(&[-2, -3, 0, 2, 3, 3])), [(-1, 2)]);
        assert_eq!(peaks("s16le:48000:2", false, &frames(&[i16::MIN; 4])), [(i16::MIN, i16::MIN)]);
    }

    #[test]
    fn channels_are_kept_apart_if_they_are_to_be() {
        let bytes: Vec<u8> = [1i16, -2, 30, 4, 5, 6].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(peaks("s16le:48000:2", true, &bytes), [(1, 30), (-2, 6)]);
        assert_eq!(peaks("s16le:48000:3", true, &bytes), [(1, 4), (-2, 5), (6, 30)]);
    }

    #[test]
    fn nothing_changes_nothing() {
        for spec in ["u8:8000:1", "s16le:8000:2", "f32be:8000:6"] {
            for split in [false, true] {
                assert!(peaks(spec, split, &[]).iter().all(|peak| *peak == (i16::MAX, i16::MIN)), "{spec}");
            }
        }
    }
}
