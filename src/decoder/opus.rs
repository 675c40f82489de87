//! Opus, which Symphonia finds in Ogg (RFC 7845) and MP4 and does not decode.

use ::opus::{Channels, Decoder};

use super::DecoderError;

/// What all Opus is decoded at.
pub(super) const RATE: u32 = 48_000;
/// Frames of the longest packet: 120 ms.
const MOST_FRAMES: usize = 5760;
/// Bytes of the identification header up to its mapping of channels (RFC 7845 5.1).
const HEADER_LEN: usize = 19;

/// Decodes packets of one or two channels.
pub(super) struct Opus {
    decoder: Decoder,
    channels: u16,
    room: Vec<f32>,
}

impl Opus {
    /// By the stream's identification header.
    pub(super) fn new(header: &[u8]) -> Result<Self, DecoderError> {
        let unusable = |why: &str| DecoderError(why.to_owned());
        let Some(&[.., version, count, _, _, _, _, _, _, first, second, family]) =
            header.first_chunk::<HEADER_LEN>()
        else {
            return Err(unusable("its Opus header is too short"));
        };
        let channels = match (count, family) {
            (1, 0) => Channels::Mono,
            (2, 0) => Channels::Stereo,
            _ => return Err(unusable("it is Opus of more than two channels")),
        };
        let failed = |error: ::opus::Error| DecoderError(error.to_string());
        let mut decoder = Decoder::new(RATE, channels).map_err(failed)?;
        // In 256ths of a decibel. MP4 has version 0, and its own order of bytes.
        let gain = [first, second];
        let gain = if version == 0 { i16::from_be_bytes(gain) } else { i16::from_le_bytes(gain) };
        decoder.set_gain(gain.into()).map_err(failed)?;
        let channels = u16::from(count);
        Ok(Self { decoder, channels, room: vec![0.0; MOST_FRAMES * usize::from(channels)] })
    }

    pub(super) fn channels(&self) -> u16 {
        self.channels
    }

    /// The interleaved samples of a packet, if it can be decoded.
    pub(super) fn decode(&mut self, packet: &[u8]) -> Option<&[f32]> {
        // One without bytes would be taken for one that was lost, and made up.
        let frames = self.decoder.decode_float(
            Some(packet).filter(|packet| !packet.is_empty())?,
            &mut self.room,
            false,
        );
        self.room.get(..frames.ok()? * usize::from(self.channels))
    }
}
