//! The header of a WAV file that may still be being written, and where its sound ends.
//!
//! What such a header says about sizes is a placeholder until its recorder comes back to it, and recorders
//! differ in what they put there. So a size is believed only when the rest of the file bears it out.

use std::fs::File;
use std::io;

use thiserror::Error;

use tailcast_codecs::pcm::{Endian, PcmError, PcmSpec, SampleFormat};

use super::reading::Read;

/// Sound that begins later than this is not looked for. Headers with pictures and cue lists stay below it.
const MAX_DATA_OFFSET: u64 = 1 << 20;
/// Nearly all headers end within so many bytes.
const USUAL_LEN: u64 = 64 * 1024;
/// Chunks that are looked at behind the sound.
const MAX_TRAILING_CHUNKS: usize = 64;
/// Bytes of a chunk's id and size.
const CHUNK_HEAD: u64 = 8;
/// Bytes of a `fmt ` chunk that say something, of those that are `WAVE_FORMAT_EXTENSIBLE`.
const EXTENSIBLE_LEN: u64 = 40;
/// Bytes that every `fmt ` chunk has.
const FMT_LEN: u64 = 16;

const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;
/// The last half of the GUIDs that are format tags (`KSDATAFORMAT_SUBTYPE_WAVEFORMATEX`).
const GUID_TAIL: [u8; 8] = [0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// What a WAV header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiffHeader {
    /// What the sound is.
    pub spec: PcmSpec,
    /// Where in the file the sound begins, in bytes.
    pub data_offset: u64,
    /// Bytes of sound by the header, or `None` if it does not say. Not to be believed unseen: see [`data_len`].
    pub declared: Option<u64>,
    /// How the file's numbers are written: big endian in RIFX only.
    pub endian: Endian,
}

/// What the beginning of a file turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Riff {
    /// Not WAV.
    NotRiff,
    /// It may be WAV, but the prefix ends before the sound begins: more is to be read, or to be written.
    Incomplete,
    /// WAV, with the whole header there.
    Header(RiffHeader),
}

/// Why a WAV file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RiffError {
    /// A coding other than plain PCM, or samples of another width.
    #[error(
        "WAV format {tag:#06x} with {bits} bits (allowed: 0x0001 (PCM) with 8, 16, 24 or 32 bits, \
         0x0003 (IEEE float) with 32)"
    )]
    Format {
        /// The format tag, the one in the GUID where there is a GUID.
        tag: u16,
        /// Bits of a sample's container.
        bits: u16,
    },
    /// A `WAVE_FORMAT_EXTENSIBLE` whose GUID is not a format tag, such as Ambisonic B-format.
    #[error("WAV format GUID {0:02x?} (allowed: those of PCM and IEEE float)")]
    Guid([u8; 16]),
    /// Frames that are not as long as their samples.
    #[error("WAV frames of {align} bytes for {channels} channels of {bits} bits (allowed: packed samples)")]
    BlockAlign {
        /// Bytes of a frame.
        align: u16,
        /// Samples of a frame.
        channels: u16,
        /// Bits of a sample's container.
        bits: u16,
    },
    /// A `fmt ` chunk too short for what it is to say.
    #[error("WAV `fmt ` chunk of {0} bytes (allowed: at least 16, and 40 for WAVE_FORMAT_EXTENSIBLE)")]
    FmtLen(u64),
    /// Sound before it is said what it is.
    #[error("WAV `data` chunk at byte {0} with no `fmt ` chunk before it")]
    NoFmt(u64),
    /// The header does not come to an end.
    #[error("WAV chunk at byte {0} and no sound before it (allowed: up to byte {MAX_DATA_OFFSET})")]
    TooFar(u64),
    /// A rate or number of channels that is not supported.
    #[error("WAV: {0}")]
    Pcm(#[from] PcmError),
}

