//! The contract of the crate, on every kind of recording and every format of it: sizes are those of the grid,
//! and the bytes of a segment depend on the sound and on nothing else.

use std::sync::Arc;

use tailcast_codecs::coder::Available;
use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::{Codec, Cut, PcmSpec, SampleFormat, SegmentCoder, Tags, rendition_len};

/// Rates that a codec takes as they are, and ones that it does not.
const RATES: [u32; 14] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 37_123, 44_100, 48_000, 88_200, 96_000, 176_400,
    192_000,
];

/// A recording in memory and a format for it.
struct Track {
    codec: Arc<dyn Codec>,
    pcm: Vec<u8>,
}

impl Track {
    /// With one whole segment and three packets and a bit of the next.
    fn new(codec: Arc<dyn Codec>) -> Self {
        let grid = codec.grid();
        let coded = grid.segment_packets * grid.packet_frames + 3 * grid.packet_frames + 7;
        let frames = grid.rates.to_source(coded);
        let bytes = usize::try_from(frames).unwrap() * codec.feed().spec().frame_bytes();
        let mut state = 1u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        });
        let pcm = noise.take(bytes).collect();
        Self { codec, pcm }
    }

    fn frames(&self) -> u64 {
        self.codec.feed().spec().frames_in(self.pcm.len() as u64)
    }

    fn coder(&self, segment: u64) -> SegmentCoder {
        SegmentCoder::new(Arc::clone(&self.codec), segment)
    }

    /// One step of a coder; the bytes of its packets, or `None` if there is nothing to do yet.
    fn step(&self, coder: &mut SegmentCoder, available: Available, packets: u64) -> Option<Vec<u8>> {
        let batch = coder.next(available, packets)?;
        assert!(batch.source.end <= available.frames(), "it wants sound that is not there");
        let frame_bytes = self.codec.feed().spec().frame_bytes() as u64;
        let bytes = batch.source.start * frame_bytes..batch.source.end * frame_bytes;
        let bytes = usize::try_from(bytes.start).unwrap()..usize::try_from(bytes.end).unwrap();
        let mut out = Vec::new();
        coder.code(&batch, &self.pcm[bytes], &mut out).unwrap();
        Some(out)
    }

    /// A segment of the ended recording, coded in batches of so many packets.
    fn segment(&self, number: u64, batch: u64) -> Vec<u8> {
        let mut coder = self.coder(number);
        let mut out = Vec::new();
        while let Some(packets) = self.step(&mut coder, Available::Ended(self.frames()), batch) {
            out.extend(packets);
        }
        assert!(coder.is_whole(Available::Ended(self.frames())));
        out
    }

    /// The packets of segment 0 that can be had while the recording grows by uneven steps, one at a time.
    fn grown(&self) -> Vec<u8> {
        let mut coder = self.coder(0);
        let (mut out, mut available) = (Vec::new(), 0);
        while available < self.frames() {
            available = (available + 1 + self.frames() / 61).min(self.frames());
            while let Some(packet) = self.step(&mut coder, Available::Growing(available), 1) {
                out.extend(packet);
            }
        }
        out
    }
}

fn spec(format: SampleFormat, rate: u32, channels: u16) -> PcmSpec {
    PcmSpec::new(format, rate, channels).unwrap()
}

/// Every format with every bit rate on offer, for recordings of `spec`.
fn codecs(spec: PcmSpec) -> impl Iterator<Item = Arc<dyn Codec>> {
    Format::ALL.into_iter().flat_map(move |format| {
        let bitrates = format.bitrates(spec).iter().copied().map(Some).chain([None]);
        bitrates.map(move |bitrate| format.codec(spec, Parameters { bitrate, channels: None }).unwrap())
    })
}

/// One format of each kind of recording: all sample formats, rates and numbers of channels come up, though
/// not with one another; and both numbers of channels to which more are mixed.
fn kinds() -> Vec<Arc<dyn Codec>> {
    let mut kinds = Vec::new();
    for (number, rate) in RATES.into_iter().enumerate() {
        let sample = SampleFormat::ALL[number % SampleFormat::ALL.len()];
        for channels in [1, 2, [3, 6, 8, 32][number % 4]] {
            for format in Format::ALL {
                let mono = (channels == 2 && number % 3 == 0).then_some(1);
                let parameters = Parameters { bitrate: None, channels: mono };
                kinds.push(format.codec(spec(sample, rate, channels), parameters).unwrap());
            }
        }
    }
    kinds
}

#[test]
fn every_segment_is_as_long_as_the_grid_says() {
    for rate in RATES {
        for channels in [1, 2] {
            for codec in codecs(spec(SampleFormat::ALL[1], rate, channels)) {
                let track = Track::new(codec);
                let len = track.segment(0, 10).len() as u64;
                assert_eq!(len, track.codec.grid().segment_len(), "{}", track.codec.id());
            }
        }
    }
}

