//! Adds a format: mu-law (ITU-T G.711) behind a header of eight bytes, one byte for a sample.
//!
//! `cargo run -p tailcast-codecs --example toy_format`

use std::sync::Arc;

use tailcast_codecs::coder::Available;
use tailcast_codecs::grid::{PacketSizes, Rates, VirtualTotal};
use tailcast_codecs::{
    Codec, CodecError, Cut, Feed, Grid, PcmSpec, Planar, SegmentCoder, SegmentEncoder, Sound, Tags,
    rendition_len,
};

/// Packets of 20 ms at 8 kHz, one channel.
const PACKET: u64 = 160;

#[derive(Debug)]
struct MuLaw {
    feed: Feed,
    grid: Grid,
}

impl MuLaw {
    fn new(spec: PcmSpec) -> Result<Self, CodecError> {
        let grid = Grid {
            rates: Rates { source: spec.rate, coded: 8_000 },
            packet_frames: PACKET,
            segment_packets: 50,
            // An encoder without a memory needs no preroll, and its decoder no time to settle.
            preroll_packets: 0,
            preroll_before_zero: false,
            delay: 0,
            lookahead: 0,
            least_packets: 1,
            warmup_packets: 0,
            sizes: PacketSizes::constant(PACKET),
            paging: None,
            header_len: 8,
            tagged_header_len: 8,
            virtual_total: VirtualTotal::Day,
        };
        Ok(Self { feed: Feed::new(spec, 1, 8_000)?, grid })
    }
}

impl Codec for MuLaw {
    fn id(&self) -> String {
        format!("toy-{}", self.feed.spec())
    }

    fn media_type(&self) -> &'static str {
        "audio/x-toy"
    }

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    /// `TOY!` and the number of frames.
    fn header(&self, _cut: &Cut, frames: Option<u64>, _tags: &Tags<'_>) -> Vec<u8> {
        let frames = frames.and_then(|frames| u32::try_from(frames).ok()).unwrap_or(u32::MAX);
        [*b"TOY!", frames.to_be_bytes()].concat()
    }

    fn encoder(&self, _segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError> {
        Ok(Box::new(MuLawEncoder))
    }
}

struct MuLawEncoder;

impl SegmentEncoder for MuLawEncoder {
    fn encode(&mut self, sound: Sound<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut planar = Planar::new();
        sound.planar(&mut planar)?;
        out.extend(planar.iter().flatten().map(|sample| mu_law(*sample)));
        Ok(())
    }
}

/// Sign, three bits of exponent, four of mantissa, all inverted.
fn mu_law(sample: f32) -> u8 {
    let magnitude = (sample.abs() * 32_768.0).min(32_635.0) as u16 + 132;
    let exponent = 8 - magnitude.leading_zeros() as u16;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(u8::from(sample < 0.0) << 7 | (exponent << 4 | mantissa) as u8)
}

/// A segment of `pcm`, which has ended.
fn segment(codec: &Arc<dyn Codec>, pcm: &[u8], number: u64) -> Result<Vec<u8>, CodecError> {
    let frame_bytes = codec.feed().spec().frame_bytes();
    let ended = Available::Ended((pcm.len() / frame_bytes) as u64);
    let mut coder = SegmentCoder::new(Arc::clone(codec), number);
    let mut out = Vec::new();
    while let Some(batch) = coder.next(ended, 7) {
        let (from, to) = (batch.source.start as usize, batch.source.end as usize);
        coder.code(&batch, &pcm[from * frame_bytes..to * frame_bytes], &mut out)?;
    }
    Ok(out)
}

fn main() -> Result<(), CodecError> {
    let spec: PcmSpec = "s16le:44100:2".parse()?;
    let codec: Arc<dyn Codec> = Arc::new(MuLaw::new(spec)?);
    let tone = |n: u32| ((f64::from(n) * 440.0 * std::f64::consts::TAU / 44_100.0).sin() * 16_000.0) as i16;
    let pcm: Vec<u8> = (0..44_100 * 5).flat_map(|n| [tone(n), tone(n)]).flat_map(i16::to_le_bytes).collect();

    let (frames, cut) = (5 * 8_000, Cut::new(codec.grid(), 0));
    println!(
        "{}: {} bytes, known before anything is coded",
        codec.id(),
        rendition_len(&*codec, &cut, frames)
    );
    println!("frame 20000 is heard from byte {}", cut.byte_at_frame(20_000));

    let forwards: Vec<_> = (0..5).map(|number| segment(&codec, &pcm, number)).collect::<Result<_, _>>()?;
    let backwards: Vec<_> =
        (0..5).rev().map(|number| segment(&codec, &pcm, number)).collect::<Result<_, _>>()?;
    assert!(forwards.iter().eq(backwards.iter().rev()), "a segment depends on the order of coding");
    println!("five segments, coded in either order, are the same bytes");
    Ok(())
}
