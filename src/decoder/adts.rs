//! ADTS (ISO 13818-7 6.2): packets of AAC one after another, each behind a header that says what it is. Symphonia's reader
//! has the first of them speak for all; by this one another kind is another stream.

use std::collections::VecDeque;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::errors::{Error, Result, SeekErrorKind};
use symphonia::core::formats::well_known::FORMAT_ID_ADTS;
use symphonia::core::formats::{FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track};
use symphonia::core::io::{MediaSourceStream, ReadBytes, SeekBuffered};
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
        stream.ensure_seekback_buffer(FURTHEST);
        go_to_sync(&mut stream)?;
        let (kind, first) = packet(&mut stream)?;
        let tracks = [kind.track()];
        let media = MediaInfo::from_track(&tracks[0]);
        let (ahead, log) = (VecDeque::from([first]), MetadataLog::default());
        Ok(Self { stream, kind, ahead, tracks, media, log, at: Timestamp::new(0) })
    }

    /// The next packet of the same kind; of another, two in a row are believed: a single one may be damage, and is empty.
    fn data(&mut self) -> Result<Box<[u8]>> {
        if let Some(data) = self.ahead.pop_front() {
            return Ok(data);
        }
        let mut last = self.next()?;
        if last.0 == self.kind {
            return Ok(last.1);
        }
        while last.0 != self.kind {
            let behind = self.next()?;
            if behind.0 == last.0 {
                self.kind = last.0;
                self.tracks = [self.kind.track()];
                self.ahead = [last.1, behind.1].into();
                return Err(Error::ResetRequired);
            }
            last = behind;
        }
        self.ahead = [last.1].into();
        Ok(Box::default())
    }

    /// The next packet and what its header says. Where there should be a header and is none that can be, one that is empty, of
    /// which nothing can be decoded: how many were damaged nobody knows, and mostly it is one.
    fn next(&mut self) -> Result<(Kind, Box<[u8]>)> {
        let at = self.stream.pos();
        match packet(&mut self.stream) {
            Err(Error::DecodeError(_) | Error::Unsupported(_)) => {
                self.stream.seek_buffered(at + 1);
                self.find()?;
                Ok((self.kind, Box::default()))
            }
            packet => packet,
        }
    }

    /// Goes to the next header that is to be believed.
    fn find(&mut self) -> Result<()> {
        loop {
            go_to_sync(&mut self.stream)?;
            let at = self.stream.pos();
            let is_believed = is_believed(&mut self.stream)?;
            self.stream.seek_buffered(at + u64::from(!is_believed));
            if is_believed {
                return Ok(());
            }
        }
    }
}

/// How far it may go back from behind a header: to before the packet in front of that.
const FURTHEST: usize = 16 * 1024;

/// Goes to where a header may be.
fn go_to_sync(stream: &mut MediaSourceStream<'_>) -> Result<()> {
    let mut word = stream.read_be_u16()?;
    while !is_sync(word) {
        word = word << 8 | u16::from(stream.read_u8()?);
    }
    stream.seek_buffered_rel(-2);
    Ok(())
}

fn is_sync(word: u16) -> bool {
    word & 0xfff6 == 0xfff0
}

/// Whether there is a header, and behind its packet another of the same kind, or nothing more: what looks like one header may be
/// in the midst of anything.
///
/// # Errors
/// When both say that there are several packets behind them: that is no damage.
fn is_believed(stream: &mut impl ReadBytes) -> Result<bool> {
    let Ok(first) = header(stream) else { return Ok(false) };
    if stream.ignore_bytes(first.len).is_err() {
        return Ok(false);
    }
    match header(stream) {
        Ok(second) if second.kind != first.kind => Ok(false),
        Ok(second) if first.is_several && second.is_several => Err(SEVERAL),
        Ok(_) | Err(Error::IoError(_)) => Ok(!first.is_several),
        Err(_) => Ok(false),
    }
}

const SEVERAL: Error = Error::Unsupported("adts: several packets behind one header");

/// What a header says.
struct Header {
    kind: Kind,
    /// Bytes behind it.
    len: u64,
    /// Whether they are more than one packet.
    is_several: bool,
}

