//! Coded sound that is sent, decoded as it comes.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::{Buf, Bytes};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::Error;
use symphonia::core::formats::FormatReader;
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use tailcast_codecs::pcm::Endian;
use tailcast_codecs::{PcmSpec, SampleFormat};
use tokio::sync::mpsc;

use crate::decoder::{self, Decoder, DecoderError};
use crate::error::Problem;

/// How sound that is sent can be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// MPEG audio.
    Mpeg,
    /// Vorbis, Opus or FLAC in Ogg.
    Ogg,
    /// AAC as ADTS.
    Aac,
    /// FLAC by itself.
    Flac,
}

impl Coding {
    /// By a media type, in small letters and without its parameters.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "audio/mpeg" | "audio/mp3" | "audio/x-mpeg" => Some(Self::Mpeg),
            "application/ogg" | "audio/ogg" | "video/ogg" | "audio/opus" => Some(Self::Ogg),
            "audio/aac" | "audio/aacp" | "audio/x-aac" => Some(Self::Aac),
            "audio/flac" | "audio/x-flac" => Some(Self::Flac),
            _ => None,
        }
    }
}

/// Why no more is decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodedError {
    /// It is not what it is said to be.
    #[error("it cannot be understood: {0}")]
    Container(Error),
    /// It is, and nothing here decodes it.
    #[error("{0}")]
    Decoder(#[from] DecoderError),
    /// Its rate or its channels cannot be recorded.
    #[error("{0}")]
    Spec(String),
    /// Whoever takes what is decoded takes no more.
    #[error("{}", .0.detail())]
    Taken(Problem),
    /// What decodes it has a bug.
    #[error("it cannot be decoded")]
    Panic,
}

/// Packets in a row of which nothing can be made: behind these it is something else.
const MOST_BROKEN: u32 = 256;

/// Decodes what comes until it ends, and gives `take` the sound: as 16-bit little-endian PCM, in whole frames, and what that is.
/// A packet that cannot be decoded is silence of its length. Blocks.
///
/// # Errors
/// When it cannot be decoded, or `take` fails. What was given to it is good.
pub(crate) fn decode(
    source: Source,
    coding: Coding,
    mut take: impl FnMut(PcmSpec, &[u8]) -> Result<(), Problem>,
) -> Result<(), CodedError> {
    let mut format = match decoder::open(source) {
        Err(error) if is_end(&error) => return Ok(()),
        opened => opened.map_err(CodedError::Container)?,
    };
    let mut track = Track::of(&*format, coding)?;
    let (mut broken, mut pcm) = (0, Vec::new());
    loop {
        match format.next_packet() {
            Ok(Some(packet)) => {
                broken = 0;
                if let Some(spec) = track.decode(&packet, &mut pcm)? {
                    take(spec, &pcm).map_err(CodedError::Taken)?;
                }
            }
            Ok(None) => return Ok(()),
            // Ogg: another title, of which encoders make another stream.
            Err(Error::ResetRequired) => track = Track::of(&*format, coding)?,
            Err(error) if is_end(&error) => return Ok(()),
            Err(Error::DecodeError(_)) if broken < MOST_BROKEN => broken += 1,
            Err(error) => return Err(CodedError::Container(error)),
        }
    }
}

fn is_end(error: &Error) -> bool {
    matches!(error, Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}

/// What of a body is decoded.
struct Track {
    id: u32,
    params: AudioCodecParameters,
    decoder: Decoder,
    /// Of MPEG's packets, what they are decoded to.
    signature: Option<[u8; 3]>,
    /// Whether what the packets say of the sound in them is to be heard: not with MPEG, where it is said of the first file of
    /// those that are sent one after another.
    trims: bool,
    /// What came last.
    spec: Option<PcmSpec>,
}

impl Track {
    fn of(format: &dyn FormatReader, coding: Coding) -> Result<Self, CodedError> {
        let (track, params) = decoder::track(format)?;
        let trims = coding != Coding::Mpeg;
        let (params, decoder) = (params.clone(), Decoder::new(params)?);
        Ok(Self { id: track.id, params, decoder, signature: None, trims, spec: None })
    }

    /// Decodes a packet into `pcm`; `None` if there is nothing of it to be heard.
    fn decode(&mut self, packet: &Packet, pcm: &mut Vec<u8>) -> Result<Option<PcmSpec>, CodedError> {
        pcm.clear();
        if packet.track_id != self.id {
            return Ok(None);
        }
        self.look_at_header(packet)?;
        let Some(decoded) = self.decoder.decode(packet) else {
            let Some(spec) = self.spec else { return Ok(None) };
            let frames =
                usize::try_from(packet.dur.get()).unwrap_or(0).min(usize::try_from(spec.rate).unwrap_or(0));
            pcm.resize(frames.saturating_mul(spec.frame_bytes()), 0);
            return Ok(Some(spec));
        };
        let (shape, samples) = decoded;
        if self.spec.is_none() {
            decoder::check(&self.params, packet)?;
        }
        let spec = PcmSpec::new(SampleFormat::S16(Endian::Little), shape.rate, shape.channels);
        let spec = spec.map_err(|error| CodedError::Spec(error.to_string()))?;
        let samples = if self.trims { trimmed(samples, shape.channels, packet) } else { samples };
        pcm.extend(samples.iter().flat_map(|sample| {
            let [_, _, low, high] = sample.to_le_bytes();
            [low, high]
        }));
        self.spec = Some(spec);
        Ok(Some(spec))
    }

    /// Begins anew where an MPEG stream goes on at another rate or with other channels, which one decoder does not.
    fn look_at_header(&mut self, packet: &Packet) -> Result<(), CodedError> {
        let signature = decoder::mpeg_signature(&self.params, packet);
        if signature.is_some() && self.signature.is_some() && signature != self.signature {
            self.decoder = Decoder::new(&self.params)?;
            self.spec = None;
        }
        self.signature = signature.or(self.signature);
        Ok(())
    }
}

/// The samples of a packet that are to be heard.
fn trimmed<'a>(samples: &'a [i32], channels: u16, packet: &Packet) -> &'a [i32] {
    let of = |frames: u64| {
        usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(usize::from(channels)).min(samples.len())
    };
    let (start, end) = (of(packet.trim_start.get()), samples.len() - of(packet.trim_end.get()));
    samples.get(start..end).unwrap_or_default()
}

/// A body as it comes, for a thread that waits for it.
#[derive(Debug)]
pub(crate) struct Source {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Source {
    /// Of what comes in pieces, until there can be no more of them.
    pub(crate) fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new() }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let len = self.piece.len().min(buffer.len());
        let (into, _) = buffer.split_at_mut(len);
        self.piece.copy_to_slice(into);
        Ok(len)
    }
}

impl Seek for Source {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}