/// Reads the header of a file that may be WAV, as much of it as that takes, by what fills a buffer from a byte of the file
/// on.
///
/// # Errors
/// When the file cannot be read; and as [`parse`].
pub(super) fn read(file: &File, read: Read) -> io::Result<Result<Riff, RiffError>> {
    let len = file.metadata()?.len();
    let mut prefix = Vec::new();
    for most in [USUAL_LEN, MAX_DATA_OFFSET] {
        prefix.resize(usize::try_from(most.min(len)).unwrap_or(0), 0);
        read(file, &mut prefix, 0)?;
        let parsed = parse(&prefix);
        if len <= most || !matches!(parsed, Ok(Riff::Incomplete)) {
            return Ok(parsed);
        }
    }
    Ok(Err(RiffError::TooFar(MAX_DATA_OFFSET)))
}

/// Reads the header of a WAV file (RIFF, RIFX, RF64 or BW64) from the file's first bytes, however few.
///
/// # Errors
/// When it is WAV but cannot be used, whatever is still to be written.
pub fn parse(prefix: &[u8]) -> Result<Riff, RiffError> {
    let Some(endian) = magic(prefix) else {
        return Ok(Riff::NotRiff);
    };
    let bytes = Bytes { bytes: prefix, endian };
    Ok(find_data(bytes)?.map_or(Riff::Incomplete, Riff::Header))
}

/// How numbers are written in a file that begins as WAV does (as far as it goes), `None` in any other.
fn magic(prefix: &[u8]) -> Option<Endian> {
    let ids = [
        (b"RIFF", Endian::Little),
        (b"RF64", Endian::Little),
        (b"BW64", Endian::Little),
        (b"RIFX", Endian::Big),
    ];
    let begins = |at: usize, id: &[u8]| prefix.iter().skip(at).zip(id).all(|(byte, of_id)| byte == of_id);
    ids.into_iter().find(|(id, _)| begins(0, *id) && begins(8, b"WAVE")).map(|(_, endian)| endian)
}

/// Goes from chunk to chunk. Each step is at least 8 bytes, and none leads beyond the prefix.
fn find_data(bytes: Bytes<'_>) -> Result<Option<RiffHeader>, RiffError> {
    let (mut spec, mut ds64, mut at) = (None, None, 12);
    while let Some((id, size)) = bytes.chunk_head(at) {
        let body = at + CHUNK_HEAD;
        match &id {
            // A hole: the recorder (or the file system) has made room for what is not written yet.
            [0, 0, 0, 0] => return Ok(None),
            b"ds64" => ds64 = bytes.u64(body + 8),
            b"fmt " if body + size.min(EXTENSIBLE_LEN) > bytes.len() => return Ok(None),
            b"fmt " => spec = Some(bytes.spec(body, size)?),
            b"data" => {
                let spec = spec.ok_or(RiffError::NoFmt(at))?;
                let declared = declared(size, ds64);
                return Ok(Some(RiffHeader { spec, data_offset: body, declared, endian: bytes.endian }));
            }
            _ => {}
        }
        at = body + size + size % 2;
        if at + CHUNK_HEAD > MAX_DATA_OFFSET {
            return Err(RiffError::TooFar(at));
        }
    }
    Ok(None)
}

/// The size of the sound by a `data` chunk's own, where that can be one. (Recorders that do not know it yet write 0,
/// `0x7ffff000` (SoX), `0x7fffff00` (arecord) and others near 2 GiB; but a file may end just there, too.)
fn declared(size: u64, ds64: Option<u64>) -> Option<u64> {
    match size {
        // RF64 has all ones here and the size in `ds64`; before that is filled in it is 0 or all ones.
        0xFFFF_F000.. => ds64.filter(|size| (1..u64::MAX >> 1).contains(size)),
        size => Some(size),
    }
}

/// The bytes of sound in a file of `file_len` bytes.
///
/// The header is believed if the file ends where it says that the sound does, or if from there to the file's
/// end there are whole RIFF chunks and nothing else. Otherwise it was written before the sound, and all that
/// follows is sound; it may end inside a frame.
///
/// `chunk_head` gives the 8 bytes at an offset of the file, or `None` if they cannot be had, in which case
/// the header is not believed. It is called at most 64 times.
pub fn data_len(header: &RiffHeader, file_len: u64, chunk_head: impl FnMut(u64) -> Option<[u8; 8]>) -> u64 {
    let present = file_len.saturating_sub(header.data_offset);
    let believed = |declared: &u64| {
        let end = header.data_offset.checked_add(*declared);
        end.is_some_and(|end| is_borne_out(end, file_len, header.endian, chunk_head))
    };
    header.declared.filter(believed).unwrap_or(present)
}

