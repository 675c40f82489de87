//! ADTS (ISO 13818-7 6.2): packets of AAC one after another, each behind a header that says what it is. Symphonia's reader
//! has the first of them speak for all; by this one another kind is another stream.

use std::collections::VecDeque;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::errors::{Error, Result, SeekErrorKind};
use symphonia::core::formats::well_known::FORMAT_ID_ADTS;
use symphonia::core::formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track};
use symphonia::core::io::{MediaSourceStream, ReadBytes};
use symphonia::core::meta::{Metadata, MetadataLog};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::aac;

const INFO: FormatInfo =
    FormatInfo { format: FORMAT_ID_ADTS, short_name: "aac", long_name: "Audio Data Transport Stream" };

/// Frames of a packet.
const FRAMES: u64 = 1024;
/// Frames a second, by index.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// What a header says that all packets of a stream have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    object_type: u8,
    rate_index: u8,
    channels: u8,
}

impl Kind {
    fn track(self) -> Track {
        let mut params = AudioCodecParameters::new();
        let Self { object_type, rate_index, channels } = self;
        params.for_codec(CODEC_ID_AAC);
        params.with_extra_data(aac::described(object_type, rate_index, channels).into());
        if let Some(rate) = RATES.get(usize::from(rate_index)) {
            params.with_sample_rate(*rate);
        }
        if let Some(channels) = aac::channels(channels) {
            params.with_channels(channels);
        }
        let mut track = Track::new(0);
        track.with_codec_params(CodecParameters::Audio(params));
        track
    }
}

/// The packets of a stream.
pub(super) struct Adts {
    stream: MediaSourceStream<'static>,
    kind: Kind,
    /// Packets of `kind` that were read to see that there are some.
    ahead: VecDeque<Box<[u8]>>,
    tracks: [Track; 1],
    media: MediaInfo,
    log: MetadataLog,
    at: Timestamp,
}

impl Adts {
    /// From where there is a header. Blocks.
    pub(super) fn new(mut stream: MediaSourceStream<'static>) -> Result<Self> {
        let (kind, first) = next(&mut stream)?;
        let tracks = [kind.track()];
        let media = MediaInfo::from_track(&tracks[0]);
        let (ahead, log) = (VecDeque::from([first]), MetadataLog::default());
        Ok(Self { stream, kind, ahead, tracks, media, log, at: Timestamp::new(0) })
    }

    /// The next packet of the same kind; of another, two in a row are believed: a single one may be damage.
    fn data(&mut self) -> Result<Box<[u8]>> {
        if let Some(data) = self.ahead.pop_front() {
            return Ok(data);
        }
        let mut last = next(&mut self.stream)?;
        while last.0 != self.kind {
            let behind = next(&mut self.stream)?;
            if behind.0 == last.0 {
                self.kind = last.0;
                self.tracks = [self.kind.track()];
                self.ahead = [last.1, behind.1].into();
                return Err(Error::ResetRequired);
            }
            last = behind;
        }
        Ok(last.1)
    }
}

/// The next packet and what its header says.
fn next(stream: &mut impl ReadBytes) -> Result<(Kind, Box<[u8]>)> {
    let mut word = stream.read_be_u16()?;
    // Behind what is damaged it goes on where a header may be.
    while word & 0xfff6 != 0xfff0 {
        word = word << 8 | u16::from(stream.read_u8()?);
    }
    let [kind, channels, len, low, end] = {
        let mut rest = [0; 5];
        stream.read_buf_exact(&mut rest)?;
        rest
    };
    let checksum = if word & 1 == 0 { 2 } else { 0 };
    stream.ignore_bytes(checksum)?;
    let len = u16::from(channels & 3) << 11 | u16::from(len) << 3 | u16::from(low >> 5);
    let Some(len) = u64::from(len).checked_sub(7 + checksum) else {
        return Err(Error::DecodeError("adts: a packet is shorter than its header"));
    };
    if end & 3 != 0 {
        return Err(Error::Unsupported("adts: several packets behind one header"));
    }
    let rate_index = kind >> 2 & 0xf;
    if usize::from(rate_index) >= RATES.len() {
        return Err(Error::DecodeError("adts: there is no such rate"));
    }
    let channels = (kind & 1) << 2 | channels >> 6;
    let kind = Kind { object_type: (kind >> 6) + 1, rate_index, channels };
    Ok((kind, stream.read_boxed_slice_exact(usize::try_from(len).unwrap_or(0))?))
}

impl FormatReader for Adts {
    fn format_info(&self) -> &FormatInfo {
        &INFO
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.log.metadata()
    }

    fn seek(&mut self, _: SeekMode, _: SeekTo) -> Result<SeekedTo> {
        Err(Error::SeekError(SeekErrorKind::Unseekable))
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        let data = match self.data() {
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Ok(None);
            }
            data => data?,
        };
        let at = self.at;
        self.at = at.checked_add(Duration::from(FRAMES)).unwrap_or(at);
        Ok(Some(Packet::new(0, at, Duration::from(FRAMES), data)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        self.stream
    }
}
