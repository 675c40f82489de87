//! The text of playlists.

use std::fmt::{self, Write};

use tailcast_codecs::container::Run;
use tailcast_codecs::grid::scale;

use super::address::{File, Variant};
use super::timeline::{Place, Timeline};
use crate::recording::identity;

/// What goes into `Content-Type`.
pub const MEDIA_TYPE: &str = "application/vnd.apple.mpegurl";

/// The name of the playlist of playlists.
pub const MULTIVARIANT: &str = "master.m3u8";
/// The name of a variant's playlist, in its folder.
pub const MEDIA: &str = "playlist.m3u8";

/// Segments from one that says at what time of day it begins to the next: a delta has one at least.
const DATED: u64 = 4;
/// Target durations that a delta update goes back, the fewest that there may be (RFC 8216bis 4.4.3.8).
const SKIP_UNTIL: u64 = 6;
/// Target durations that a player stays behind the edge, the fewest that there may be.
const HOLD_BACK: u64 = 3;
/// The same in parts for one that takes parts, but no less than a second: recorders write a few times a second.
const PART_HOLD_BACK: u64 = 3;
const LEAST_PART_HOLD_BACK: u64 = 1_000_000;

/// A number of seconds to the microsecond.
struct Seconds(u64);

impl Seconds {
    fn of(frames: u64, rate: u32) -> Self {
        Self(scale(frames, 1_000_000, rate.into()))
    }

    /// Never less than it is.
    fn at_least(frames: u64, rate: u32) -> Self {
        Self(
            (u128::from(frames) * 1_000_000).div_ceil(u128::from(rate.max(1))).try_into().unwrap_or(u64::MAX),
        )
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, mut rest, mut digits) = (self.0 / 1_000_000, self.0 % 1_000_000, 6);
        while digits > 1 && rest % 10 == 0 {
            rest /= 10;
            digits -= 1;
        }
        write!(f, "{seconds}.{rest:0digits$}")
    }
}

/// A playlist of segments.
pub struct Media<'a> {
    /// What there is.
    pub timeline: &'a Timeline,
    /// The folder of files that the recording decides with its first so many source frames.
    pub folder: &'a dyn Fn(u64) -> Option<String>,
    /// The folder of those that its end decides.
    pub end_folder: Option<String>,
    /// The query of every file, with its `?`: players do not hand down that of the playlist.
    pub behind: &'a str,
    /// When source frame 0 was recorded, in milliseconds since 1970.
    pub began: Option<i64>,
    /// The source frame to begin with, if it is not the player's choice.
    pub start: Option<u64>,
    /// Whether the client knows what came before, and wants the rest.
    pub delta: bool,
    /// Whether parts of segments are listed.
    pub parts: bool,
    /// Whether it says that this is all. Else it may be all and not say so yet, for who has not seen the last parts: a player
    /// that learns of the end with them takes no more of them.
    pub ends: bool,
    /// Other variants of the recording.
    pub others: &'a [Other],
}

/// Where another variant's playlist is, and how far.
pub struct Other {
    /// As seen from this one.
    pub uri: String,
    /// The last segment that it has.
    pub segment: u64,
    /// The last part of that, if it has parts.
    pub part: Option<u64>,
}

