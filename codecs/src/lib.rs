//! Coded sound with random access: WAV, MP3 and Opus whose bytes are a pure function of the PCM.
//!
//! # The contract
//!
//! A compressed stream normally depends on how its encoder got to where it is. Here it does not:
//!
//! 1. Every packet of a stream has a size that is known before it is coded ([`grid::PacketSizes`]).
//! 2. Packets are cut into **segments** of a fixed number of packets. A segment is always coded by a fresh
//!    encoder, which is first fed a short **preroll** (the sound just before the segment) whose packets are
//!    thrown away.
//! 3. So *the bytes of a segment are a pure function of the PCM and the parameters*: not of who asked, in
//!    which order, on which thread, before a restart or after it, or on which machine of one architecture, given
//!    the same build ([`BUILD`] says what that depends on).
//!
//! Bytes, packets, segments and time are then closed formulas of one another ([`grid::Grid`]), and a total
//! length is known before anything is coded.
//!
//! # The map
//!
//! | module | what is there |
//! |---|---|
//! | [`pcm`] | what a recording is: sample format, rate, channels |
//! | [`samples`], [`mix`] | its bytes as samples; its channels mixed to fewer |
//! | [`resample`] | conversion of the rate, without state |
//! | [`feed`] | all of that: from a recording's bytes to what an encoder takes |
//! | [`grid`] | the arithmetic: [`grid::Grid`] of a format, [`grid::Cut`] of a rendition that starts somewhere |
//! | [`coder`] | codes one segment as its sound comes in, and checks the contract on every step |
//! | [`wav`], [`mp3`], [`opus`] | the formats; [`ogg`] holds Opus's pages |
//! | [`tags`] | titles and chapters in the headers of MP3 and Opus, in a fixed number of bytes |
//! | [`container`] | what holds a few packets as a file of their own, for HLS |
//! | [`format`](mod@format) | the choice among them, with what each allows |
//!
//! The crate is pure: no files, no sockets, no clock, no threads.
//!
//! # Building it
//!
//! It takes a C compiler and make. In another workspace copy `build-tools/` and `.cargo/config.toml` of this one there:
//! they say how LAME and libopus are compiled. Without them cmake is needed, and the bytes are others.
//!
//! # Adding a format
//!
//! Implement [`Codec`] (and [`SegmentEncoder`] for what its encoder does); `examples/toy_format.rs` adds one
//! in some eighty lines.

// Nothing that comes from outside (a request, a recording, a sidecar) may be able to reach a panic, and a length
// that wraps is a wrong byte position. Tests are let off in clippy.toml.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
#![warn(missing_docs)]

pub mod coder;
pub mod container;
pub mod feed;
pub mod format;
pub mod grid;
mod lame;
mod mathematics;
pub mod mix;
pub mod mp3;
pub mod ogg;
pub mod opus;
pub mod pcm;
pub mod resample;
pub mod samples;
pub mod tags;
pub mod wav;

use std::fmt::Debug;
use std::ops::Range;

pub use coder::SegmentCoder;
pub use container::{Contained, Container};
pub use feed::{Feed, Planar};
pub use grid::{Cut, Grid};
pub use pcm::{PcmSpec, SampleFormat};
pub use tags::Tags;

/// Changes whenever the bytes of any format change, and with it every ETag. A test pins it to digests of
/// real output (`tests/format_version.rs`).
pub const FORMAT_VERSION: u32 = 4;

/// What else the bytes depend on, and differs from build to build: the encoders' arithmetic is that of the
/// architecture and of the flags that their C is compiled with (the usual ones are in `build-tools`, which
/// `.cargo/config.toml` names; Rust's target features make flags as well), and where that folder is not there, of the C
/// library's mathematics. It tells builds from a clean folder: cargo does not compile C anew when just its flags are
/// others.
pub const BUILD: [&str; 17] = [
    std::env::consts::ARCH,
    std::env::consts::OS,
    if cfg!(target_env = "musl") { "musl" } else { "" },
    file_name(given(option_env!("CONFIG_SITE"))),
    if cfg!(target_feature = "avx") { "avx" } else { "" },
    if cfg!(target_feature = "avx2") { "avx2" } else { "" },
    if cfg!(target_feature = "avx512f") { "avx512f" } else { "" },
    if cfg!(target_feature = "fma") { "fma" } else { "" },
    given(option_env!("CFLAGS")),
    given(option_env!("HOST_CFLAGS")),
    given(option_env!("TARGET_CFLAGS")),
    given(option_env!("CFLAGS_x86_64_unknown_linux_gnu")),
    given(option_env!("CFLAGS_x86_64_unknown_linux_musl")),
    given(option_env!("CFLAGS_x86_64_apple_darwin")),
    given(option_env!("CFLAGS_x86_64-unknown-linux-gnu")),
    given(option_env!("CFLAGS_aarch64_unknown_linux_gnu")),
    given(option_env!("CFLAGS_aarch64_apple_darwin")),
];