/// Whether a chunk that ends at `end` is followed by whole chunks up to the file's end. The last may lack the
/// byte that makes its length even.
fn is_borne_out(
    mut end: u64,
    file_len: u64,
    endian: Endian,
    mut chunk_head: impl FnMut(u64) -> Option<[u8; 8]>,
) -> bool {
    for _ in 0..MAX_TRAILING_CHUNKS {
        // Chunks begin at even offsets of the file.
        let next = end.saturating_add(end % 2);
        if end == file_len || next >= file_len {
            return end == file_len || next == file_len;
        }
        let head = chunk_head(next);
        let head = head.and_then(|head| Bytes { bytes: &head, endian }.chunk_head(0));
        let Some((_, size)) = head.filter(|(id, _)| id.iter().all(|byte| matches!(byte, b' '..=b'~'))) else {
            return false;
        };
        end = next.saturating_add(CHUNK_HEAD).saturating_add(size);
    }
    false
}

/// A file's first bytes, read without ever reaching beyond them.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    bytes: &'a [u8],
    endian: Endian,
}

impl Bytes<'_> {
    fn len(self) -> u64 {
        self.bytes.len() as u64
    }

    fn array<const N: usize>(self, at: u64) -> Option<[u8; N]> {
        self.bytes.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
    }

    fn u16(self, at: u64) -> Option<u16> {
        let bytes = self.array(at)?;
        Some(if self.endian == Endian::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(self, at: u64) -> Option<u32> {
        let bytes = self.array(at)?;
        Some(if self.endian == Endian::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Little endian: only RF64 has such numbers, and it has no big endian kind.
    fn u64(self, at: u64) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    fn chunk_head(self, at: u64) -> Option<([u8; 4], u64)> {
        Some((self.array(at)?, self.u32(at + 4)?.into()))
    }

    /// What a `fmt ` chunk of `size` bytes says.
    fn spec(self, body: u64, size: u64) -> Result<PcmSpec, RiffError> {
        let short = || RiffError::FmtLen(size);
        if size < FMT_LEN {
            return Err(short());
        }
        let word = |at: u64| self.u16(body + at).ok_or_else(short);
        let (channels, align, bits) = (word(2)?, word(12)?, word(14)?);
        let rate = self.u32(body + 4).ok_or_else(short)?;
        let tag = match word(0)? {
            EXTENSIBLE if size < EXTENSIBLE_LEN => return Err(short()),
            EXTENSIBLE => self.guid_tag(body + 24).ok_or_else(short)??,
            tag => tag,
        };
        let format = self.sample_format(tag, bits)?;
        let spec = PcmSpec::new(format, rate, channels)?;
        if usize::from(align) != spec.frame_bytes() {
            return Err(RiffError::BlockAlign { align, channels, bits });
        }
        let mask = if word(0)? == EXTENSIBLE { self.u32(body + 20).ok_or_else(short)? } else { 0 };
        Ok(spec.with_mask(mask))
    }

    /// The format tag in a GUID, if all of it is there.
    fn guid_tag(self, at: u64) -> Option<Result<u16, RiffError>> {
        let guid: [u8; 16] = self.array(at)?;
        // In RIFX SoX turns the tag's own two bytes around and leaves the rest as it is in RIFF.
        let as_sox = self.array(at + 2)? == *b"\0\0\0\0\x10\0";
        let by_fields = self.u16(at + 4)? == 0 && self.u16(at + 6)? == 0x10;
        let tag = if as_sox { self.u16(at) } else { u16::try_from(self.u32(at)?).ok().filter(|_| by_fields) };
        Some(tag.filter(|_| guid.ends_with(&GUID_TAIL)).ok_or(RiffError::Guid(guid)))
    }

    /// `bits` are those of the container. How many of them count does not matter: they are the upper ones.
    fn sample_format(self, tag: u16, bits: u16) -> Result<SampleFormat, RiffError> {
        match (tag, bits) {
            (PCM, 8) => Ok(SampleFormat::U8),
            (PCM, 16) => Ok(SampleFormat::S16(self.endian)),
            (PCM, 24) => Ok(SampleFormat::S24(self.endian)),
            (PCM, 32) => Ok(SampleFormat::S32(self.endian)),
            (IEEE_FLOAT, 32) => Ok(SampleFormat::F32(self.endian)),
            _ => Err(RiffError::Format { tag, bits }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // What ffmpeg 5.1.9 and SoX 14.4.2 write up to the sound, byte for byte.
    const FFMPEG_S16: &[u8] =
        b"RIFF\xc6\x07\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0\
        LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\x80\x07\0\0";
    const FFMPEG_S16_PIPE: &[u8] =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\
        \x04\0\x10\0LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xff\xff\xff\xff";
    const FFMPEG_S24: &[u8] =
        b"RIFF\x9e\x0b\0\0WAVEfmt (\0\0\0\xfe\xff\x02\0\x80\xbb\0\0\0e\x04\0\x06\0\x18\0\
        \x16\0\x18\0\x03\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\08\x9bq\
        LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data@\x0b\0\0";
    const FFMPEG_F32: &[u8] =
        b"RIFFN\x07\0\0WAVEfmt (\0\0\0\xfe\xff\x01\0D\xac\0\0\x10\xb1\x02\0\x04\0 \0\x16\0 \0\
        \x04\0\0\0\x03\0\0\0\0\0\x10\0\x80\0\0\xaa\08\x9bqfact\x04\0\0\0\xb9\x01\0\0\
        LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xe4\x06\0\0";
    const FFMPEG_F64: &[u8] =
        b"RIFF2\x0e\0\0WAVEfmt (\0\0\0\xfe\xff\x01\0D\xac\0\0 b\x05\0\x08\0@\0\x16\0@\0\
        \x04\0\0\0\x03\0\0\0\0\0\x10\0\x80\0\0\xaa\08\x9bqfact\x04\0\0\0\xb9\x01\0\0data\xc8\x0d\0\0";
    const FFMPEG_U8: &[u8] = b"RIFF\0\x02\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0D\xac\0\0D\xac\0\0\x01\0\x08\0\
        LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xb9\x01\0\0";
    const FFMPEG_ALAW: &[u8] =
        b"RIFF\x0e\x02\0\0WAVEfmt \x12\0\0\0\x06\0\x01\0D\xac\0\0D\xac\0\0\x01\0\x08\0\0\0\
        fact\x04\0\0\0\xb9\x01\0\0LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xb9\x01\0\0";
    const FFMPEG_RF64: &[u8] =
        b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0\xea\x07\0\0\0\0\0\0\x80\x07\0\0\0\0\0\0\
        \xe0\x01\0\0\0\0\0\0\0\0\0\0fmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0\
        LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xff\xff\xff\xff";
    const FFMPEG_RF64_PIPE: &[u8] = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0fmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0\
        LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf59.27.100\0data\xff\xff\xff\xff";
    const SOX_S16: &[u8] =
        b"RIFF\x96\x03\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0D\xac\0\0\x88X\x01\0\x02\0\x10\0datar\x03\0\0";
    const SOX_S16_PIPE: &[u8] =
        b"RIFF$\xf0\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0D\xac\0\0\x88X\x01\0\x02\0\x10\0data\0\xf0\xff\x7f";
    const SOX_F32: &[u8] = b"RIFF\xfa\x0d\0\0WAVEfmt \x12\0\0\0\x03\0\x02\0D\xac\0\0 b\x05\0\x08\0 \0\0\0\
        fact\x04\0\0\0\xb9\x01\0\0data\xc8\x0d\0\0";
    const SOX_RIFX: &[u8] =
        b"RIFX\0\0\x03\x96WAVEfmt \0\0\0\x10\0\x01\0\x01\0\0\xacD\0\x01X\x88\0\x02\0\x10data\0\0\x03r";

    const SOX_RIFX_S24: &[u8] =
        b"RIFX\0\x18\x39\xd8WAVEfmt \0\0\0\x28\xff\xfe\0\x02\0\0\xac\x44\0\x04\x09\x98\
        \0\x06\0\x18\0\x16\0\x18\0\0\0\x03\0\x01\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71\
        fact\0\0\0\x04\0\x04\x09\x98data\0\x18\x39\x90";

    const ALL: [&[u8]; 14] = [
        FFMPEG_S16,
        FFMPEG_S16_PIPE,
        FFMPEG_S24,
        FFMPEG_F32,
        FFMPEG_F64,
        FFMPEG_U8,
        FFMPEG_ALAW,
        FFMPEG_RF64,
        FFMPEG_RF64_PIPE,
        SOX_S16,
        SOX_S16_PIPE,
        SOX_F32,
        SOX_RIFX,
        SOX_RIFX_S24,
    ];

    fn header(bytes: &[u8]) -> RiffHeader {
        match parse(bytes) {
            Ok(Riff::Header(header)) => header,
            other => panic!("{other:?}"),
        }
    }

    /// A header with `fmt` as its `fmt ` chunk.
    fn with_fmt(fmt: &[u8]) -> Vec<u8> {
        let size = u32::try_from(fmt.len()).unwrap().to_le_bytes();
        [b"RIFF\0\0\0\0WAVEfmt ", &size[..], fmt, b"data\0\0\0\0"].concat()
    }

    fn plain_fmt(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
        let mut fmt = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
        fmt.extend([rate, rate * u32::from(align)].map(u32::to_le_bytes).as_flattened());
        fmt.extend([align, bits].map(u16::to_le_bytes).as_flattened());
        fmt
    }

    /// A whole file, and the sound in it by [`data_len`].
    fn data_len_of(file: &[u8]) -> u64 {
        data_len(&header(file), file.len() as u64, |at| {
            file.get(usize::try_from(at).unwrap()..)?.first_chunk().copied()
        })
    }

    #[test]
    fn headers_of_ffmpeg_and_sox_are_read() {
        for (bytes, spec, declared) in [
            (FFMPEG_S16, "s16le:48000:2", Some(1920)),
            (FFMPEG_S16_PIPE, "s16le:48000:2", None),
            (FFMPEG_S24, "s24le:48000:2", Some(2880)),
            (FFMPEG_F32, "f32le:44100:1", Some(1764)),
            (FFMPEG_U8, "u8:44100:1", Some(441)),
            (FFMPEG_RF64, "s16le:48000:2", Some(1920)),
            (FFMPEG_RF64_PIPE, "s16le:48000:2", None),
            (SOX_S16, "s16le:44100:1", Some(882)),
            (SOX_S16_PIPE, "s16le:44100:1", Some(0x7FFF_F000)),
            (SOX_F32, "f32le:44100:2", Some(3528)),
            (SOX_RIFX, "s16be:44100:1", Some(882)),
            (SOX_RIFX_S24, "s24be:44100:2", Some(0x18_3990)),
        ] {
            let header = header(bytes);
            assert_eq!((header.spec.to_string().as_str(), header.declared), (spec, declared));
            assert_eq!(header.data_offset, bytes.len() as u64, "{spec}");
        }
    }

    #[test]
    fn bw64_is_rf64_by_another_name() {
        let bw64 = [b"BW64", &FFMPEG_RF64[4..]].concat();
        assert_eq!(header(&bw64), header(FFMPEG_RF64));
    }

    #[test]
    fn a_header_cut_anywhere_is_incomplete_and_never_something_else() {
        for bytes in ALL {
            for len in 0..bytes.len() {
                match parse(&bytes[..len]) {
                    Ok(Riff::Incomplete) | Err(RiffError::Format { .. }) => {}
                    other => panic!("{len}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn what_does_not_begin_like_wav_is_not_wav() {
        for other in [&b"OggS"[..], b"RIFFxxxxAVI LIST", b"\0", b"RIFFxxxxWAVX", b"RIFZ"] {
            assert_eq!(parse(other), Ok(Riff::NotRiff), "{other:?}");
        }
        assert_eq!(parse(b""), Ok(Riff::Incomplete));
    }

    #[test]
    fn a_hole_where_chunks_will_be_is_waited_for() {
        assert_eq!(parse(&[b"RIFF\0\0\0\0WAVE", &[0; 4096][..]].concat()), Ok(Riff::Incomplete));
    }

    #[test]
    fn a_size_is_believed_when_the_file_ends_there_with_or_without_its_padding() {
        let sound = [0x80; 1920];
        assert_eq!(data_len_of(&[FFMPEG_S16, &sound].concat()), 1920);
        assert_eq!(data_len_of(&[FFMPEG_RF64, &sound].concat()), 1920);
        assert_eq!(data_len_of(&[FFMPEG_U8, &sound[..442]].concat()), 441);
        assert_eq!(data_len_of(&[FFMPEG_U8, &sound[..441]].concat()), 441);
    }

    #[test]
    fn whole_chunks_behind_the_sound_are_no_sound() {
        let sound = [0x80; 1920];
        let trailer = b"LIST\x04\0\0\0INFOid3 \x03\0\0\0abc";
        assert_eq!(data_len_of(&[FFMPEG_S16, &sound, trailer].concat()), 1920);
        assert_eq!(data_len_of(&[FFMPEG_S16, &sound, trailer, b"\0"].concat()), 1920);
        assert_eq!(data_len_of(&[SOX_RIFX, &sound[..882], b"bext\0\0\0\x02ab"].concat()), 882);
        let chunks = b"cue \0\0\0\0".repeat(MAX_TRAILING_CHUNKS - 1);
        assert_eq!(data_len_of(&[FFMPEG_S16, &sound, &chunks].concat()), 1920);
    }

    #[test]
    fn whole_chunks_bear_out_a_size_that_others_put_there_for_want_of_one() {
        let trailer = b"LIST\x04\0\0\0INFO";
        let mut empty = FFMPEG_S16.to_vec();
        empty.splice(FFMPEG_S16.len() - 4.., [0; 4]);
        assert_eq!(data_len_of(&[&empty[..], trailer].concat()), 0);
        assert_eq!(data_len_of(&[&empty[..], &[0x80; 12]].concat()), 12);

        let pipe = header(SOX_S16_PIPE);
        let end = pipe.data_offset + 0x7FFF_F000;
        let chunk = |at| (at == end).then_some(*b"LIST\x04\0\0\0");
        assert_eq!(data_len(&pipe, end + 12, chunk), 0x7FFF_F000);
        assert_eq!(data_len(&pipe, end + 14, chunk), 0x7FFF_F000 + 14);
        assert_eq!(data_len(&pipe, end - 12, chunk), 0x7FFF_F000 - 12);
    }

    #[test]
    fn sound_behind_a_stale_size_is_sound() {
        let sound = [0x80; 1920];
        for more in
            [&b"\0\0\0\0\0\0\0\0"[..], b"LIST\x05\0\0\0INFO", b"LIST\xff\xff\xff\xffINFO", b"LIST", b"\x80"]
        {
            assert_eq!(
                data_len_of(&[FFMPEG_S16, &sound, more].concat()),
                1920 + more.len() as u64,
                "{more:?}"
            );
        }
        let chunks = b"cue \0\0\0\0".repeat(MAX_TRAILING_CHUNKS + 1);
        assert_eq!(data_len_of(&[FFMPEG_S16, &sound, &chunks].concat()), 1920 + chunks.len() as u64);
    }

    #[test]
    fn a_file_that_has_not_reached_its_size_has_what_it_has() {
        for len in [0, 1, 7, 1919] {
            assert_eq!(data_len_of(&[FFMPEG_S16, &vec![0x80; len]].concat()), len as u64);
            assert_eq!(data_len_of(&[FFMPEG_S16_PIPE, &vec![0x80; len]].concat()), len as u64);
        }
        assert_eq!(data_len(&header(FFMPEG_S16), 3, |_| None), 0);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |bytes: &[u8]| parse(bytes).unwrap_err();
        assert_eq!(error(FFMPEG_ALAW), RiffError::Format { tag: 6, bits: 8 });
        assert_eq!(error(FFMPEG_F64), RiffError::Format { tag: 3, bits: 64 });
        assert_eq!(error(&with_fmt(&plain_fmt(1, 1, 48_000, 2, 12))), RiffError::Format { tag: 1, bits: 12 });
        let align = RiffError::BlockAlign { align: 8, channels: 2, bits: 24 };
        assert_eq!(error(&with_fmt(&plain_fmt(1, 2, 48_000, 8, 24))), align);
        let channels = error(&with_fmt(&plain_fmt(1, 0, 48_000, 0, 16))).to_string();
        assert_eq!(channels, "WAV: 0 channels (allowed: 1 to 32)");
        assert_eq!(error(&with_fmt(&[1, 0, 2])), RiffError::FmtLen(3));
        assert_eq!(error(&with_fmt(&plain_fmt(0xFFFE, 1, 48_000, 2, 16))), RiffError::FmtLen(16));
        assert_eq!(error(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"), RiffError::NoFmt(12));
        let mut ambisonic = FFMPEG_S24.to_vec();
        ambisonic[48..52].fill(0x21);
        assert!(matches!(error(&ambisonic), RiffError::Guid(_)));
        assert!(error(FFMPEG_ALAW).to_string().contains("0x0006 with 8 bits (allowed: 0x0001 (PCM)"));
    }

    #[test]
    fn valid_bits_below_the_width_of_the_container_are_its_upper_ones() {
        let mut fmt = plain_fmt(0xFFFE, 2, 48_000, 8, 32);
        fmt.extend(b"\x16\0\x18\0\x03\0\0\0\x01\0\0\0\0\0\x10\0");
        fmt.extend(GUID_TAIL);
        assert_eq!(header(&with_fmt(&fmt)).spec.to_string(), "s32le:48000:2");
    }

    #[test]
    fn loudspeakers_that_are_not_the_usual_ones_are_read() {
        let mut fmt = plain_fmt(0xFFFE, 4, 48_000, 8, 16);
        fmt.extend(b"\x16\0\x10\0\x33\0\0\0\x01\0\0\0\0\0\x10\0");
        fmt.extend(GUID_TAIL);
        assert_eq!(header(&with_fmt(&fmt)).spec.to_string(), "s16le:48000:4:0x33");
    }

    #[test]
    fn chunks_before_the_sound_are_stepped_over_up_to_a_limit() {
        let rest = &SOX_S16[12..];
        let odd = [b"RIFF\0\0\0\0WAVEjunk\x03\0\0\0abc\0", rest].concat();
        assert_eq!(header(&odd).data_offset, 44 + 12);
        let far = |size: u32| [b"RIFF\0\0\0\0WAVEjunk", &size.to_le_bytes()[..]].concat();
        assert_eq!(parse(&far(1 << 19)), Ok(Riff::Incomplete));
        assert_eq!(parse(&far(1 << 20)), Err(RiffError::TooFar((1 << 20) + 20)));
        assert_eq!(parse(&far(u32::MAX)), Err(RiffError::TooFar((1 << 32) + 20)));
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(
            seed in prop::sample::select(&ALL[..]),
            keep in 0usize..120,
            noise in prop::collection::vec(any::<u8>(), 0..300),
            (declared, file_len) in any::<(u64, u64)>(),
            head in any::<[u8; 8]>(),
        ) {
            let bytes = [&seed[..keep.min(seed.len())], &noise].concat();
            if let Ok(Riff::Header(header)) = parse(&bytes) {
                prop_assert!(header.data_offset <= bytes.len() as u64);
                let header = RiffHeader { declared: Some(declared), ..header };
                prop_assert!(data_len(&header, file_len, |_| Some(head)) <= file_len);
            }
        }
    }
}
