//! Sound to record: the same for the same arguments.

use tailcast::demo::piece;

/// A stream of pseudo-random numbers (Steele, Lea and Flood's SplitMix64).
pub fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The demo's piece, s16le stereo at 48 kHz, as interleaved bytes.
pub fn piece(first_frame: u64, frames: usize) -> Vec<u8> {
    let mut out = Vec::new();
    piece::render(first_frame, frames, &mut out);
    out
}

/// Noise with a slow swell, s16le: no stretch of it is like another, so that an alignment is unmistakable.
pub fn noise(frames: usize, channels: usize, seed: u64) -> Vec<u8> {
    let mut next = random(seed);
    let mut low = vec![0.0f64; channels];
    let mut out = Vec::with_capacity(frames * channels * 2);
    for frame in 0..frames {
        let swell = 0.6 + 0.4 * (frame as f64 * 1e-4).sin();
        for low in &mut low {
            let white = (next() >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
            // A low-pass, so that codecs that drop the top of the spectrum keep nearly all of it.
            *low += 0.25 * (white - *low);
            out.extend(((*low * swell * 40_000.0) as i16).to_le_bytes());
        }
    }
    out
}

/// Snatches of a recorded guitar at pitches and levels of their own, over noise that swells and falls and a tone that
/// wanders: s16le stereo at 48 kHz. No two seconds are alike, and what is loud in one band is soft in another.
pub fn collage(frames: usize, seed: u64) -> Vec<u8> {
    let file = std::fs::read("fixtures/guitar-44k1-stereo.wav").unwrap();
    let guitar: Vec<[f64; 2]> = file[44..].as_chunks().0.iter().map(stereo).collect();
    let mut next = random(seed);
    let mut unit = move || (next() >> 11) as f64 / (1u64 << 53) as f64;
    let mut mix = vec![[0.0; 2]; frames];
    let mut at = 0;
    while at < frames {
        let (pitch, level) = (0.7 + 0.7 * unit(), 0.3 + 0.6 * unit());
        let len = ((guitar.len() - 2) as f64 / pitch) as usize;
        for (n, out) in mix.iter_mut().skip(at).take(len).enumerate() {
            let place = n as f64 * pitch;
            let (before, into) = (place as usize, place.fract());
            for (channel, out) in out.iter_mut().enumerate() {
                let (a, b) = (guitar[before][channel], guitar[before + 1][channel]);
                *out += level * (a + (b - a) * into);
            }
        }
        at += (len as f64 * (0.3 + 0.5 * unit())) as usize;
    }
    let (mut low, mut turn) = ([0.0f64; 2], 0.0f64);
    let mut out = Vec::with_capacity(frames * 4);
    for (n, frame) in mix.into_iter().enumerate() {
        let second = n as f64 / 48_000.0;
        let swell = if (0.7 * second).sin() > 0.0 { 0.07 } else { 0.02 };
        turn += (300.0 + 200.0 * (0.3 * second).sin()) / 48_000.0;
        for (low, sample) in low.iter_mut().zip(frame) {
            *low = 0.9 * *low + 0.1 * (unit() - 0.5) * 3.5;
            let sample = sample + *low * swell + 0.03 * (turn * std::f64::consts::TAU).sin();
            out.extend((((sample * 0.7).clamp(-0.98, 0.98) * 32_767.0).round() as i16).to_le_bytes());
        }
    }
    out
}

fn stereo(bytes: &[u8; 4]) -> [f64; 2] {
    let [a, b, c, d] = *bytes;
    [[a, b], [c, d]].map(|sample| f64::from(i16::from_le_bytes(sample)) / 32_768.0)
}
