//! A rendition: a recording in one format from one frame on, as a space of bytes. What its length is, what
//! its ETag, and what lies at a byte.

use std::sync::Arc;

use bytes::Bytes;
use tailcast_codecs::container::Run;
use tailcast_codecs::tags::Chapter;
use tailcast_codecs::{BUILD, Codec, Contained, Cut, FORMAT_VERSION, Tags, rendition_len};

use crate::recording::cover::Cover;
use crate::recording::sidecar::Sidecar;
use crate::recording::{Extent, Recording, RecordingError, RecordingName, State};
use crate::segments::Track;

/// A recording in one format, from a coded frame on, and perhaps only up to another.
#[derive(Debug, Clone)]
pub struct Rendition {
    track: Track,
    /// How the track's packets stand in it.
    framing: Arc<dyn Codec>,
    cut: Cut,
    /// Coded frames of a clip; `None` goes on to the recording's end.
    clip: Option<u64>,
    /// What the sidecar said when it was asked for: header and ETag must not disagree if that changes.
    sidecar: Sidecar,
    /// Its cover then, if there is room for it.
    cover: Option<Arc<Cover>>,
}

/// What is certain about a rendition whose recording goes as far as some extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing in it will change.
    Finished(Finished),
    /// More is to come.
    Growing {
        /// Bytes that are there for good.
        exists: u64,
    },
}

/// A rendition whose every byte is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Coded frames.
    pub frames: u64,
    /// Bytes in all.
    pub len: u64,
    /// What decides them.
    pub by: Decided,
}

impl Finished {
    /// Source frames that decide its bytes.
    fn source(&self) -> u64 {
        match self.by {
            Decided::BySound(frames) | Decided::ByEnd(frames) => frames,
        }
    }
}

/// Why a rendition is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is a clip, and all the sound that its packets depend on (source frames up to here) is there,
    /// whether the recording goes on or not.
    BySound(u64),
    /// The recording ended here (in source frames).
    ByEnd(u64),
}

/// Bytes of the whole of a finished recording of `frames` source frames, with so much room for a cover, by arithmetic
/// alone: the recording need not be open.
pub fn whole_len(codec: &dyn Codec, frames: u64, cover_room: u32) -> u64 {
    let grid = codec.grid();
    rendition_len(codec, &Cut::new(grid, 0).with_cover(codec, cover_room), grid.rates.to_coded(frames))
}

/// Of what all bytes of a recording in a codec are made from, but for the sound: a digest of more is the same on every server
/// that has the recording, and another when any byte could be another.
pub(crate) fn hasher_of(name: &RecordingName, codec: &dyn Codec) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&FORMAT_VERSION.to_le_bytes());
    for text in BUILD.into_iter().chain([name.as_str(), &codec.id()]) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher
}

impl Rendition {
    /// From source frame `start` on, for `duration` source frames if it is a clip.
    pub fn new(recording: Arc<Recording>, codec: Arc<dyn Codec>, start: u64, duration: Option<u64>) -> Self {
        let rates = codec.grid().rates;
        let (grid, coded) = (codec.grid(), rates.to_coded(start));
        // A coded frame may be longer than all that was asked for; less than one cannot be heard.
        let clip = duration.map(|frames| rates.to_coded(frames).max(1));
        let cut = if clip.is_some() { Cut::clip(grid, coded) } else { Cut::new(grid, coded) };
        let cut = cut.with_cover(&*codec, recording.cover_room());
        let (sidecar, cover) = recording.described();
        let has_room = |cover: &Arc<Cover>| cover.bytes.len() <= cut.cover_room() as usize;
        let cover = cover.and_then(Result::ok).filter(has_room);
        Self { track: Track::new(recording, Arc::clone(&codec)), framing: codec, cut, clip, sidecar, cover }
    }

    /// A run of a codec's packets in a container.
    pub fn contained(
        recording: Arc<Recording>,
        codec: Arc<dyn Codec>,
        contained: Contained,
        run: &Run,
    ) -> Self {
        let grid = contained.grid();
        let cut = Cut::new(grid, run.first.saturating_mul(grid.packet_frames));
        let clip = run.packets.saturating_mul(grid.packet_frames);
        let (sidecar, framing) = (recording.sidecar(), Arc::new(contained));
        Self { track: Track::new(recording, codec), framing, cut, clip: Some(clip), sidecar, cover: None }
    }

    /// Whose segments it is made of.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The recording.
    pub fn recording(&self) -> &Arc<Recording> {
        &self.track.recording
    }

    /// The format, as it is framed here.
    pub fn codec(&self) -> &dyn Codec {
        &*self.framing
    }

    /// Where it lies on the grid.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// The source frame nearest to where it starts.
    pub fn start(&self) -> u64 {
        self.cut.grid().rates.to_source(self.cut.start())
    }

    /// Coded frames of it if it is a clip.
    pub fn clip(&self) -> Option<u64> {
        self.clip
    }

