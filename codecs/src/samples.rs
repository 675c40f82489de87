//! What the bytes of a sample mean, format by format: to `f32`, and to what WAV holds.
//!
//! Between a recording and an encoder samples are planar `f32` in `-1.0..=1.0`. An integer of `b` bits
//! becomes `value / 2^(b-1)`, which is exact up to 24 bits. Nothing here fuses a multiplication with an
//! addition, and sums are made in the order of the source's channels, so equal bytes give equal bits on
//! every CPU.

use crate::pcm::Endian::{Big, Little};
use crate::pcm::SampleFormat::{self, F32, S16, S24, S24In32, S32, U8};

/// Appends the samples of one channel.
pub(crate) fn decode(
    format: SampleFormat,
    channels: usize,
    channel: usize,
    bytes: &[u8],
    out: &mut Vec<f32>,
) {
    // One loop for each format, so that none decides anything for each sample. `a` is the least byte.
    match format {
        U8 => pick(bytes, channels, channel, out, |[a]| integer([0, 0, 0, a ^ 0x80])),
        S16(Little) => pick(bytes, channels, channel, out, |[a, b]| integer([0, 0, a, b])),
        S16(Big) => pick(bytes, channels, channel, out, |[b, a]| integer([0, 0, a, b])),
        S24(Little) => pick(bytes, channels, channel, out, |[a, b, c]| integer([0, a, b, c])),
        S24(Big) => pick(bytes, channels, channel, out, |[c, b, a]| integer([0, a, b, c])),
        S24In32(Little) => pick(bytes, channels, channel, out, |[a, b, c, _]| integer([0, a, b, c])),
        S24In32(Big) => pick(bytes, channels, channel, out, |[_, c, b, a]| integer([0, a, b, c])),
        S32(Little) => pick(bytes, channels, channel, out, integer),
        S32(Big) => pick(bytes, channels, channel, out, |[d, c, b, a]| integer([a, b, c, d])),
        F32(Little) => pick(bytes, channels, channel, out, |bytes| float(f32::from_le_bytes(bytes))),
        F32(Big) => pick(bytes, channels, channel, out, |bytes| float(f32::from_be_bytes(bytes))),
    }
}

/// Appends `sample` of every frame's bytes of one channel.
fn pick<const B: usize>(
    bytes: &[u8],
    channels: usize,
    channel: usize,
    out: &mut Vec<f32>,
    sample: impl Fn([u8; B]) -> f32,
) {
    let samples = bytes.as_chunks::<B>().0;
    // The common numbers of channels stand apart because a loop of known stride becomes SIMD instructions.
    match (channels, channel) {
        (1, _) => out.extend(samples.iter().map(|bytes| sample(*bytes))),
        (2, 0) => out.extend(samples.as_chunks().0.iter().map(|[left, _]| sample(*left))),
        (2, _) => out.extend(samples.as_chunks().0.iter().map(|[_, right]| sample(*right))),
        _ => out.extend(samples.iter().skip(channel).step_by(channels).map(|bytes| sample(*bytes))),
    }
}

/// A sample of at most 32 bits that is shifted all the way up. The shift makes one scale do for all widths,
/// and clears what [`S24In32`] has above its sample.
fn integer(shifted: [u8; 4]) -> f32 {
    i32::from_le_bytes(shifted) as f32 * (1.0 / 2_147_483_648.0)
}

