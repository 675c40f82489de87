//! Which segments and parts there are of a rendition.

use std::ops::Range;

use tailcast_codecs::container::Run;
use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::grid::scale;
use tailcast_codecs::{Container, Grid, PcmSpec};

use crate::recording::{Extent, State};
use crate::rendition::Rendition;

/// Milliseconds that a part should last.
const PART: Range<u64> = 200..401;
/// Segments of a moment ago still have their parts listed, so many target durations of them (RFC 8216bis 4.4.4.9).
const WITH_PARTS: u64 = 3;
/// Segments of a playlist at the most: three days of Opus, seven megabytes.
pub const MOST_SEGMENTS: u64 = 131_072;

/// The segments of a rendition whose recording goes as far as it did when this was made. Segments are numbered from the
/// recording's start on, wherever the rendition starts.
#[derive(Debug, Clone)]
pub struct Timeline {
    grid: Grid,
    container: Container,
    /// Segments listed if they are there: all, or those that a clip lies in.
    window: Range<u64>,
    /// Packets that are there for good, from the recording's first on.
    packets: u64,
    end: Option<TheEnd>,
    /// Coded frames behind which no packet depends on an end.
    ready: u64,
    /// What the recording is.
    spec: PcmSpec,
}

/// Where a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TheEnd {
    /// In source frames.
    frames: u64,
    /// Said so by its recorder.
    declared: bool,
    /// Coded frames of its last packet that are heard.
    last_frames: u64,
}

/// One place in a stream of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The segment.
    pub segment: u64,
    /// The part of it.
    pub part: u64,
}

impl Timeline {
    /// That of a rendition whose recording goes as far as `extent`; `None` if HLS has no container for its format.
    pub fn new(rendition: &Rendition, extent: &Extent) -> Option<Self> {
        let (codec, cut) = (rendition.codec(), rendition.cut());
        let (container, grid) = (codec.container()?, *codec.grid());
        let window = match rendition.clip() {
            None => 0..u64::MAX,
            Some(frames) => {
                let last = cut.first_packet().saturating_add(cut.packets(frames)).saturating_sub(1);
                cut.first_packet() / grid.segment_packets..last / grid.segment_packets + 1
            }
        };
        let ready = codec.feed().ready(extent.frames);
        let (packets, spec) = (grid.codable(ready), codec.feed().spec());
        let mut timeline = Self { grid, container, window, packets, end: None, ready, spec };
        if let State::Ended { declared } = extent.state {
            let end = grid.rates.to_coded(extent.frames);
            timeline.packets = if end == 0 { 0 } else { grid.packets_until(end) };
            let before_last = timeline.packets.saturating_sub(1).saturating_mul(grid.packet_frames);
            let last_frames = grid.delay.saturating_add(end).saturating_sub(before_last);
            // As many packets as a format has at least may be more than are heard.
            let least = if container.trims() { 1 } else { grid.packet_frames };
            let last_frames = last_frames.clamp(least, grid.packet_frames);
            timeline.end = Some(TheEnd { frames: extent.frames, declared, last_frames });
        }
        Some(timeline)
    }

    /// The shape of the stream.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// What the packets are in.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Whether all of it is there that ever will be.
    pub fn is_finished(&self) -> bool {
        self.end.is_some() || self.whole_before_end() >= self.window.end
    }

    /// Whether that is for good: the recorder said that it has ended, or nothing depends on an end.
    pub fn is_settled(&self) -> bool {
        self.end.is_none_or(|end| end.declared) || self.whole_before_end() >= self.window.end
    }

    /// Segments from the recording's start on that are whole whatever the end is.
    fn whole_before_end(&self) -> u64 {
        self.grid.codable(self.ready) / self.grid.segment_packets
    }