    /// What is certain about it when its recording goes as far as `extent`.
    pub fn shape(&self, extent: &Extent) -> Shape {
        let ready = self.codec().feed().ready(extent.frames);
        if let Some(frames) = self.clip {
            let needed = self.cut.depends_on(self.cut.packets(frames));
            if needed <= ready {
                return Shape::Finished(self.finished(frames, Decided::BySound(self.source_for(needed))));
            }
        }
        match extent.state {
            State::Ended { .. } => {
                let total = self.cut.grid().rates.to_coded(extent.frames);
                let frames = total.saturating_sub(self.cut.start()).min(self.clip.unwrap_or(u64::MAX));
                Shape::Finished(self.finished(frames, Decided::ByEnd(extent.frames)))
            }
            _ => Shape::Growing { exists: self.cut.exists(self.cut.codable(ready)) },
        }
    }

    /// What a clip is if its recording gets to its end; nothing is longer.
    pub fn longest(&self) -> Option<Finished> {
        let frames = self.clip?;
        let needed = self.cut.depends_on(self.cut.packets(frames));
        Some(self.finished(frames, Decided::BySound(self.source_for(needed))))
    }

    fn finished(&self, frames: u64, by: Decided) -> Finished {
        Finished { frames, len: rendition_len(self.codec(), &self.cut, frames), by }
    }

    /// Source frames that must be there for `coded` coded frames to be made.
    fn source_for(&self, coded: u64) -> u64 {
        let window = self.codec().feed().window(0..i64::try_from(coded).unwrap_or(i64::MAX));
        u64::try_from(window.end).unwrap_or(0)
    }

    /// Bytes that a growing rendition will have when its recording has `frames` source frames, plus one more
    /// packet or page: a byte beyond them is further away than the recorder gets in the time that it takes.
    pub fn reach(&self, frames: u64) -> u64 {
        let grid = self.cut.grid();
        let packets = self.cut.codable(self.codec().feed().ready(frames));
        self.cut
            .exists(packets.saturating_add(grid.unit_packets()))
            .max(self.cut.header_len().saturating_add(1))
    }

    /// The strong validator of a finished rendition, quoted: a digest of everything that its bytes are made
    /// from, the same on every server that has the recording. Blocks.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn etag(&self, finished: &Finished) -> Result<String, RecordingError> {
        Ok(self.etag_by(finished, self.recording().digest(finished.source())?))
    }

    /// The same, if it can be told without reading the recording.
    pub fn known_etag(&self, finished: &Finished) -> Option<String> {
        Some(self.etag_by(finished, self.recording().known_digest(finished.source())?))
    }

    fn etag_by(&self, finished: &Finished, digest: blake3::Hash) -> String {
        let ended = matches!(finished.by, Decided::ByEnd(_));
        let mut hasher = hasher_of(self.recording().name(), self.codec());
        for number in [self.cut.start(), finished.frames, u64::from(ended), finished.source()] {
            hasher.update(&number.to_le_bytes());
        }
        // Titles and chapters are in it, where it has them.
        hasher.update(&self.bare_header(Some(finished.frames)));
        self.cover_by(&mut hasher);
        hasher.update(digest.as_bytes());
        let digest = hasher.finalize().to_hex();
        format!("\"{}\"", digest.chars().take(32).collect::<String>())
    }

    /// The header, for a finished rendition of `frames` coded frames or a growing one. A clip's says where it ends
    /// while it grows too, since players cut the end off by it; that is wrong only if the recording does not get there.
    pub fn header(&self, frames: Option<u64>) -> Bytes {
        let bare = self.bare_header(frames);
        if bare.len() as u64 == self.cut.header_len() {
            return bare.into();
        }
        let mut hasher = hasher_of(self.recording().name(), self.codec());
        hasher.update(&bare);
        self.cover_by(&mut hasher);
        self.recording().header(hasher.finalize(), || {
            let cover = self.cover.as_deref().map(Cover::picture);
            let tags = Tags { cover, ..tags(&self.sidecar) };
            self.codec().header(&self.cut, frames.or(self.clip), &tags).into()
        })
    }

    /// The header without a cover and room for one.
    fn bare_header(&self, frames: Option<u64>) -> Vec<u8> {
        let cut = self.cut.with_cover(self.codec(), 0);
        self.codec().header(&cut, frames.or(self.clip), &tags(&self.sidecar))
    }

    /// What its cover and the room for it make of its bytes: nothing where there is no room.
    fn cover_by(&self, hasher: &mut blake3::Hasher) {
        let room = self.cut.cover_room();
        if self.codec().cover_len(room) == 0 {
            return;
        }
        hasher.update(&room.to_le_bytes());
        if let Some(cover) = &self.cover {
            hasher.update(cover.media_type.as_bytes());
            hasher.update(cover.digest.as_bytes());
        }
    }
}

/// What a sidecar has for a header, but for the cover.
fn tags(sidecar: &Sidecar) -> Tags<'_> {
    let chapters = sidecar.chapters.iter();
    Tags {
        title: sidecar.title.as_deref(),
        artist: sidecar.author.as_deref(),
        date: sidecar.started.as_deref(),
        chapters: chapters.map(|chapter| Chapter { start: chapter.start, title: &chapter.title }).collect(),
        cover: None,
    }
}