#[test]
fn every_packet_is_where_the_grid_says() {
    for codec in kinds() {
        let track = Track::new(codec);
        let grid = track.codec.grid();
        // A packet of WAV is a frame: one by one they would take long, and prove little.
        let step = if track.codec.stateless() { 1 + grid.segment_packets / 5 } else { 1 };
        for segment in [0, 1] {
            let mut coder = track.coder(segment);
            let first = segment * grid.segment_packets;
            // The second segment ends with the recording: enough packets to hear its last frame, and for a rendition
            // of nothing else.
            let end = grid.rates.to_coded(track.frames());
            let heard = (grid.delay + end).div_ceil(grid.packet_frames);
            let until = heard.max((end - 1) / grid.packet_frames + grid.least_packets);
            let all = (until - first).min(grid.segment_packets);
            let mut packets = 0;
            let mut at = grid.offset(first);
            while let Some(bytes) = track.step(&mut coder, Available::Ended(track.frames()), step) {
                packets = (packets + step).min(all);
                at += bytes.len() as u64;
                assert_eq!(at, grid.offset(first + packets), "packet {packets}: {}", track.codec.id());
            }
            assert_eq!(packets, all, "{}", track.codec.id());
        }
    }
}

#[test]
fn a_codec_that_says_so_gives_the_recordings_own_bytes() {
    let (verbatim, others): (Vec<_>, Vec<_>) =
        kinds().into_iter().map(Track::new).partition(|track| track.codec.is_verbatim());
    for track in &verbatim {
        let segment = track.segment(0, u64::MAX);
        assert!(segment == track.pcm[..segment.len()], "{}", track.codec.id());
    }
    // Little endian samples of WAV and a mix of them; big endian ones, and every other format.
    assert!(verbatim.len() > 10 && others.len() > verbatim.len());
}

#[test]
fn how_the_sound_is_fed_makes_no_difference() {
    for codec in kinds() {
        let track = Track::new(codec);
        let small = if track.codec.stateless() { 997 } else { 1 };
        for segment in [1, 0] {
            let at_once = track.segment(segment, u64::MAX);
            for batch in [small, 7 * small] {
                let in_batches = track.segment(segment, batch);
                assert!(in_batches == at_once, "segment {segment} of {} by {batch}", track.codec.id());
            }
        }
    }
}

#[test]
fn what_is_coded_while_it_grows_is_what_is_coded_after() {
    for codec in kinds().into_iter().filter(|codec| !codec.stateless()) {
        let track = Track::new(codec);
        let (grid, grown) = (track.codec.grid(), track.grown());
        let ready = track.codec.feed().ready(track.frames());
        let packets = grid.codable(ready).min(grid.segment_packets);
        assert_eq!(grown.len() as u64, grid.within(packets), "{}: packets that can be had", track.codec.id());
        assert!(packets + 3 > grid.segment_packets, "{}: only {packets}", track.codec.id());
        assert!(track.segment(0, 10).starts_with(&grown), "{}", track.codec.id());
    }
}

/// A rendition and a clip, without and with room for pictures that take a page of Ogg and several.
fn cuts(codec: &dyn Codec, start: u64) -> Vec<Cut> {
    let cuts = [Cut::new(codec.grid(), start), Cut::clip(codec.grid(), start)];
    let rooms = [0, 1, 10_000, 45_000, 200_000];
    rooms.into_iter().flat_map(|room| cuts.map(|cut| cut.with_cover(codec, room))).collect()
}

#[test]
fn every_header_is_as_long_as_its_cut_says() {
    for rate in RATES {
        for channels in [1, 2, 6] {
            for codec in codecs(spec(SampleFormat::ALL[3], rate, channels)) {
                let grid = codec.grid();
                for start in [0, 1, grid.packet_frames - 1, grid.packet_frames, 123_456_789_012] {
                    for cut in cuts(&*codec, start) {
                        for frames in [None, Some(0), Some(1), Some(1_000_000), Some(1 << 33), Some(1 << 44)]
                        {
                            let len = codec.header(&cut, frames, &Tags::default()).len() as u64;
                            assert_eq!(len, cut.header_len(), "{} from {start}, {frames:?}", codec.id());
                        }
                    }
                }
            }
        }
    }
}

/// Header, packets or pages, and trailer, made one after another, are as long as was said before.
#[test]
fn a_rendition_is_as_long_as_was_said_before() {
    for codec in kinds() {
        let track = Track::new(codec);
        let (codec, grid) = (&*track.codec, track.codec.grid());
        let packets: Vec<u8> = [track.segment(0, 50), track.segment(1, 50)].concat();
        let recorded = grid.rates.to_coded(track.frames());
        for start in [0, 1, grid.packet_frames + 5, recorded / 2, recorded - 1] {
            for frames in [1, grid.packet_frames, recorded - start].map(|frames| frames.min(recorded - start))
            {
                for cut in cuts(codec, start) {
                    let said = rendition_len(codec, &cut, frames);
                    let made = assemble(codec, &cut, frames, &packets);
                    assert_eq!(made.len() as u64, said, "{} from {start}, {frames} frames", codec.id());
                }
            }
        }
    }
}

/// A rendition, from all the canonical packets.
fn assemble(codec: &dyn Codec, cut: &Cut, frames: u64, packets: &[u8]) -> Vec<u8> {
    let (grid, count) = (codec.grid(), cut.packets(frames));
    let offset = |packet: u64| usize::try_from(grid.offset(cut.first_packet() + packet)).unwrap();
    let mut out = codec.header(cut, Some(frames), &Tags::default());
    match grid.paging {
        None => out.extend(&packets[offset(0)..offset(count)]),
        Some(paging) => {
            for number in 0..count.div_ceil(paging.packets) {
                let (first, end) = (number * paging.packets, ((number + 1) * paging.packets).min(count));
                let last = (end == count).then_some(frames);
                let packets = &packets[offset(first)..offset(end)];
                codec.page(&tailcast_codecs::Page { cut, number, packets, last }, &mut out);
            }
        }
    }
    out.extend(codec.trailer(cut, count));
    out
}