    /// The segments that are whole.
    pub fn segments(&self) -> Range<u64> {
        let whole = match self.end {
            Some(_) => self.packets.div_ceil(self.grid.segment_packets),
            None => self.packets / self.grid.segment_packets,
        };
        let whole = whole.clamp(self.window.start, self.window.end);
        // Of what is finished all is listed, or nothing.
        let first = if self.end.is_some() { 0 } else { whole.saturating_sub(MOST_SEGMENTS) };
        self.window.start.max(first)..whole
    }

    /// Whether something that there once was is not listed any more.
    pub fn is_sliding(&self) -> bool {
        self.segments().start > self.window.start
    }

    /// The last segment that is listed, and the last of its parts if they are `with_parts`.
    pub fn last(&self, with_parts: bool) -> Option<(u64, Option<u64>)> {
        let (edge, listed) = (self.edge(), self.segments());
        if with_parts && edge.part > 0 && edge.segment == listed.end && edge.segment < self.window.end {
            return Some((edge.segment, Some(edge.part - 1)));
        }
        let last = listed.last()?;
        Some((last, with_parts.then(|| self.parts_in_segment() - 1)))
    }

    /// The packets of a segment that is whole, or will be.
    pub fn segment(&self, number: u64) -> Run {
        self.run(self.segment_first_packet(number), self.grid.segment_packets)
    }

    fn run(&self, first: u64, packets: u64) -> Run {
        let whole = Run { first, packets, last_frames: self.grid.packet_frames };
        let Some(end) = self.end else { return whole };
        let there = self.packets.saturating_sub(first);
        if there > packets { whole } else { Run { packets: there, last_frames: end.last_frames, ..whole } }
    }

    /// The source frame that the recording ended at, for a segment that would be another without that end.
    pub fn end_of(&self, number: u64) -> Option<u64> {
        self.end.filter(|_| number >= self.whole_before_end()).map(|end| end.frames)
    }

    /// Packets of a part: they make segments of equal parts if they can.
    pub fn part_packets(&self) -> u64 {
        let Grid { segment_packets, packet_frames, .. } = self.grid;
        let rate = u64::from(self.grid.rates.coded);
        let milliseconds = |packets: u64| packets * packet_frames * 1000 / rate;
        let equal = |packets: &u64| segment_packets % packets == 0 && PART.contains(&milliseconds(*packets));
        let longest = PART.end * rate / (packet_frames * 1000);
        (1..=segment_packets).find(equal).unwrap_or(longest.max(1))
    }

    /// Parts of a segment.
    pub fn parts_in_segment(&self) -> u64 {
        self.grid.segment_packets.div_ceil(self.part_packets())
    }

    /// The packets of a part; none where its recording ended before.
    pub fn part(&self, Place { segment, part }: Place) -> Run {
        let within = part.saturating_mul(self.part_packets()).min(self.grid.segment_packets);
        let packets = self.part_packets().min(self.grid.segment_packets - within);
        self.run(self.segment_first_packet(segment).saturating_add(within), packets)
    }

    /// The source frame that the recording ended at, for a part that would be another, or not there, without that end.
    pub fn end_of_part(&self, place: Place) -> Option<u64> {
        let Run { first, packets, .. } = self.part(place);
        let needs_end = first.saturating_add(packets) > self.grid.codable(self.ready);
        self.end.filter(|_| packets > 0 && needs_end).map(|end| end.frames)
    }

    /// Whether all packets of a run are there.
    pub fn has(&self, run: &Run) -> bool {
        run.first.saturating_add(run.packets) <= self.packets
    }

    /// The first part that is not there yet.
    pub fn edge(&self) -> Place {
        let (segment, within) =
            (self.packets / self.grid.segment_packets, self.packets % self.grid.segment_packets);
        let edge = Place { segment, part: within / self.part_packets() };
        edge.max(Place { segment: self.window.start, part: 0 })
    }

    /// The last part of a recording that has ended.
    pub fn last_part(&self) -> Option<Place> {
        let last = self.end.and(self.packets.checked_sub(1))?;
        let within = last % self.grid.segment_packets;
        Some(Place { segment: last / self.grid.segment_packets, part: within / self.part_packets() })
    }

