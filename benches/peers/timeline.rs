//! Which sound a byte of a stream stands for.

use std::sync::Arc;

use tailcast_codecs::Cut;

/// What it takes to tell one stream's bytes apart.
#[derive(Debug, Clone)]
pub enum Timeline {
    /// A rendition of tailcast's: arithmetic, from its first byte on.
    Rendition(Cut),
    /// A stream that was joined somewhere: its first bytes are looked for in all that was sent.
    Joined(Arc<Reference>),
}

impl Timeline {
    /// Bytes that have to be known before it is known where a stream begins.
    pub fn needs(&self) -> usize {
        match self {
            Self::Rendition(_) => 0,
            Self::Joined(_) => NEEDS,
        }
    }

    /// Where a stream begins that begins with these bytes.
    pub fn origin(&self, bytes: &[u8]) -> u64 {
        match self {
            Self::Rendition(_) => 0,
            Self::Joined(reference) => reference.find(bytes),
        }
    }

    /// How many frames a recorder must have written for the packet of `byte` to be complete (whatever an encoder wants
    /// besides); none if it stands for no sound.
    pub fn frames_for(&self, byte: u64) -> Option<u64> {
        match self {
            Self::Rendition(cut) => {
                let grid = cut.grid();
                let packet = cut.first_packet() + cut.packet_at_byte(byte) + 1;
                (byte >= cut.header_len()).then(|| grid.rates.to_source(packet * grid.packet_frames))
            }
            Self::Joined(reference) => Some(reference.frames_for(byte)),
        }
    }
}

const NEEDS: usize = 1024;
const KEY: usize = 8;

/// The whole of an MP3 stream, to find a listener's place in.
#[derive(Debug)]
pub struct Reference {
    mp3: Vec<u8>,
    /// Where packets end.
    ends: Vec<u64>,
    /// Each place by the bytes there, sorted.
    places: Vec<([u8; KEY], u32)>,
}

/// Of an MPEG-1 layer III packet.
const PACKET_FRAMES: u64 = 1152;

impl Reference {
    /// From a stream of 128 kbit/s at 44.1 kHz without any header of its own.
    pub fn new(mp3: Vec<u8>) -> Self {
        let mut ends = Vec::new();
        let mut at = 0;
        while let Some([0xFF, _, third, _]) = mp3.get(at..at + 4) {
            // ISO 11172-3, 2.4.3.1: 144 * bit rate / rate, and one more where the padding bit is set.
            at += 144 * 128_000 / 44_100 + usize::from(third >> 1 & 1);
            ends.push(at as u64);
        }
        assert!(at >= mp3.len(), "not a plain stream of packets at byte {at} of {}", mp3.len());
        let key = |at: usize| mp3[at..at + KEY].try_into().unwrap();
        let mut places: Vec<_> =
            (0..mp3.len() - KEY).map(|at| (key(at), u32::try_from(at).unwrap())).collect();
        places.sort_unstable();
        Self { mp3, ends, places }
    }

    fn find(&self, bytes: &[u8]) -> u64 {
        let key: [u8; KEY] = bytes[..KEY].try_into().unwrap();
        let first = self.places.partition_point(|(other, _)| *other < key);
        let alike = self.places[first..].iter().take_while(|(other, _)| *other == key);
        let mut found = alike.filter(|(_, at)| self.mp3[*at as usize..].starts_with(bytes));
        let (_, at) = found.next().expect("a listener got what the source client did not send");
        u64::from(*at)
    }

    fn frames_for(&self, byte: u64) -> u64 {
        (self.ends.partition_point(|end| *end <= byte) as u64 + 1) * PACKET_FRAMES
    }
}
