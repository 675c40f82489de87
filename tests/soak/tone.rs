//! Sound of any kind of PCM in which a wrong byte shows: noise over a tone that wanders, another for each seed.

use tailcast_codecs::pcm::{Endian, SampleFormat};
use tailcast_codecs::{PcmSpec, SampleFormat as Format};

use crate::support::sound;

pub struct Tone {
    spec: PcmSpec,
    random: Box<dyn FnMut() -> u64 + Send>,
    pitch: f64,
    turn: f64,
    low: Vec<f64>,
    /// What has been made and not taken: recorders do not write in whole frames.
    ready: Vec<u8>,
}

impl Tone {
    pub fn new(spec: PcmSpec, seed: u64) -> Self {
        let mut random = sound::random(seed);
        let pitch = 100.0 + (random() % 900) as f64;
        let low = vec![0.0; spec.channels.into()];
        Self { spec, random: Box::new(random), pitch, turn: 0.0, low, ready: Vec::new() }
    }

    /// The next bytes.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.ready.len() < bytes {
            self.frame();
        }
        let rest = self.ready.split_off(bytes);
        std::mem::replace(&mut self.ready, rest)
    }

    fn frame(&mut self) {
        self.turn += self.pitch / f64::from(self.spec.rate);
        let tone = 0.3 * (self.turn * std::f64::consts::TAU).sin();
        self.pitch += (self.pitch * 1e-5).min(0.1);
        if self.pitch > 1500.0 {
            self.pitch = 100.0;
        }
        for low in &mut self.low {
            let white = ((self.random)() >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
            // A low-pass, so that codecs keep most of it.
            *low += 0.25 * (white - *low);
            write(self.spec.format, tone + *low, &mut self.ready);
        }
    }
}

/// A sample between -1 and 1.
fn write(format: Format, sample: f64, out: &mut Vec<u8>) {
    let integer = |bits: u32| (sample * f64::from(1u32 << (bits - 2)) * 1.9) as i32;
    let (bytes, len, endian) = match format {
        SampleFormat::U8 => return out.push((integer(8) + 128) as u8),
        SampleFormat::S16(endian) => (integer(16).to_le_bytes(), 2, endian),
        SampleFormat::S24(endian) => (integer(24).to_le_bytes(), 3, endian),
        SampleFormat::S24In32(endian) => (integer(24).to_le_bytes(), 4, endian),
        SampleFormat::S32(endian) => (integer(32).to_le_bytes(), 4, endian),
        SampleFormat::F32(endian) => ((sample as f32).to_le_bytes(), 4, endian),
    };
    match endian {
        Endian::Little => out.extend(&bytes[..len]),
        Endian::Big => out.extend(bytes[..len].iter().rev()),
    }
}