impl Media<'_> {
    /// Its text.
    pub fn text(&self) -> String {
        let listed = self.timeline.segments();
        let mut text =
            String::with_capacity(usize::try_from(listed.end - listed.start).unwrap_or(0) * 64 + 1024);
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let (listed, target) = (self.timeline.segments(), self.timeline.target_seconds());
        let skipped = self.skipped(target);
        self.write_head(out, listed.start, skipped, target)?;
        let first = listed.start + skipped;
        let mut folders = Folders { of: self.folder, last: None };
        let with_parts =
            if self.parts && !self.ends { self.timeline.first_with_parts(target) } else { listed.end };
        for number in first..listed.end {
            self.write_date(out, number, listed.start)?;
            if number >= with_parts {
                self.write_parts(out, number, self.timeline.parts_in_segment())?;
            }
            self.write_segment(out, number, &mut folders)?;
        }
        match (self.ends, self.timeline.is_finished()) {
            (true, _) => out.write_str("#EXT-X-ENDLIST\n"),
            (false, true) => Ok(()),
            (false, false) => self.write_edge(out, listed.start),
        }
    }

    /// Segments left out: those further back than a delta goes, of which one is enough if it lasts long.
    fn skipped(&self, target: u64) -> u64 {
        if !self.delta || self.ends {
            return 0;
        }
        let listed = self.timeline.segments();
        let grid = self.timeline.grid();
        let kept = (SKIP_UNTIL * target * u64::from(grid.rates.coded))
            .div_ceil(grid.segment_packets * grid.packet_frames);
        (listed.end - listed.start).saturating_sub(kept)
    }

    fn write_head(&self, out: &mut String, first: u64, skipped: u64, target: u64) -> fmt::Result {
        let timeline = self.timeline;
        let container = timeline.container();
        let version = match (skipped, container.has_initialization()) {
            (1.., _) => 9,
            (0, true) => 6,
            (0, false) => 3,
        };
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{version}")?;
        writeln!(out, "#EXT-X-TARGETDURATION:{target}")?;
        writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{first}")?;
        if self.ends {
            writeln!(out, "#EXT-X-PLAYLIST-TYPE:VOD")?;
        } else if !timeline.is_sliding() {
            writeln!(out, "#EXT-X-PLAYLIST-TYPE:EVENT")?;
        }
        writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        if !self.ends {
            self.write_server_control(out, target)?;
        }
        if let Some(start) = self.start {
            let begins = self.offset(start, first);
            writeln!(out, "#EXT-X-START:TIME-OFFSET={begins},PRECISE=YES")?;
        }
        if skipped > 0 {
            writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        // What is skipped has it.
        if skipped == 0
            && container.has_initialization()
            && let Some(folder) = (self.folder)(0)
        {
            let file = File::Initialization.name(container);
            writeln!(out, "#EXT-X-MAP:URI=\"{folder}/{file}{}\"", self.behind)?;
        }
        Ok(())
    }

    fn write_server_control(&self, out: &mut String, target: u64) -> fmt::Result {
        let part = self.part_target();
        let hold_back = Seconds((part.0 * PART_HOLD_BACK).max(LEAST_PART_HOLD_BACK));
        let (skip_until, far) = (SKIP_UNTIL * target, HOLD_BACK * target);
        write!(out, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={skip_until}.0,")?;
        write!(out, "HOLD-BACK={far}.0")?;
        if self.parts {
            writeln!(out, ",PART-HOLD-BACK={hold_back}\n#EXT-X-PART-INF:PART-TARGET={part}")
        } else {
            writeln!(out)
        }
    }

    fn part_target(&self) -> Seconds {
        let grid = self.timeline.grid();
        Seconds::at_least(self.timeline.part_packets() * grid.packet_frames, grid.rates.coded)
    }

    /// From the playlist's beginning, in which segment `first` is the first, to where a source frame is heard.
    fn offset(&self, source_frame: u64, first: u64) -> Seconds {
        let grid = self.timeline.grid();
        let heard = grid.rates.to_coded(source_frame).saturating_add(grid.delay);
        Seconds::of(heard.saturating_sub(self.timeline.starts(first)), grid.rates.coded)
    }

    /// At what time of day a segment begins, for some of them.
    fn write_date(&self, out: &mut String, number: u64, first: u64) -> fmt::Result {
        let Some(began) = self.began.filter(|_| number == first || number.is_multiple_of(DATED)) else {
            return Ok(());
        };
        let grid = self.timeline.grid();
        let micros = |frames| i64::try_from(Seconds::of(frames, grid.rates.coded).0).unwrap_or(i64::MAX);
        let heard = micros(self.timeline.starts(number)) - micros(grid.delay);
        let at = began.saturating_mul(1000).saturating_add(heard);
        match jiff::Timestamp::from_microsecond(at) {
            Ok(at) => writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{at:.3}"),
            Err(_) => Ok(()),
        }
    }

    fn write_segment(&self, out: &mut String, number: u64, folders: &mut Folders<'_>) -> fmt::Result {
        let timeline = self.timeline;
        let end = timeline.end_of(number);
        let file = File::Segment { number, end };
        let duration = self.duration(&timeline.segment(number));
        let folder = match (&self.end_folder, end) {
            (Some(folder), Some(_)) => folder,
            _ => folders.at(timeline.source_end(number)),
        };
        writeln!(out, "#EXTINF:{duration},\n{folder}/{}{}", file.name(timeline.container()), self.behind)
    }

    fn duration(&self, run: &Run) -> Seconds {
        let grid = self.timeline.grid();
        Seconds::of(run.frames(grid), grid.rates.coded)
    }

    /// The first `count` parts of a segment.
    fn write_parts(&self, out: &mut String, segment: u64, count: u64) -> fmt::Result {
        for part in 0..count {
            let place = Place { segment, part };
            let run = self.timeline.part(place);
            let Some(uri) = self.part(place).filter(|_| run.packets > 0) else { break };
            let duration = self.duration(&run);
            writeln!(out, "#EXT-X-PART:DURATION={duration},URI=\"{uri}\",INDEPENDENT=YES")?;
        }
        Ok(())
    }

    /// Where a part is, if that can be told yet.
    fn part(&self, place: Place) -> Option<String> {
        let begins = self.timeline.source_start(&self.timeline.part(place));
        let end = self.timeline.end_of_part(place);
        let folder = match end {
            Some(_) => self.end_folder.clone()?,
            None => (self.folder)(begins.max(identity::FIRST))?,
        };
        let file = File::Part { place, end }.name(self.timeline.container());
        Some(format!("{folder}/{file}{}", self.behind))
    }

    /// What is there of the segment that is not whole, and what will be next.
    fn write_edge(&self, out: &mut String, first: u64) -> fmt::Result {
        let edge = self.timeline.edge();
        if self.parts && edge.part > 0 {
            self.write_date(out, edge.segment, first)?;
            self.write_parts(out, edge.segment, edge.part)?;
        }
        if let Some(uri) = self.part(edge).filter(|_| self.parts) {
            writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\"")?;
        }
        self.others.iter().try_for_each(|other| other.write(out))
    }
}