/// No comparison holds for NaN, so it goes the way of the subnormal numbers.
fn float(sample: f32) -> f32 {
    if sample.abs() >= f32::MIN_POSITIVE { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The format tag and the bits per sample with which WAV holds recordings of `format`: 1 (PCM) or 3 (IEEE
/// float).
pub fn wav_format(format: SampleFormat) -> (u16, u16) {
    match format {
        U8 => (1, 8),
        S16(_) => (1, 16),
        S24(_) | S24In32(_) => (1, 24),
        S32(_) => (1, 32),
        F32(_) => (3, 32),
    }
}

/// Whether samples of a format are as WAV holds them, so that [`to_little_endian`] changes nothing.
pub fn is_little_endian(format: SampleFormat) -> bool {
    matches!(format, U8 | S16(Little) | S24(Little) | S32(Little) | F32(Little))
}

/// Appends the whole samples in `bytes` as WAV holds them: little endian, 24 bits in 3 bytes, otherwise bit
/// for bit what they are.
pub fn to_little_endian(format: SampleFormat, bytes: &[u8], out: &mut Vec<u8>) {
    match format {
        U8 | S16(Little) | S24(Little) | S32(Little) | F32(Little) => {
            let whole = bytes.len() - bytes.len() % format.bytes();
            out.extend_from_slice(bytes.get(..whole).unwrap_or_default());
        }
        S16(Big) => convert(bytes, out, |[b, a]| [a, b]),
        S24(Big) => convert(bytes, out, |[c, b, a]| [a, b, c]),
        S32(Big) | F32(Big) => convert(bytes, out, |[d, c, b, a]| [a, b, c, d]),
        S24In32(Little) => convert(bytes, out, |[a, b, c, _]| [a, b, c]),
        S24In32(Big) => convert(bytes, out, |[_, c, b, a]| [a, b, c]),
    }
}

/// Room first, values second: an iterator of bytes would be pushed one by one.
fn convert<const A: usize, const B: usize>(
    bytes: &[u8],
    out: &mut Vec<u8>,
    sample: impl Fn([u8; A]) -> [u8; B],
) {
    let (from, start) = (bytes.as_chunks::<A>().0, out.len());
    out.resize(start + from.len() * B, 0);
    let to = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<B>().0;
    for (to, from) in to.iter_mut().zip(from) {
        *to = sample(*from);
    }
}

/// Appends samples of one `Vec` per channel as WAV holds those of `format`, interleaved: rounded (halves away
/// from 0) and clipped at full scale. As many frames as the shortest channel has.
pub fn from_planar(format: SampleFormat, planar: &[Vec<f32>], out: &mut Vec<u8>) {
    match format {
        U8 => interleave(planar, out, |x| {
            let [a, ..] = quantise(x, 8);
            [a ^ 0x80]
        }),
        S16(_) => interleave(planar, out, |x| {
            let [a, b, ..] = quantise(x, 16);
            [a, b]
        }),
        S24(_) | S24In32(_) => interleave(planar, out, |x| {
            let [a, b, c, _] = quantise(x, 24);
            [a, b, c]
        }),
        S32(_) => interleave(planar, out, |x| quantise(x, 32)),
        F32(_) => interleave(planar, out, |x| float(x).to_le_bytes()),
    }
}

fn interleave<const B: usize>(planar: &[Vec<f32>], out: &mut Vec<u8>, sample: impl Fn(f32) -> [u8; B]) {
    let (channels, start) = (planar.len().max(1), out.len());
    let frames = planar.iter().map(Vec::len).min().unwrap_or(0);
    out.resize(start + frames * channels * B, 0);
    let slots = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<B>().0;
    for (channel, plane) in planar.iter().enumerate() {
        for (slot, x) in slots.iter_mut().skip(channel).step_by(channels).zip(plane) {
            *slot = sample(*x);
        }
    }
}

/// The nearest integer of `bits` bits, its bytes little endian. `f64` holds every step of it exactly.
fn quantise(x: f32, bits: u8) -> [u8; 4] {
    let full = f64::from(1u32 << (bits - 1));
    let scaled = (f64::from(x) * full).clamp(-full, full - 1.0);
    #[allow(clippy::cast_possible_truncation, reason = "it is within range, and the fraction is to go")]
    let nearest = (scaled + 0.5f64.copysign(scaled)) as i32;
    nearest.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plane(format: SampleFormat, channels: usize, channel: usize, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::new();
        decode(format, channels, channel, bytes, &mut out);
        out
    }

    fn planar(format: SampleFormat, channels: usize, bytes: &[u8]) -> Vec<Vec<f32>> {
        (0..channels).map(|channel| plane(format, channels, channel, bytes)).collect()
    }

    fn mono(format: &str, bytes: &[u8]) -> Vec<f32> {
        plane(format.parse().unwrap(), 1, 0, bytes)
    }

    fn wav(format: SampleFormat, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        to_little_endian(format, bytes, &mut out);
        out
    }

    fn requantised(format: SampleFormat, planar: &[Vec<f32>]) -> Vec<u8> {
        let mut out = Vec::new();
        from_planar(format, planar, &mut out);
        out
    }

    #[test]
    fn every_format_means_the_same_by_its_numbers() {
        assert_eq!(mono("u8", &[0, 0x40, 0x80, 0xff]), [-1.0, -0.5, 0.0, 127.0 / 128.0]);
        assert_eq!(mono("s16le", &[1, 0x80, 0xff, 0x7f]), [-32767.0 / 32768.0, 32767.0 / 32768.0]);
        assert_eq!(mono("s16be", &[0x80, 0, 0, 1]), [-1.0, 1.0 / 32768.0]);
        assert_eq!(mono("s24le", &[1, 0, 0, 0, 0, 0xc0]), [1.0 / 8_388_608.0, -0.5]);
        assert_eq!(mono("s24be", &[0, 0, 1, 0xc0, 0, 0]), [1.0 / 8_388_608.0, -0.5]);
        assert_eq!(mono("s32le", &[0, 0, 0, 0x40, 0xff, 0xff, 0xff, 0x7f]), [0.5, 1.0]);
        assert_eq!(mono("s32be", &[0x40, 0, 0, 0, 0x80, 0, 0, 0]), [0.5, -1.0]);
        assert_eq!(mono("f32be", &0.3f32.to_be_bytes()), [0.3]);
        assert_eq!(mono("f32le", &0.3f32.to_le_bytes()), [0.3]);
    }

    #[test]
    fn the_fourth_byte_of_24_in_32_bits_means_nothing() {
        for fourth in [0, 0x55, 0xff] {
            assert_eq!(mono("s24-32le", &[0, 0, 0xc0, fourth]), [-0.5]);
            assert_eq!(mono("s24-32be", &[fourth, 0x40, 0, 0]), [0.5]);
            assert_eq!(wav(S24In32(Little), &[1, 2, 3, fourth]), [1, 2, 3]);
            assert_eq!(wav(S24In32(Big), &[fourth, 3, 2, 1]), [1, 2, 3]);
        }
    }

    #[test]
    fn no_float_reaches_an_encoder_that_it_cannot_take() {
        let hostile = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40, 7.0, 1.0, -0.25];
        assert_eq!(
            mono("f32le", &hostile.map(f32::to_le_bytes).concat()),
            [0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 1.0, 1.0, -0.25]
        );
    }

    #[test]
    fn every_s16_value_comes_back_bit_for_bit() {
        let bytes: Vec<u8> = (i16::MIN..=i16::MAX).flat_map(i16::to_le_bytes).collect();
        for channels in [1, 2, 4] {
            assert_eq!(requantised(S16(Little), &planar(S16(Little), channels, &bytes)), bytes);
        }
    }

    #[test]
    fn samples_are_rounded_and_clipped() {
        let half = 0.5 / 32768.0;
        let values = [half, -half, half * 0.999, 3.0 * half, 1.0, 2.0, -1.0, -2.0, f32::NAN];
        let expected: Vec<u8> = [1i16, -1, 0, 2, 32767, 32767, -32768, -32768, 0]
            .into_iter()
            .flat_map(i16::to_le_bytes)
            .collect();
        assert_eq!(requantised(S16(Big), &[values.to_vec()]), expected);
        assert_eq!(requantised(U8, &[vec![1.0, 0.0, -1.0]]), [0xff, 0x80, 0]);
        assert_eq!(requantised(S32(Little), &[vec![1.0, -1.0]]), [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0x80]);
        assert_eq!(requantised(F32(Big), &[vec![1.5]]), 1f32.to_le_bytes());
    }

    #[test]
    fn wav_holds_the_bytes_turned_round() {
        assert_eq!(wav(S16(Big), &[1, 2, 3, 4, 5]), [2, 1, 4, 3]);
        assert_eq!(wav(S16(Little), &[1, 2, 3, 4, 5]), [1, 2, 3, 4]);
        assert_eq!(wav(S24(Big), &[1, 2, 3]), [3, 2, 1]);
        assert_eq!(wav(F32(Big), &[1, 2, 3, 4]), [4, 3, 2, 1]);
        assert_eq!(wav(U8, &[1, 2]), [1, 2]);
        assert_eq!(wav_format(S24In32(Big)), (1, 24));
        assert_eq!(wav_format(F32(Big)), (3, 32));
    }

    proptest! {
        #[test]
        fn formats_of_up_to_24_bits_come_back_bit_for_bit(
            format in prop::sample::select(&SampleFormat::ALL[..7]),
            channels in 1usize..6,
            bytes in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let frame_bytes = format.bytes() * channels;
            let bytes = &bytes[..bytes.len() / frame_bytes * frame_bytes];
            prop_assert_eq!(requantised(format, &planar(format, channels, bytes)), wav(format, bytes));
        }
    }
}