/// The header that is here.
fn header(stream: &mut impl ReadBytes) -> Result<Header> {
    let word = stream.read_be_u16()?;
    if !is_sync(word) {
        return Err(Error::DecodeError("adts: there is no header"));
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
    let rate_index = kind >> 2 & 0xf;
    if usize::from(rate_index) >= RATES.len() {
        return Err(Error::DecodeError("adts: there is no such rate"));
    }
    let channels = (kind & 1) << 2 | channels >> 6;
    let kind = Kind { object_type: (kind >> 6) + 1, rate_index, channels };
    Ok(Header { kind, len, is_several: end & 3 != 0 })
}

/// The packet that is here and what its header says.
fn packet(stream: &mut impl ReadBytes) -> Result<(Kind, Box<[u8]>)> {
    let Header { kind, len, is_several } = header(stream)?;
    if is_several {
        return Err(SEVERAL);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = include_bytes!("../../fixtures/aac-44k1.aac");
    const OTHER: &[u8] = include_bytes!("../../fixtures/aac-22k05.aac");

    /// The packets of a stream, an empty one where one is damaged, and how many other streams begin in it.
    fn packets(bytes: Vec<u8>) -> Result<(Vec<Box<[u8]>>, usize)> {
        let source = Box::new(std::io::Cursor::new(bytes));
        let mut reader = Adts::new(MediaSourceStream::new(source, Default::default()))?;
        let (mut packets, mut others) = (Vec::new(), 0);
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) => packets.push(packet.data),
                Ok(None) => return Ok((packets, others)),
                Err(Error::ResetRequired) => others += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the headers are.
    fn headers(bytes: &[u8]) -> Vec<usize> {
        let len = |at: usize| {
            usize::from(bytes[at + 3] & 3) << 11
                | usize::from(bytes[at + 4]) << 3
                | usize::from(bytes[at + 5] >> 5)
        };
        std::iter::successors(Some(0), |at| Some(at + len(*at)).filter(|at| *at < bytes.len())).collect()
    }

    #[test]
    fn one_damaged_bit_of_a_header_ends_nothing() {
        let (whole, _) = packets(BYTES.to_vec()).unwrap();
        let at = headers(BYTES)[5];
        for bit in 0..56 {
            let mut bytes = BYTES.to_vec();
            bytes[at + bit / 8] ^= 0x80 >> (bit % 8);
            let (damaged, others) = packets(bytes).unwrap_or_else(|error| panic!("bit {bit}: {error}"));
            assert_eq!(others, 0, "bit {bit}");
            assert_eq!(damaged[..5], whole[..5], "bit {bit}");
            // Its length is in the midst of it: that may lead behind some others, or to before where it ends.
            let is_len = (30..43).contains(&bit);
            let (least, most) =
                if is_len { (whole.len() / 2, whole.len() + 1) } else { (whole.len(), whole.len()) };
            assert!((least..=most).contains(&damaged.len()), "bit {bit}: {}", damaged.len());
            assert_eq!(damaged.last(), whole.last(), "bit {bit}");
        }
    }

    #[test]
    fn what_is_between_two_streams_is_neither() {
        // In it there is what looks like the header of several packets, and of one that ends in the other stream.
        let mut between = vec![0x55; 3000];
        between[500..507].copy_from_slice(&[0xff, 0xf1, 0x50, 0x80, 0x10, 0x1f, 0xff]);
        between[2900..2907].copy_from_slice(&[0xff, 0xf1, 0x50, 0x80, 0x40, 0x1f, 0xfc]);
        let (first, _) = packets(BYTES.to_vec()).unwrap();
        let (second, _) = packets(OTHER.to_vec()).unwrap();
        let (all, others) = packets([BYTES, &between, OTHER].concat()).unwrap();
        assert_eq!((all.len(), others), (first.len() + 1 + second.len(), 1));
        assert_eq!(all[first.len() + 1..], second);
    }

    #[test]
    fn several_packets_behind_each_header_are_refused() {
        let headers = headers(BYTES);
        // From the start, and from the fifth on.
        for from in [0, 5] {
            let mut bytes = BYTES.to_vec();
            headers[from..].iter().for_each(|at| bytes[at + 6] |= 1);
            let refused = packets(bytes).map(|(packets, _)| packets.len());
            assert!(matches!(refused, Err(Error::Unsupported(_))), "{from}: {refused:?}");
        }
    }
}
