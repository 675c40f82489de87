//! Coded sound that is sent, decoded as it comes.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// So much has come without any that there need be none.
    #[error("there is no sound in {MOST_SILENT} bytes of it (tags and pictures have to be shorter)")]
    Silent,
    /// Whoever takes what is decoded takes no more.
    #[error("{}", .0.detail())]
    Taken(Problem),
    /// What decodes it has a bug.
    #[error("it cannot be decoded")]
    Panic,
}

/// Packets in a row of which nothing can be made: behind these it is something else.
const MOST_BROKEN: u32 = 256;

/// Bytes in which there may be no sound, before the first of it and later. What reads tags keeps all of them, so that this is
/// what bounds one source's memory: mostly to as much, to twenty-five times that if it sends nothing but the shortest tags.
/// Covers, of which there may be several, have some megabytes.
const MOST_SILENT: u64 = 16 * 1024 * 1024;

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
    let silence = source.silence.clone();
    let mut format = match decoder::open(source) {
        Err(_) if silence.is_over() => return Err(CodedError::Silent),
        Err(error) if is_end(&error) => return Ok(()),
        opened => opened.map_err(CodedError::Container)?,
    };
    let mut track = Track::of(&*format, coding)?;
    let (mut broken, mut pcm) = (0, Vec::new());
    loop {
        match next(&mut *format) {
            _ if silence.is_over() => return Err(CodedError::Silent),
            Ok(Some(packet)) => {
                broken = 0;
                if let Some(spec) = track.decode(&packet, &mut pcm)? {
                    silence.ends();
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

/// The next packet. What is told in the midst of a stream (Ogg: of each title) is kept by what reads it until somebody has taken
/// it, which would be for as long as a show lasts.
fn next(format: &mut dyn FormatReader) -> Result<Option<Packet>, Error> {
    let next = format.next_packet();
    format.metadata().skip_to_latest();
    next
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

/// Bytes that have come since there was sound.
#[derive(Debug, Clone, Default)]
struct Silence(Arc<AtomicU64>);

impl Silence {
    fn goes_on(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn ends(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether there are as many as there may be.
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MOST_SILENT
    }
}

/// A body as it comes, for a thread that waits for it. It ends when there was no sound in it for too long.
#[derive(Debug)]
pub(crate) struct Source {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    silence: Silence,
}

impl Source {
    /// Of what comes in pieces, until there can be no more of them.
    pub(crate) fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new(), silence: Silence::default() }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.silence.is_over() {
            return Ok(0);
        }
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let len = self.piece.len().min(buffer.len());
        let (into, _) = buffer.split_at_mut(len);
        self.piece.copy_to_slice(into);
        self.silence.goes_on(len);
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

#[cfg(test)]
mod tests {
    use super::*;
    use tailcast_codecs::ogg::{FIRST, LAST, PageHead, write_packet};

    /// An Opus stream of one packet, silence, with a tag.
    fn title(serial: u32, tag: &[u8]) -> Vec<u8> {
        let head = b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0";
        let len = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
        let tags = [&b"OpusTags"[..], &len(0), &len(1), &len(tag.len()), tag].concat();
        let mut out = Vec::new();
        for (sequence, flags, granule, packet) in
            [(0, FIRST, 0, &head[..]), (1, 0, 0, &tags), (2, LAST, 960, b"\xfc\xff\xfe")]
        {
            write_packet(PageHead { flags, granule, serial, sequence }, packet, &mut out);
        }
        out
    }

    /// Bytes that are decoded of it, and how that ends.
    fn decoded(
        pieces: impl IntoIterator<Item = Bytes> + Send,
        coding: Coding,
    ) -> (usize, Result<(), CodedError>) {
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel(1);
            let pieces = pieces.into_iter().collect::<Vec<_>>();
            scope.spawn(move || pieces.into_iter().all(|piece| sender.blocking_send(piece).is_ok()));
            let mut len = 0;
            let result = decode(Source::new(receiver), coding, |_, pcm| {
                len += pcm.len();
                Ok(())
            });
            (len, result)
        })
    }

    #[test]
    fn what_titles_tell_does_not_pile_up() {
        let chain: Vec<u8> = (0..20).flat_map(|serial| title(serial, b"TITLE=one")).collect();
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(chain.into()).unwrap();
        drop(sender);
        let mut format = decoder::open(Source::new(receiver)).unwrap();
        let mut titles = 1;
        loop {
            match next(&mut *format) {
                Ok(Some(_)) => {}
                Err(Error::ResetRequired) => titles += 1,
                end => break assert!(matches!(end, Ok(None)), "{end:?}"),
            }
            assert!(format.metadata().is_latest(), "{titles}");
        }
        assert_eq!(titles, 20);
    }

    #[test]
    fn tags_without_sound_are_refused_and_any_number_with_it_are_not() {
        let piece = Bytes::from([&b"A="[..], &[b'x'; 1_000_000]].concat());
        // More than there may be of silence in all of them, and less in each.
        let titles = (0..20).map(|serial| Bytes::from(title(serial, &piece)));
        let (len, result) = decoded(titles, Coding::Ogg);
        assert!(result.is_ok() && len == 20 * 960 * 4, "{len} {result:?}");
        // FLAC whose description is never the last; MP3 behind ever more of them; Ogg with one after another of no sound.
        let mut flac = b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0".to_vec();
        flac.resize(42, 0);
        let comment = {
            let len = u32::try_from(piece.len()).unwrap();
            let block = (len + 12).to_be_bytes();
            [&[4], &block[1..], &[0; 4], &1_u32.to_le_bytes(), &len.to_le_bytes(), &piece].concat()
        };
        let id3 =
            [&b"ID3\x04\0\0"[..], &[0, 0x3d, 4, 0x4c], b"TXXX", &[0, 0x3d, 4, 0x42, 0, 0, 3, 0], &piece[2..]];
        let id3 = Bytes::from([&id3.concat()[..], &[b'x'; 2]].concat());
        let mute = |serial| Bytes::from(title(serial, &piece)[..1_000_000].to_vec());
        for (coding, first, more) in [
            (Coding::Flac, Bytes::from(flac), vec![Bytes::from(comment); 20]),
            (Coding::Mpeg, Bytes::new(), vec![id3; 20]),
            (Coding::Aac, AAC.into(), vec![Bytes::from(vec![0; 1_000_000]); 20]),
            (Coding::Ogg, title(99, b"A=").into(), (0..20).map(mute).collect()),
        ] {
            let (_, result) = decoded([first].into_iter().chain(more), coding);
            let said = result.expect_err("it is refused").to_string();
            assert!(said.contains("no sound in 16777216 bytes"), "{coding:?}: {said}");
        }
    }

    const AAC: &[u8] = include_bytes!("../../fixtures/aac-44k1.aac");
}