const fn given(variable: Option<&'static str>) -> &'static str {
    match variable {
        Some(value) => value,
        None => "",
    }
}

/// What is behind the last slash: where the sources lie must not make a difference.
const fn file_name(path: &'static str) -> &'static str {
    let mut folder = path.as_bytes();
    while let Some((last, rest)) = folder.split_last() {
        if *last == b'/' {
            break;
        }
        folder = rest;
    }
    path.split_at(folder.len()).1
}

/// A format with its parameters, for recordings of one kind.
///
/// Whatever an implementation does, equal [`id`](Self::id)s and equal sound must give equal bytes.
pub trait Codec: Debug + Send + Sync {
    /// Names the format and every parameter that its bytes depend on, for example `mp3-s16le:44100:2-2-128`.
    fn id(&self) -> String;

    /// What goes into `Content-Type`.
    fn media_type(&self) -> &'static str;

    /// The shape of the stream.
    fn grid(&self) -> &Grid;

    /// How the recording's sound gets to the encoder.
    fn feed(&self) -> &Feed;

    /// The bytes before the first packet, always [`Cut::header_len`] of them. `frames` is the length of the
    /// rendition in coded frames, or `None` while that is still growing; `tags` what is said of the recording, which a
    /// format that has a place for it puts there if the cut [has tags](Cut::has_tags).
    fn header(&self, cut: &Cut, frames: Option<u64>, tags: &Tags<'_>) -> Vec<u8>;

    /// Bytes that a header with tags has more if it has room for a picture of up to so many bytes: the same whether
    /// there is a picture or not.
    fn cover_len(&self, _picture: u32) -> u64 {
        0
    }

    /// A fresh encoder for a segment.
    ///
    /// # Errors
    /// When the library behind it refuses its settings or has no memory.
    fn encoder(&self, segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError>;

    /// Appends a page made of `packets`, for a format whose [`Grid::paging`] is set. Others need not have it.
    fn page(&self, _page: &Page<'_>, _out: &mut Vec<u8>) {}

    /// The bytes behind the last packet of a rendition of `packets` packets.
    fn trailer(&self, _cut: &Cut, _packets: u64) -> &'static [u8] {
        &[]
    }

    /// What holds its packets where a stream comes in files of a few seconds each; `None` if nothing does.
    fn container(&self) -> Option<Container> {
        None
    }

    /// Whether packets are nothing but their own frames rewritten, so that any run of them can be made at
    /// once from just their sound, and costs no more than reading it.
    fn stateless(&self) -> bool {
        false
    }

    /// Whether packets are nothing but the recording's own bytes, so that no encoder is needed.
    fn is_verbatim(&self) -> bool {
        false
    }
}

/// Total bytes of a rendition of `frames` coded frames: header, packets, trailer.
pub fn rendition_len(codec: &dyn Codec, cut: &Cut, frames: u64) -> u64 {
    let packets = cut.packets(frames);
    cut.len(packets).saturating_add(codec.trailer(cut, packets).len() as u64)
}

/// The encoder of one segment. Dropped when the segment is whole.
pub trait SegmentEncoder: Send {
    /// Takes the next stretch of sound and appends the bytes of the packets that it completes.
    ///
    /// Stretches follow one another without a gap. The first begins where the segment's preroll does; each
    /// ends [`Grid::lookahead`] frames behind the end of a packet, which then is whole and so must be there.
    ///
    /// # Errors
    /// When the encoder fails.
    fn encode(&mut self, sound: Sound<'_>, out: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// A stretch of sound on its way into an encoder.
#[derive(Debug, Clone)]
pub struct Sound<'a> {
    /// How to make coded frames of it.
    pub feed: &'a Feed,
    /// The recording's interleaved bytes: exactly the frames `feed.window(coded)`, with silence where the
    /// recording has none.
    pub source: &'a [u8],
    /// The coded frames to make, counted from the recording's start; below zero there is silence.
    pub coded: Range<i64>,
}

impl Sound<'_> {
    /// Appends the coded frames to one `Vec` per channel.
    ///
    /// # Errors
    /// When `source` is of the wrong length.
    pub fn planar(&self, out: &mut Planar) -> Result<(), CodecError> {
        self.feed.planar(self.source, self.coded.clone(), out)
    }
}

/// A page to be made, of a rendition.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The rendition.
    pub cut: &'a Cut,
    /// Which of its pages (0 = the first behind the header).
    pub number: u64,
    /// The canonical bytes of its packets, end to end.
    pub packets: &'a [u8],
    /// Set on the last page of a rendition: the coded frames that the rendition has in all.
    pub last: Option<u64>,
}

/// What can go wrong between PCM and packets.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The encoder's library said no.
    #[error("{library} failed: {what}")]
    Library {
        /// Which one.
        library: &'static str,
        /// Its own words.
        what: String,
    },
    /// An encoder gave more or fewer bytes than the grid says. Served on, every later byte would be at the
    /// wrong place, so the segment is given up.
    #[error("segment {segment}: {packets} packets should take {promised} bytes, the encoder gave {given}")]
    WrongSize {
        /// The segment.
        segment: u64,
        /// Packets so far, with the preroll's.
        packets: u64,
        /// Bytes that the grid promises for them.
        promised: u64,
        /// Bytes that came.
        given: u64,
    },
    /// Sound of a wrong shape.
    #[error(transparent)]
    Pcm(#[from] pcm::PcmError),
    /// Sound of a wrong length for the resampler.
    #[error(transparent)]
    Resample(#[from] resample::ResampleError),
}