    /// The first segment whose parts are listed: one by one players could not tell which of them are left.
    pub fn first_with_parts(&self, target_seconds: u64) -> u64 {
        let Place { segment, part } = self.edge();
        let edge =
            self.segment_first_packet(segment).saturating_add(part.saturating_mul(self.part_packets()));
        let recent = WITH_PARTS * target_seconds * u64::from(self.grid.rates.coded) / self.grid.packet_frames;
        edge.saturating_sub(recent) / self.grid.segment_packets
    }

    /// Whole seconds that no segment is longer than, when rounded: of any format, since all variants of a recording are to
    /// have the same (RFC 8216bis 6.2.4).
    pub fn target_seconds(&self) -> u64 {
        let seconds = |grid: &Grid| {
            let frames = grid.segment_packets * grid.packet_frames;
            scale(frames, 1, grid.rates.coded.into()).max(1)
        };
        let of_format = |format: Format| {
            let codec = format.codec(self.spec, Parameters::default()).ok()?;
            codec.container().map(|_| seconds(codec.grid()))
        };
        Format::ALL.into_iter().filter_map(of_format).fold(seconds(&self.grid), u64::max)
    }

    /// The coded frame at which a segment begins.
    pub fn starts(&self, segment: u64) -> u64 {
        self.segment_first_packet(segment).saturating_mul(self.grid.packet_frames)
    }

    fn segment_first_packet(&self, segment: u64) -> u64 {
        segment.saturating_mul(self.grid.segment_packets)
    }

    /// The source frame that a whole segment's sound goes up to.
    pub fn source_end(&self, number: u64) -> u64 {
        let run = self.segment(number);
        let end = self.source_frame(run.first.saturating_add(run.packets));
        self.end.map_or(end, |the_end| end.min(the_end.frames))
    }

    /// The source frame that a run begins at.
    pub fn source_start(&self, run: &Run) -> u64 {
        self.source_frame(run.first)
    }

