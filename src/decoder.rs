//! Packets of other programs' codecs, decoded to samples.
//!
//! Symphonia's decoders, and libopus for Opus, which Symphonia has none for. Both give the same samples on every machine.

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::Packet;

/// Frames that a packet of Opus has at the most (RFC 6716 2.1.4: 120 ms).
const MOST_OPUS_FRAMES: usize = 5760;

/// Opus is decoded at this rate.
const OPUS_RATE: u32 = 48_000;

/// Decodes the packets of one track, one after another.
pub(crate) struct Decoder {
    kind: Kind,
    samples: Vec<i32>,
    floats: Vec<f32>,
}

enum Kind {
    Symphonia(Box<dyn AudioDecoder>),
    Opus { decoder: opus::Decoder, channels: usize },
}

/// What came out of a packet.
pub(crate) struct Decoded<'a> {
    pub(crate) rate: u32,
    pub(crate) channels: usize,
    /// Interleaved, each as the most significant bits of 32.
    pub(crate) samples: &'a [i32],
}

/// Why there is no decoder for a track.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecoderError {
    /// Symphonia has none, or not for this.
    #[error("{0} ({1})")]
    Codec(symphonia::core::errors::Error, String),
    /// What stands at the beginning of Opus.
    #[error("{0} (opus)")]
    Opus(String),
}

impl Decoder {
    /// For a track.
    ///
    /// # Errors
    /// When there is none for what it is, or something is wrong with how it is described.
    pub(crate) fn new(params: &AudioCodecParameters) -> Result<Self, DecoderError> {
        let kind = if params.codec == CODEC_ID_OPUS { opus(params)? } else { symphonia(params)? };
        Ok(Self { kind, samples: Vec::new(), floats: Vec::new() })
    }

    /// What comes out of a packet; `None` if it cannot be decoded, or nothing does.
    pub(crate) fn decode(&mut self, packet: &Packet) -> Option<Decoded<'_>> {
        let (rate, channels) = match &mut self.kind {
            Kind::Opus { decoder, channels } => {
                self.floats.resize(MOST_OPUS_FRAMES * *channels, 0.0);
                let frames = decoder.decode_float(&packet.data, &mut self.floats, false).ok()?;
                self.floats.truncate(frames * *channels);
                self.samples.clear();
                self.samples.extend(self.floats.iter().copied().map(rounded));
                (OPUS_RATE, *channels)
            }
            Kind::Symphonia(decoder) => {
                let decoded = decoder.decode(packet).ok()?;
                if let GenericAudioBufferRef::F32(_) | GenericAudioBufferRef::F64(_) = decoded {
                    decoded.copy_to_vec_interleaved(&mut self.floats);
                    self.samples.clear();
                    self.samples.extend(self.floats.iter().copied().map(rounded));
                } else {
                    decoded.copy_to_vec_interleaved(&mut self.samples);
                }
                (decoded.spec().rate(), decoded.num_planes())
            }
        };
        (!self.samples.is_empty()).then_some(Decoded { rate, channels, samples: &self.samples })
    }
}

fn symphonia(params: &AudioCodecParameters) -> Result<Kind, DecoderError> {
    // Nothing is cut off here: the times of the packets say where each frame belongs.
    let options = AudioDecoderOptions::default().gapless(false);
    let made = symphonia::default::get_codecs().make_audio_decoder(params, &options);
    made.map(Kind::Symphonia).map_err(|error| DecoderError::Codec(error, params.codec.to_string()))
}

/// By the identification header (RFC 7845 5.1): channels, gain and mapping family are its bytes 9, 16, 17 and 18.
fn opus(params: &AudioCodecParameters) -> Result<Kind, DecoderError> {
    let head = params.extra_data.as_deref().unwrap_or_default();
    let (Some(&channels), Some(&low), Some(&high), Some(&family)) =
        (head.get(9), head.get(16), head.get(17), head.get(18))
    else {
        return Err(DecoderError::Opus(format!("its header has {} bytes and is to have 19", head.len())));
    };
    let of = match (family, channels) {
        (0, 1) => opus::Channels::Mono,
        (0, 2) => opus::Channels::Stereo,
        _ => {
            let why = format!("channel mapping {family} with {channels} channels is not decoded here");
            return Err(DecoderError::Opus(why));
        }
    };
    let failed = |error: opus::Error| DecoderError::Opus(error.to_string());
    let mut decoder = opus::Decoder::new(OPUS_RATE, of).map_err(failed)?;
    decoder.set_gain(i16::from_le_bytes([low, high]).into()).map_err(failed)?;
    Ok(Kind::Opus { decoder, channels: channels.into() })
}

/// A sample, full scale at 1, to 16 bits: without dither, which would not be the same twice.
#[allow(
    clippy::cast_possible_truncation,
    reason = "it is within 16 bits, and what is not a number becomes 0"
)]
fn rounded(sample: f32) -> i32 {
    let scaled = (sample * 32_768.0).round_ties_even().clamp(-32_768.0, 32_767.0);
    (scaled as i32) << 16
}
