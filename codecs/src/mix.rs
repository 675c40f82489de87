//! Channels: which loudspeakers they are meant for, and how more are mixed to two or one.

use std::f32::consts::FRAC_1_SQRT_2;

use crate::pcm::{PcmError, PcmSpec};
use crate::samples::decode;

/// A place that a channel is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    FrontLeft,
    FrontRight,
    FrontCentre,
    LowFrequency,
    BackLeft,
    BackRight,
    FrontLeftOfCentre,
    FrontRightOfCentre,
    BackCentre,
    SideLeft,
    SideRight,
}

impl Speaker {
    /// In the order of their bits, which is that of a frame's samples.
    const ALL: [Self; 11] = [
        Self::FrontLeft,
        Self::FrontRight,
        Self::FrontCentre,
        Self::LowFrequency,
        Self::BackLeft,
        Self::BackRight,
        Self::FrontLeftOfCentre,
        Self::FrontRightOfCentre,
        Self::BackCentre,
        Self::SideLeft,
        Self::SideRight,
    ];

    /// Its bit in the channel mask of `WAVE_FORMAT_EXTENSIBLE`.
    fn mask(self) -> u32 {
        match self {
            Self::FrontLeft => 0x1,
            Self::FrontRight => 0x2,
            Self::FrontCentre => 0x4,
            Self::LowFrequency => 0x8,
            Self::BackLeft => 0x10,
            Self::BackRight => 0x20,
            Self::FrontLeftOfCentre => 0x40,
            Self::FrontRightOfCentre => 0x80,
            Self::BackCentre => 0x100,
            Self::SideLeft => 0x200,
            Self::SideRight => 0x400,
        }
    }

    /// What it gives to left and right by ITU-R BS.775, before the sums are brought to 1. The back centre is
    /// a surround channel heard on both sides, so it takes the 0.7071 twice, as in ffmpeg.
    fn weights(self) -> [f32; 2] {
        match self {
            Self::FrontLeft | Self::FrontLeftOfCentre => [1.0, 0.0],
            Self::FrontRight | Self::FrontRightOfCentre => [0.0, 1.0],
            Self::FrontCentre => [FRAC_1_SQRT_2; 2],
            Self::LowFrequency => [0.0; 2],
            Self::BackLeft | Self::SideLeft => [FRAC_1_SQRT_2, 0.0],
            Self::BackRight | Self::SideRight => [0.0, FRAC_1_SQRT_2],
            Self::BackCentre => [0.5; 2],
        }
    }
}

/// What a recording's channels are for: what it says itself, if those are loudspeakers that a mix is known of.
fn speakers(spec: PcmSpec) -> Vec<Speaker> {
    let named: Vec<_> = Speaker::ALL.into_iter().filter(|speaker| spec.mask & speaker.mask() != 0).collect();
    if named.len() == usize::from(spec.channels) { named } else { layout(spec.channels).to_vec() }
}

/// What so many channels are taken for. These are the layouts that ffmpeg assumes when it is told no other:
/// mono, stereo, 2.1, 4.0, 5.0, 5.1, 6.1, 7.1. Empty above 8: such recordings are microphones or stems.
fn layout(channels: u16) -> &'static [Speaker] {
    use Speaker::*;
    match channels {
        1 => &[FrontCentre],
        2 => &[FrontLeft, FrontRight],
        3 => &[FrontLeft, FrontRight, LowFrequency],
        4 => &[FrontLeft, FrontRight, FrontCentre, BackCentre],
        5 => &[FrontLeft, FrontRight, FrontCentre, BackLeft, BackRight],
        6 => &[FrontLeft, FrontRight, FrontCentre, LowFrequency, BackLeft, BackRight],
        7 => &[FrontLeft, FrontRight, FrontCentre, LowFrequency, BackCentre, SideLeft, SideRight],
        8 => &[FrontLeft, FrontRight, FrontCentre, LowFrequency, BackLeft, BackRight, SideLeft, SideRight],
        _ => &[],
    }
}

/// The loudspeakers that a recording's channels are for, as `WAVE_FORMAT_EXTENSIBLE` has them: a bit each. 0 above 8
/// channels of which nobody says it, which means "no loudspeaker in particular".
pub fn channel_mask(spec: PcmSpec) -> u32 {
    if spec.mask != 0 {
        return spec.mask;
    }
    layout(spec.channels).iter().map(|speaker| speaker.mask()).sum()
}