    fn source_frame(&self, packet: u64) -> u64 {
        self.grid.rates.to_source(packet.saturating_mul(self.grid.packet_frames))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::recording::Recording;

    /// Of a recording that has so many frames of silence.
    fn timeline(pcm: &str, format: Format, clip: Option<(u64, u64)>, frames: u64, state: State) -> Timeline {
        let file = tempfile::Builder::new().suffix(".pcm").tempfile().unwrap();
        let spec = pcm.parse().unwrap();
        let recording = Arc::new(Recording::open_path(file.path(), Some(spec)).unwrap());
        let codec = format.codec(spec, Parameters::default()).unwrap();
        let rendition =
            Rendition::new(recording, codec, clip.map_or(0, |(start, _)| start), clip.map(|(_, len)| len));
        Timeline::new(&rendition, &Extent { frames, state, written: Instant::now() }).unwrap()
    }

    const ENDED: State = State::Ended { declared: true };

    #[test]
    fn a_segment_is_there_when_nothing_can_change_it() {
        // A packet of LAME's looks 224 frames ahead.
        let whole = 98 * 1152 + 224;
        let before = timeline("s16le:44100:2", Format::Mp3, None, whole - 1, State::Growing);
        assert_eq!((before.segments(), before.edge()), (0..0, Place { segment: 0, part: 6 }));
        let there = timeline("s16le:44100:2", Format::Mp3, None, whole, State::Growing);
        assert_eq!((there.segments(), there.edge()), (0..1, Place { segment: 1, part: 0 }));
        assert!(!there.is_finished() && there.has(&there.segment(0)) && !there.has(&there.segment(1)));
    }

    #[test]
    fn a_finished_recording_lasts_as_long_as_its_sound_and_the_delay() {
        for (format, frames) in [(Format::Mp3, 441_000), (Format::Opus, 480_001), (Format::Opus, 1)] {
            let pcm = if format == Format::Mp3 { "s16le:44100:2" } else { "s16le:48000:2" };
            let timeline = timeline(pcm, format, None, frames, ENDED);
            let lasts: u64 = timeline.segments().map(|n| timeline.segment(n).frames(timeline.grid())).sum();
            let exact = frames + timeline.grid().delay;
            let packet = if format == Format::Mp3 { 1152 } else { 1 };
            assert_eq!(lasts, exact.next_multiple_of(packet), "{format}");
            assert!(timeline.is_finished() && timeline.is_settled());
        }
        let nothing = timeline("s16le:48000:2", Format::Opus, None, 0, ENDED);
        assert_eq!((nothing.segments(), nothing.is_finished()), (0..0, true));
    }

    #[test]
    fn only_what_an_end_decides_is_named_by_it() {
        // The second segment is whole just because there is silence behind the end.
        let frames = 2 * 98 * 1152;
        let timeline = timeline("s16le:44100:2", Format::Mp3, None, frames, ENDED);
        let ends: Vec<_> = timeline.segments().map(|number| timeline.end_of(number)).collect();
        assert_eq!(ends, [None, Some(frames), Some(frames)]);
    }

    #[test]
    fn all_variants_have_the_same_target_duration() {
        for (pcm, seconds) in
            [("s16le:44100:2", 3), ("s16le:48000:2", 2), ("s16le:16000:1", 4), ("u8:8000:1", 7)]
        {
            for format in [Format::Mp3, Format::Opus] {
                let timeline = timeline(pcm, format, None, 0, State::Growing);
                assert_eq!(timeline.target_seconds(), seconds, "{format} of {pcm}");
            }
        }
    }

    #[test]
    fn what_goes_on_for_weeks_is_listed_for_some_days() {
        let frames = 48_000 * 86_400 * 30;
        let growing = timeline("s16le:48000:2", Format::Opus, None, frames, State::Growing);
        assert_eq!(growing.segments(), 15 * 86_400 - MOST_SEGMENTS..15 * 86_400);
        assert!(growing.is_sliding());
        let ended = timeline("s16le:48000:2", Format::Opus, None, frames, ENDED);
        assert_eq!((ended.segments().start, ended.is_sliding()), (0, false));
        let clip = Some((48_000 * 60, 48_000 * 10));
        assert!(!timeline("s16le:48000:2", Format::Opus, clip, frames, State::Growing).is_sliding());
    }

    #[test]
    fn a_clip_is_the_segments_that_it_lies_in() {
        let clip = Some((48_000 * 60, 48_000 * 10));
        let of = |frames, state| timeline("s16le:48000:2", Format::Opus, clip, frames, state);
        // 80 ms before its start, for the decoder.
        assert_eq!(of(48_000 * 600, ENDED).segments(), 29..36);
        let growing = of(48_000 * 71, State::Growing);
        assert_eq!((growing.segments(), growing.is_finished()), (29..35, false));
        let there = of(48_000 * 72, State::Growing);
        assert_eq!((there.segments(), there.is_finished(), there.is_settled()), (29..36, true, true));
        assert_eq!(of(48_000 * 61, ENDED).segments(), 29..31, "cut short by the end");
        assert_eq!(of(48_000 * 20, State::Growing).segments(), 29..29);
    }

    #[test]
    fn parts_last_a_fifth_to_two_fifths_of_a_second_at_every_rate() {
        for rate in [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
            for format in [Format::Mp3, Format::Opus] {
                let timeline = timeline(&format!("s16le:{rate}:2"), format, None, 0, State::Growing);
                let grid = *timeline.grid();
                let lasts = timeline.part_packets() * grid.packet_frames * 1000 / u64::from(grid.rates.coded);
                assert!((200..=400).contains(&lasts), "{format} at {rate}: {lasts} ms");
                let parts =
                    (0..timeline.parts_in_segment()).map(|part| timeline.part(Place { segment: 3, part }));
                assert_eq!(parts.map(|run| run.packets).sum::<u64>(), grid.segment_packets);
            }
        }
    }
}