impl Other {
    fn write(&self, out: &mut String) -> fmt::Result {
        let Self { uri, segment, part } = self;
        write!(out, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={segment}")?;
        match part {
            Some(part) => writeln!(out, ",LAST-PART={part}"),
            None => writeln!(out),
        }
    }
}

/// Folders one after another, most of which are as the one before.
struct Folders<'a> {
    of: &'a dyn Fn(u64) -> Option<String>,
    last: Option<(usize, String)>,
}

impl Folders<'_> {
    fn at(&mut self, frames: u64) -> &str {
        let places = identity::places(frames);
        if self.last.as_ref().is_none_or(|(last, _)| *last != places) {
            self.last = Some((places, (self.of)(frames).unwrap_or_default()));
        }
        self.last.as_ref().map_or("", |(_, folder)| folder)
    }
}

/// A playlist that a player chooses a variant from.
pub struct Multivariant<'a> {
    /// The variants, each with its timeline.
    pub variants: &'a [(Variant, Timeline)],
    /// To be put behind the playlists' names.
    pub query: &'a str,
}

impl Multivariant<'_> {
    /// Its text.
    ///
    /// # Errors
    /// When the head of a segment cannot be written.
    pub fn text(&self) -> Result<String, tailcast_codecs::CodecError> {
        let mut text = String::from("#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        for (variant, timeline) in self.variants {
            let (grid, container) = (timeline.grid(), timeline.container());
            let whole = Run { first: 0, packets: grid.segment_packets, last_frames: grid.packet_frames };
            let bytes = container.head(grid, &whole)?.len() as u64 + grid.segment_len();
            let bandwidth = u64::from(grid.rates.coded) * bytes * 8;
            let bandwidth = bandwidth.div_ceil(grid.segment_packets * grid.packet_frames);
            let (codecs, query) = (container.codecs(), self.query);
            let _ = writeln!(
                text,
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={bandwidth},CODECS=\"{codecs}\"\n\
                 {variant}/{MEDIA}{query}"
            );
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_to_the_microsecond_without_what_says_nothing() {
        for (frames, rate, text) in [
            (96_000, 48_000, "2.0"),
            (112_896, 44_100, "2.56"),
            (16_128, 44_100, "0.365714"),
            (1, 48_000, "0.000021"),
            (0, 48_000, "0.0"),
        ] {
            assert_eq!(Seconds::of(frames, rate).to_string(), text);
        }
        assert_eq!(Seconds::at_least(16_128, 44_100).to_string(), "0.365715");
    }
}
