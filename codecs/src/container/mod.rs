//! What holds a few packets of a stream as a file of their own, as HLS cuts streams into such files.
//!
//! The packets are the canonical ones. A file is a short **head**, made by arithmetic, and then the packets one after
//! another, so that its length is known before anything is coded, as that of a rendition is.

mod cmaf;
mod packed;

use std::sync::Arc;

pub use cmaf::OpusTrack;

use crate::{Codec, CodecError, Cut, Feed, Grid, SegmentEncoder, Tags};

/// The container that a format's packets have in HLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// MP3 packets behind an ID3 tag that tells their time (RFC 8216 3.4).
    PackedAudio,
    /// Opus packets in a fragment of an MP4 file, whose beginning is a file of its own (RFC 8216 3.3, CMAF).
    Cmaf(OpusTrack),
}

/// Packets that follow one another, all of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The canonical number of the first.
    pub first: u64,
    /// How many.
    pub packets: u64,
    /// Coded frames of the last one that are heard; fewer than a packet has only where a recording ends in it.
    pub last_frames: u64,
}

impl Run {
    /// Coded frames that it lasts.
    pub fn frames(&self, grid: &Grid) -> u64 {
        self.packets.saturating_sub(1).saturating_mul(grid.packet_frames).saturating_add(self.last_frames)
    }
}

impl Container {
    /// The extension of the files' names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::PackedAudio => "mp3",
            Self::Cmaf(_) => "m4s",
        }
    }

    /// What goes into `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::PackedAudio => "audio/mpeg",
            Self::Cmaf(_) => "audio/mp4",
        }
    }

    /// What is in the files, in the manner of RFC 6381. (Its registry has `Opus`, but browsers know `opus` alone.)
    pub fn codecs(self) -> &'static str {
        match self {
            Self::PackedAudio => "mp4a.40.34",
            Self::Cmaf(_) => "opus",
        }
    }

    /// Whether there is a file that all others need before them.
    pub fn has_initialization(self) -> bool {
        matches!(self, Self::Cmaf(_))
    }

    /// The file that all others need before them, if there is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn initialization(self) -> Result<Option<Vec<u8>>, CodecError> {
        match self {
            Self::PackedAudio => Ok(None),
            Self::Cmaf(track) => track.initialization().map(Some),
        }
    }

    /// Whether a file can say that less is heard of its last packet than a packet is long.
    pub fn trims(self) -> bool {
        matches!(self, Self::Cmaf(_))
    }

    /// What stands before the packets.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn head(self, grid: &Grid, run: &Run) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::PackedAudio => Ok(packed::timestamp(grid, run.first).to_vec()),
            Self::Cmaf(track) => track.fragment_head(grid, run),
        }
    }
}

/// A codec whose renditions are packets in a container: a head, and packets one after another without pages. The packets
/// are the very ones, and so are their segments.
#[derive(Debug)]
pub struct Contained {
    codec: Arc<dyn Codec>,
    media_type: &'static str,
    head: Vec<u8>,
    grid: Grid,
}

impl Contained {
    /// A run of a codec's packets.
    ///
    /// # Errors
    /// When the head cannot be written.
    pub fn new(codec: Arc<dyn Codec>, container: Container, run: &Run) -> Result<Self, CodecError> {
        let head = container.head(codec.grid(), run)?;
        // It begins at a packet and ends with one, whatever is heard of them and when.
        let grid = Grid {
            delay: 0,
            warmup_packets: 0,
            least_packets: 1,
            paging: None,
            header_len: head.len() as u64,
            tagged_header_len: head.len() as u64,
            ..*codec.grid()
        };
        Ok(Self { codec, media_type: container.media_type(), head, grid })
    }
}

impl Codec for Contained {
    fn id(&self) -> String {
        self.codec.id()
    }

    fn media_type(&self) -> &'static str {
        self.media_type
    }

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn feed(&self) -> &Feed {
        self.codec.feed()
    }

    fn header(&self, _cut: &Cut, _frames: Option<u64>, _tags: &Tags<'_>) -> Vec<u8> {
        self.head.clone()
    }

    fn encoder(&self, segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError> {
        self.codec.encoder(segment)
    }
}
