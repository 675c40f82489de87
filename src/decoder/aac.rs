//! AAC, of which Symphonia decodes AAC-LC of one or two channels. What else there is of it is named here: most of it has a core
//! that would be decoded all the same, and be half of the sound.

use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::audio::{Channels, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::DecoderError;

/// AAC-LC, as MPEG numbers what there is (ISO 14496-3 1.5.1).
const LOW_COMPLEXITY: u8 = 2;

/// Bytes of a packet that is looked through: more than any has.
const MOST_BYTES: usize = 8192;
/// What a fill element begins with (ISO 14496-3 4.4.2). A packet's end is three bits that are set.
const FILL: u32 = 0b110;

/// That nothing but AAC-LC is described.
///
/// # Errors
/// Says what else it is.
pub(super) fn check_description(params: &AudioCodecParameters) -> Result<(), DecoderError> {
    let channels = params.channels.as_ref().map_or(0, Channels::count);
    match params.extra_data.as_deref().and_then(object_type) {
        _ if params.codec != CODEC_ID_AAC => Ok(()),
        Some(other) if other != LOW_COMPLEXITY => Err(refusal(&name(other))),
        _ if channels > 2 => Err(refusal(&format!("AAC of {channels} channels"))),
        _ => Ok(()),
    }
}

/// That a packet has nothing in it that AAC-LC has not: HE-AAC need not be described as such.
///
/// # Errors
/// Says what else it is.
pub(super) fn check_packet(params: &AudioCodecParameters, packet: &Packet) -> Result<(), DecoderError> {
    if params.codec == CODEC_ID_AAC && has_upper_half(params, &packet.data) {
        return Err(refusal("HE-AAC"));
    }
    Ok(())
}

fn refusal(what: &str) -> DecoderError {
    DecoderError(format!("it is {what}, and of AAC only AAC-LC of one or two channels is decoded"))
}

/// How AAC of a kind is described where nothing else does it (ISO 14496-3 1.6.2.1): its kind, the index of its rate, and its
/// channels.
pub(super) fn described(object_type: u8, rate_index: u8, channels: u8) -> [u8; 2] {
    [object_type << 3 | rate_index >> 1, rate_index << 7 | channels << 3]
}

/// One or two; the others are only counted.
pub(super) fn channels(configuration: u8) -> Option<Channels> {
    match configuration {
        1 => Some(CHANNEL_LAYOUT_MONO),
        2 => Some(CHANNEL_LAYOUT_STEREO),
        3..=6 => Some(Channels::Discrete(configuration.into())),
        7 => Some(Channels::Discrete(8)),
        _ => None,
    }
}

/// What a description begins with.
fn object_type(description: &[u8]) -> Option<u8> {
    let number = match bits(description, 0, 5)? {
        31 => 32 + bits(description, 5, 6)?,
        number => number,
    };
    u8::try_from(number).ok()
}

fn name(object_type: u8) -> String {
    let name = match object_type {
        1 => "AAC Main",
        3 => "AAC-SSR",
        4 => "AAC-LTP",
        5 => "HE-AAC",
        23 => "AAC-LD",
        29 => "HE-AAC v2",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        other => return format!("MPEG-4 audio of type {other}"),
    };
    name.to_owned()
}

/// Whether a packet has what the upper half of a sound is made from (spectral band replication, ISO 14496-3 4.6.18). That is
/// in a fill element, and where one begins only whoever decodes all before it can tell. So the decoder is asked: it makes the
/// same of a packet that ends there, and of none that ends anywhere else.
fn has_upper_half(params: &AudioCodecParameters, packet: &[u8]) -> bool {
    let Ok(whole) = decoded(params, packet) else { return false };
    if packet.len() > MOST_BYTES {
        return false;
    }
    let mut may_be = (0..packet.len() * 8).filter(|at| looks_like_upper_half(packet, *at).unwrap_or(false));
    may_be.any(|at| decoded(params, &ended(packet, at)).is_ok_and(|ended| ended == whole))
}

/// Whether the bits from a place on could be a fill element with it.
fn looks_like_upper_half(packet: &[u8], at: usize) -> Option<bool> {
    if bits(packet, at, 3)? != FILL {
        return Some(false);
    }
    let (bytes, within) = match bits(packet, at + 3, 4)? {
        15 => (14 + bits(packet, at + 7, 8)?, at + 15),
        bytes => (bytes, at + 7),
    };
    let is_whole = within + usize::try_from(bytes).ok()? * 8 <= packet.len() * 8;
    // With a checksum or without.
    Some(bytes > 0 && is_whole && matches!(bits(packet, within, 4)?, 0b1101 | 0b1110))
}

/// The samples of a packet that is a decoder's first.
fn decoded(params: &AudioCodecParameters, packet: &[u8]) -> Result<Vec<f32>, Error> {
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(params, &options)?;
    let packet = Packet::new(0, Default::default(), Default::default(), packet);
    let mut samples = Vec::new();
    let decoded: GenericAudioBufferRef<'_> = decoder.decode(&packet)?;
    decoded.copy_to_vec_interleaved(&mut samples);
    Ok(samples)
}

/// A packet as far as a bit of it, with an end behind that.
fn ended(packet: &[u8], at: usize) -> Vec<u8> {
    let mut ended = vec![0; (at + 3).div_ceil(8)];
    for place in 0..at + 3 {
        let bit = if place < at { bits(packet, place, 1).unwrap_or(0) } else { 1 };
        if let Some(byte) = ended.get_mut(place / 8) {
            *byte |= u8::from(bit == 1) << (7 - place % 8);
        }
    }
    ended
}

/// So many bits from a place on.
fn bits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    (at..at + count).try_fold(0, |number, at| {
        let byte = bytes.get(at / 8)?;
        Some(number << 1 | u32::from(byte >> (7 - at % 8) & 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder;

    /// What is said of each of the packets behind the first, if anything is.
    fn said(bytes: &'static [u8]) -> Vec<Option<String>> {
        let mut reader = decoder::open(std::io::Cursor::new(bytes)).unwrap();
        let params = decoder::track(&*reader).unwrap().1.clone();
        let packets = std::iter::from_fn(|| reader.next_packet().unwrap());
        packets.map(|packet| check_packet(&params, &packet).err().map(|error| error.to_string())).collect()
    }

    #[test]
    fn what_has_an_upper_half_is_told_from_what_has_none_by_every_packet() {
        let high = [
            &include_bytes!("../../fixtures/he-aac.aac")[..],
            include_bytes!("../../fixtures/he-aac-v2.aac"),
        ];
        for bytes in high {
            let said = said(bytes);
            assert!(
                said.len() > 15
                    && said.iter().all(|said| said.as_ref().is_some_and(|said| said.contains("HE-AAC")))
            );
        }
        for low in [
            &include_bytes!("../../fixtures/aac-22k05.aac")[..],
            include_bytes!("../../fixtures/aac-44k1.aac"),
        ] {
            let said = said(low);
            assert!(said.len() > 15 && said.iter().all(Option::is_none), "{said:?}");
        }
    }

    #[test]
    fn what_is_described_is_named() {
        let checked = |description: &[u8]| {
            let mut params = AudioCodecParameters::new();
            params.for_codec(CODEC_ID_AAC).with_extra_data(description.into());
            check_description(&params).map_err(|error| error.to_string())
        };
        assert_eq!(checked(&[0x12, 0x10]), Ok(()));
        for (description, name) in [
            (&[0x0a, 0x10][..], "AAC Main"),
            (&[0x2b, 0x92, 0x08, 0x00], "HE-AAC, "),
            (&[0xeb, 0x92, 0x08, 0x00], "HE-AAC v2"),
            (&[0xf9, 0x48, 0x40], "xHE-AAC"),
        ] {
            let said = checked(description).unwrap_err();
            assert!(said.contains(name) && said.contains("only AAC-LC of one or two channels"), "{said}");
        }
    }
}
