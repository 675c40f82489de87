//! LAME behind a safe face: constant bit rate, no bit reservoir, nothing written but audio packets.
//!
//! `mp3lame-encoder` covers all but three calls, which are made here on the pointer that its builder gives.
#![allow(unsafe_code, reason = "three of LAME's settings have no safe binding")]

use mp3lame_encoder::{Bitrate, Builder, DualPcm, Encoder, Mode, MonoPcm, Quality, VbrMode};

use crate::{CodecError, Planar};

/// An encoder with settings that make its packets independent of how it was fed.
pub(crate) struct Lame {
    encoder: Encoder,
    left: Vec<i32>,
    right: Vec<i32>,
}

fn failed(what: impl std::fmt::Display) -> CodecError {
    CodecError::Library { library: "LAME", what: what.to_string() }
}

/// LAME's scale for 32-bit integers. They are fed rather than floats: a NaN makes LAME abort the process, and
/// its float call scales by 32767, which would make packets differ from those of the same 16-bit samples.
fn to_i32(sample: f32) -> i32 {
    // `as` saturates, and makes 0 of a NaN.
    #[allow(clippy::cast_possible_truncation, reason = "saturating on purpose")]
    let scaled = (sample * 2_147_483_648.0) as i32;
    scaled
}

fn bitrate(kbps: u32) -> Option<Bitrate> {
    Some(match kbps {
        32 => Bitrate::Kbps32,
        48 => Bitrate::Kbps48,
        64 => Bitrate::Kbps64,
        80 => Bitrate::Kbps80,
        96 => Bitrate::Kbps96,
        112 => Bitrate::Kbps112,
        128 => Bitrate::Kbps128,
        160 => Bitrate::Kbps160,
        192 => Bitrate::Kbps192,
        256 => Bitrate::Kbps256,
        320 => Bitrate::Kbps320,
        _ => return None,
    })
}

impl Lame {
    /// `rate` is one of the nine MPEG rates, `channels` 1 or 2.
    pub(crate) fn new(rate: u32, channels: u16, kbps: u32) -> Result<Self, CodecError> {
        let brate = bitrate(kbps).ok_or_else(|| failed(format!("no bit rate of {kbps} kbit/s")))?;
        let mono = channels == 1;
        let mut builder = Builder::new().ok_or_else(|| failed("out of memory"))?;
        builder.set_sample_rate(rate).map_err(failed)?;
        // Left to itself LAME picks an output rate by bit rate, and resamples without a word.
        builder.set_output_sample_rate(std::num::NonZeroU32::new(rate)).map_err(failed)?;
        builder.set_num_channels(if mono { 1 } else { 2 }).map_err(failed)?;
        builder.set_mode(if mono { Mode::Mono } else { Mode::JointStereo }).map_err(failed)?;
        builder.set_vbr_mode(VbrMode::Off).map_err(failed)?;
        builder.set_brate(brate).map_err(failed)?;
        builder.set_quality(Quality::Good).map_err(failed)?;
        builder.set_to_write_vbr_tag(false).map_err(failed)?;
        // SAFETY: the pointer is that of a live LAME instance, owned by `builder`, and is only used before
        // `builder` is. Both calls set a plain integer field in it.
        let refused = unsafe {
            let lame = builder.as_ptr();
            mp3lame_sys::lame_set_write_id3tag_automatic(lame, 0);
            mp3lame_sys::lame_set_disable_reservoir(lame, 1)
        };
        if refused != 0 {
            return Err(failed("the bit reservoir cannot be disabled"));
        }
        // SAFETY: only the address is taken here. `build` hands the same instance over to the encoder, which
        // frees it when dropped, so it is alive below.
        let lame = unsafe { builder.as_ptr() };
        let encoder = builder.build().map_err(failed)?;
        // SAFETY: `encoder` owns the instance behind `lame` and is alive; the call reads a field.
        let given = unsafe { mp3lame_sys::lame_get_brate(lame) };
        if u32::try_from(given) != Ok(kbps) {
            // LAME takes the nearest bit rate that the sample rate can have, silently.
            return Err(failed(format!("{kbps} kbit/s at {rate} Hz became {given}")));
        }
        Ok(Self { encoder, left: Vec::new(), right: Vec::new() })
    }

    /// Feeds one `Vec` per channel and appends the packets that are whole.
    pub(crate) fn encode(&mut self, pcm: &Planar, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut channels = pcm.iter();
        let left = channels.next().map(Vec::as_slice).unwrap_or_default();
        fill(&mut self.left, left);
        // LAME does not check the room it writes to when it is told of none, so there always is enough.
        out.reserve(mp3lame_encoder::max_required_buffer_size(left.len()));
        match channels.next() {
            None => self.encoder.encode_to_vec(MonoPcm(self.left.as_slice()), out),
            Some(right) => {
                fill(&mut self.right, right);
                self.encoder.encode_to_vec(DualPcm { left: &self.left, right: &self.right }, out)
            }
        }
        .map_err(failed)?;
        Ok(())
    }
}

fn fill(into: &mut Vec<i32>, from: &[f32]) {
    into.clear();
    into.extend(from.iter().copied().map(to_i32));
}