/// Takes the samples of a recording apart into channels, mixing them to fewer (or one to two).
///
/// - As many as there are: each as it is.
/// - 1 to 2: twice the same.
/// - Up to 8 to 2: by ITU-R BS.775 for the loudspeakers that the recording names, else for those of ffmpeg's default
///   layouts (2.1, 4.0, 5.0, 5.1, 6.1, 7.1), without the low frequency channel, scaled so that full scale in every
///   channel is full scale.
/// - More than 8 to 2: the mean of every other channel from the first on to the left, from the second on to
///   the right.
/// - To 1: the mean of the left and right above.
#[derive(Debug, Clone)]
pub struct Mixer {
    spec: PcmSpec,
    channels: u16,
    /// For each channel of the recording, in order, what it gives to each that comes out. `None` where they
    /// come out as they are.
    weights: Option<Vec<Vec<f32>>>,
}

impl Mixer {
    /// From recordings of `spec` to `channels` channels: 1, 2, or as many as there are.
    ///
    /// # Errors
    /// [`PcmError::Mix`] for any other number, and those of [`PcmSpec::new`] for a spec that did not come
    /// from there.
    pub fn new(spec: PcmSpec, channels: u16) -> Result<Self, PcmError> {
        let spec = PcmSpec::new(spec.format, spec.rate, spec.channels)?.with_mask(spec.mask);
        let weights = match (spec.channels, channels) {
            (from, to) if from == to => None,
            (1, 2) => Some(vec![vec![1.0; 2]]),
            (_, 2) => Some(stereo_weights(spec).iter().map(|w| w.to_vec()).collect()),
            (_, 1) => Some(stereo_weights(spec).iter().map(|[l, r]| vec![0.5 * (l + r)]).collect()),
            (from, to) => return Err(PcmError::Mix { from, to }),
        };
        Ok(Self { spec, channels, weights })
    }

    /// Appends the frames in `bytes` (interleaved, of the recording's spec) to one `Vec` per channel, as
    /// samples in `-1.0..=1.0`. NaN and subnormal numbers become 0, what is beyond full scale becomes full
    /// scale: LAME aborts the process on the one, and encoders are slow on the other.
    ///
    /// # Errors
    /// When `bytes` ends inside a frame or `out` has another number of channels; `out` is then as it was.
    pub fn planar(&self, bytes: &[u8], out: &mut [Vec<f32>]) -> Result<(), PcmError> {
        self.check(bytes.len(), out.len())?;
        match &self.weights {
            Some(weights) => self.mix(weights, bytes, out),
            None => out.iter_mut().enumerate().for_each(|(channel, out)| self.decode(channel, bytes, out)),
        }
        Ok(())
    }

    fn mix(&self, weights: &[Vec<f32>], bytes: &[u8], out: &mut [Vec<f32>]) {
        let frames = bytes.len() / self.spec.frame_bytes();
        let starts: Vec<usize> = out.iter().map(Vec::len).collect();
        out.iter_mut().for_each(|out| out.resize(out.len() + frames, 0.0));
        let mut plane = Vec::with_capacity(frames);
        let heard = |weights: &[f32]| weights.iter().any(|weight| *weight != 0.0);
        for (channel, weights) in weights.iter().enumerate().filter(|(_, weights)| heard(weights)) {
            plane.clear();
            self.decode(channel, bytes, &mut plane);
            for ((out, start), weight) in out.iter_mut().zip(&starts).zip(weights) {
                add(&plane, *weight, out.get_mut(*start..).unwrap_or_default());
            }
        }
    }

    /// Appends the samples of one of the recording's channels.
    fn decode(&self, channel: usize, bytes: &[u8], out: &mut Vec<f32>) {
        decode(self.spec.format, self.spec.channels.into(), channel, bytes, out);
    }

    fn check(&self, bytes: usize, given: usize) -> Result<(), PcmError> {
        let (frame_bytes, needed) = (self.spec.frame_bytes(), usize::from(self.channels));
        if given != needed {
            return Err(PcmError::Planes { given, needed });
        }
        if !bytes.is_multiple_of(frame_bytes) {
            return Err(PcmError::PartialFrame { bytes, frame_bytes });
        }
        Ok(())
    }
}

