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
