//! Sound that other programs have coded: its container, and its packets decoded to samples, by Symphonia and by libopus what
//! that leaves out. Both give the same samples on every machine.

mod aac;
mod adts;
mod opus;

use symphonia::core::audio::{AudioSpec, Channels, GenericAudioBufferRef};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::FORMAT_ID_ADTS;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use adts::Adts;
use opus::Opus;

/// Why there is no decoder for something.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DecoderError(pub(crate) String);

/// Bytes that one tag may have; pictures are not to be read at all. Symphonia 0.6 takes these limits and heeds neither: who opens
/// what strangers send has a bound of its own.
const TAG_BYTES: usize = 64 * 1024;

/// Opens what a source holds, by what is in it: what it is called may be wrong. Blocks.
///
/// # Errors
/// When it is nothing that can be understood, or cannot be read.
pub(crate) fn open(source: impl MediaSource + 'static) -> Result<Box<dyn FormatReader>, Error> {
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    let metadata = MetadataOptions::default()
        .limit_tag_bytes(Limit::Maximum(TAG_BYTES))
        .limit_visual_bytes(Limit::Maximum(0));
    let reader =
        symphonia::default::get_probe().probe(&Hint::new(), stream, FormatOptions::default(), metadata)?;
    match reader.format_info().format {
        FORMAT_ID_ADTS => Ok(Box::new(Adts::new(reader.into_inner())?)),
        _ => Ok(reader),
    }
}

/// The track that is heard unless another is chosen, and what it is coded with.
///
/// # Errors
/// When there is none.
pub(crate) fn track(reader: &dyn FormatReader) -> Result<(&Track, &AudioCodecParameters), DecoderError> {
    let track = reader.default_track(TrackType::Audio);
    let coded = track.and_then(|track| match &track.codec_params {
        Some(CodecParameters::Audio(params)) => Some((track, params)),
        _ => None,
    });
    coded.ok_or_else(|| DecoderError("there is no sound in it".to_owned()))
}

/// That what is decoded of the first packet of a track is all of its sound.
///
/// # Errors
/// When it is not.
pub(crate) fn check(params: &AudioCodecParameters, packet: &Packet) -> Result<(), DecoderError> {
    aac::check_packet(params, packet)
}

/// What of a header of MPEG audio (ISO 11172-3 2.4.1.3) says what its packet is decoded to: version, rate, whether it is mono.
/// One decoder goes on with no other. `None` of what has no such header.
pub(crate) fn mpeg_signature(params: &AudioCodecParameters, packet: &Packet) -> Option<[u8; 3]> {
    let [_, version, rate, mode, ..] = *packet.data else { return None };
    let is_mpeg = [CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3].contains(&params.codec);
    is_mpeg.then(|| [version & 0x18, rate & 0x0c, u8::from(mode >> 6 == 3)])
}

/// What comes out of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rate: u32,
    pub(crate) channels: u16,
    /// The loudspeakers, as WAVE has them, if they are named.
    pub(crate) mask: u32,
}

impl Shape {
    fn of(spec: &AudioSpec) -> Self {
        let mask = match spec.channels() {
            // Its bits are in the same places.
            Channels::Positioned(positions) => u32::try_from(positions.bits()).unwrap_or(0),
            _ => 0,
        };
        let channels = u16::try_from(spec.channels().count()).unwrap_or(u16::MAX);
        Self { rate: spec.rate(), channels, mask }
    }
}

/// Decodes packets to samples.
pub(crate) struct Decoder {
    codec: Codec,
    samples: Vec<i32>,
    floats: Vec<f32>,
}

enum Codec {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Opus),
}

impl Codec {
    fn new(params: &AudioCodecParameters) -> Result<Self, DecoderError> {
        aac::check_description(params)?;
        if params.codec == CODEC_ID_OPUS {
            return Opus::new(params.extra_data.as_deref().unwrap_or_default()).map(Self::Opus);
        }
        // Nothing is cut off here: the times of the packets say where each frame belongs.
        let options = AudioDecoderOptions::default().gapless(false);
        let made = symphonia::default::get_codecs().make_audio_decoder(params, &options);
        let named = |error| DecoderError(format!("{error} ({})", params.codec));
        made.map(Self::Symphonia).map_err(named)
    }
}

impl Decoder {
    /// # Errors
    /// When there is none for what it is, or something is wrong with how it is described.
    pub(crate) fn new(params: &AudioCodecParameters) -> Result<Self, DecoderError> {
        Ok(Self { codec: Codec::new(params)?, samples: Vec::new(), floats: Vec::new() })
    }

    /// Decodes a packet to samples, each in the most significant bits of 32; `None` if it cannot be decoded, or is empty.
    pub(crate) fn decode(&mut self, packet: &Packet) -> Option<(Shape, &[i32])> {
        let shape = match &mut self.codec {
            Codec::Opus(opus) => {
                let samples = opus.decode(&packet.data)?;
                self.samples.clear();
                self.samples.extend(samples.iter().copied().map(rounded));
                Shape { rate: opus::RATE, channels: opus.channels(), mask: 0 }
            }
            Codec::Symphonia(decoder) => {
                let decoded = decoder.decode(packet).ok()?;
                if let GenericAudioBufferRef::F32(_) | GenericAudioBufferRef::F64(_) = decoded {
                    decoded.copy_to_vec_interleaved(&mut self.floats);
                    self.samples.clear();
                    self.samples.extend(self.floats.iter().copied().map(rounded));
                } else {
                    decoded.copy_to_vec_interleaved(&mut self.samples);
                }
                Shape::of(decoded.spec())
            }
        };
        (!self.samples.is_empty()).then_some((shape, &self.samples))
    }
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