/// For each of the recording's channels, what it gives to left and right; both sides sum to 1.
fn stereo_weights(spec: PcmSpec) -> Vec<[f32; 2]> {
    let raw: Vec<_> = speakers(spec).iter().map(|speaker| speaker.weights()).collect();
    let sums = |raw: &[[f32; 2]]| raw.iter().fold([0.0f32; 2], |[l, r], [left, right]| [l + left, r + right]);
    let (raw, [left, right]) = match sums(&raw) {
        // No loudspeakers, or all on one side.
        [0.0, _] | [_, 0.0] => {
            let alternate = [[1.0, 0.0], [0.0, 1.0]];
            let raw: Vec<_> = alternate.into_iter().cycle().take(spec.channels.into()).collect();
            let sums = sums(&raw);
            (raw, sums)
        }
        sums => (raw, sums),
    };
    raw.iter().map(|[l, r]| [l / left, r / right]).collect()
}

/// Adds `weight` times `plane` to `sum`. Weights sum to 1, but what rounding makes of it may be a hair more.
fn add(plane: &[f32], weight: f32, sum: &mut [f32]) {
    for (sum, sample) in sum.iter_mut().zip(plane) {
        *sum = (*sum + weight * sample).clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::Endian::Little;
    use crate::pcm::SampleFormat::F32;
    use crate::pcm::{CHANNELS, SampleFormat};
    use proptest::prelude::*;

    fn spec(text: &str) -> PcmSpec {
        text.parse().unwrap()
    }

    fn planar(spec: PcmSpec, channels: u16, bytes: &[u8]) -> Vec<Vec<f32>> {
        let mut out = vec![Vec::new(); channels.into()];
        Mixer::new(spec, channels).unwrap().planar(bytes, &mut out).unwrap();
        out
    }

    fn f32s(samples: &[f32]) -> Vec<u8> {
        samples.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn two_channels_and_one_are_made_of_each_other() {
        let stereo = [100i16, 50, -32768, -32768].map(i16::to_le_bytes).concat();
        assert_eq!(planar(spec("s16le:48000:2"), 1, &stereo), [[75.0 / 32768.0, -1.0]]);
        assert_eq!(planar(spec("s16le:48000:1"), 2, &[0, 0x40]), [[0.5], [0.5]]);
    }

    /// The matrices that `ffmpeg -v debug -i ... -ac 2` (5.1.9) prints, by channel: left, right.
    #[test]
    fn surround_is_mixed_as_ffmpeg_does() {
        let (l, r) = (|w: f32| [w, 0.0], |w: f32| [0.0, w]);
        let printed: [&[[f32; 2]]; 6] = [
            &[l(1.0), r(1.0), [0.0; 2]],
            &[l(0.453_082), r(0.453_082), [0.320_377; 2], [0.226_541; 2]],
            &[l(0.414_214), r(0.414_214), [0.292_893; 2], l(0.292_893), r(0.292_893)],
            &[l(0.414_214), r(0.414_214), [0.292_893; 2], [0.0; 2], l(0.292_893), r(0.292_893)],
            &[
                l(0.343_146),
                r(0.343_146),
                [0.242_641; 2],
                [0.0; 2],
                [0.171_573; 2],
                l(0.242_641),
                r(0.242_641),
            ],
            &[
                l(0.320_377),
                r(0.320_377),
                [0.226_541; 2],
                [0.0; 2],
                l(0.226_541),
                r(0.226_541),
                l(0.226_541),
                r(0.226_541),
            ],
        ];
        for (matrix, channels) in printed.into_iter().zip(3u16..) {
            let spec = PcmSpec::new(F32(Little), 48_000, channels).unwrap();
            for (channel, [left, right]) in matrix.iter().enumerate() {
                let mut frame = vec![0.0; channels.into()];
                frame[channel] = 1.0;
                let [l, r] = [0, 1].map(|side| planar(spec, 2, &f32s(&frame))[side][0]);
                assert!(
                    (l - left).abs() < 1e-6 && (r - right).abs() < 1e-6,
                    "{channels}: {channel}: {l} {r}"
                );
                let mean = planar(spec, 1, &f32s(&frame))[0][0];
                assert!((mean - (left + right) / 2.0).abs() < 1e-6, "{channels}: {channel}: {mean}");
            }
        }
    }

    #[test]
    fn full_scale_in_every_channel_stays_full_scale() {
        for (channels, to) in CHANNELS.flat_map(|channels| [(channels, 1), (channels, 2)]) {
            let spec = PcmSpec::new(F32(Little), 48_000, channels).unwrap();
            for scale in [1.0f32, -1.0] {
                for out in planar(spec, to, &f32s(&vec![scale; channels.into()])) {
                    assert!(
                        (out[0] * scale - 1.0).abs() < 1e-6 && out[0].abs() <= 1.0,
                        "{channels}: {out:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn above_eight_channels_every_other_one_goes_to_the_same_side() {
        let frame = [0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5];
        let out = planar(spec("f32le:48000:9"), 2, &f32s(&frame));
        assert!((out[0][0] - 0.5).abs() < 1e-6 && out[1][0] == 0.0, "{out:?}");
    }

    #[test]
    fn masks_are_those_of_the_layouts() {
        let mask = |channels| channel_mask(PcmSpec::new(F32(Little), 48_000, channels).unwrap());
        assert_eq!([1, 2, 3, 6, 8, 9].map(mask), [0x4, 0x3, 0xb, 0x3f, 0x63f, 0]);
    }

    /// What ffmpeg's `-ac 2` makes of WAV files with these masks, by channel: left, right.
    #[test]
    fn loudspeakers_that_are_named_are_mixed_as_what_they_are() {
        let (l, r) = (|w: f32| [w, 0.0], |w: f32| [0.0, w]);
        let known: [(u32, &[[f32; 2]]); 3] = [
            (0x7, &[l(0.585_786), r(0.585_786), [0.414_214; 2]]),
            (0x33, &[l(0.585_786), r(0.585_786), l(0.414_214), r(0.414_214)]),
            (0xf, &[l(0.585_786), r(0.585_786), [0.414_214; 2], [0.0; 2]]),
        ];
        for (mask, matrix) in known {
            let channels = u16::try_from(matrix.len()).unwrap();
            let spec = PcmSpec::new(F32(Little), 48_000, channels).unwrap().with_mask(mask);
            assert_eq!(channel_mask(spec), mask);
            for (weights, expected) in stereo_weights(spec).iter().zip(matrix) {
                assert!(
                    weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
                    "{mask:#x}: {weights:?}"
                );
            }
        }
        // Another number of them, one that no mix is known of, all on one side: as if nothing was said.
        let plain = PcmSpec::new(F32(Little), 48_000, 2).unwrap();
        assert_eq!(plain.with_mask(0x7), plain);
        for mask in [0x11, 0x3000] {
            assert_eq!(stereo_weights(plain.with_mask(mask)), [l(1.0), r(1.0)], "{mask:#x}");
        }
    }

    #[test]
    fn a_stretch_of_a_wrong_shape_is_refused_and_leaves_nothing() {
        let mixer = Mixer::new(spec("s16le:48000:2"), 2).unwrap();
        let mut out = vec![Vec::new(); 2];
        let partial = PcmError::PartialFrame { bytes: 7, frame_bytes: 4 };
        assert_eq!(mixer.planar(&[0; 7], &mut out), Err(partial));
        assert_eq!(mixer.planar(&[0; 8], &mut out[..1]), Err(PcmError::Planes { given: 1, needed: 2 }));
        assert!(out.iter().all(Vec::is_empty));
        let error = Mixer::new(spec("s16le:48000:6"), 3).unwrap_err();
        assert_eq!(error.to_string(), "6 channels cannot be mixed to 3 (allowed: 1, 2, 6)");
        let unchecked = PcmSpec { channels: 0, ..spec("u8:8000:1") };
        assert_eq!(Mixer::new(unchecked, 2).unwrap_err(), PcmError::Channels(0));
    }

    proptest! {
        #[test]
        fn samples_stay_within_full_scale_and_do_not_depend_on_where_a_stretch_is_cut(
            format in prop::sample::select(&SampleFormat::ALL[..]),
            (channels, to) in (1u16..=12).prop_flat_map(|n| (Just(n), prop::sample::select(vec![1, 2, n]))),
            cut in 0usize..20,
            bytes in prop::collection::vec(any::<u8>(), 12 * 4 * 20),
        ) {
            let spec = PcmSpec::new(format, 48_000, channels).unwrap();
            let (bytes, _) = bytes.split_at(20 * spec.frame_bytes());
            let (front, back) = bytes.split_at(cut * spec.frame_bytes());
            let whole = planar(spec, to, bytes);
            let mut parts = planar(spec, to, front);
            Mixer::new(spec, to).unwrap().planar(back, &mut parts).unwrap();
            prop_assert!(whole.iter().all(|plane| plane.len() == 20));
            prop_assert!(whole.iter().flatten().all(|x| (-1.0..=1.0).contains(x)));
            prop_assert_eq!(whole, parts);
        }
    }
}
