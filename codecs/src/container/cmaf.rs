//! Opus in fragments of an MP4 file, as CMAF has it (ISO 23000-19; "Encapsulation of Opus in ISO Base Media File Format").
//!
//! All packets have the same size and the same duration, so that a fragment's head says each once.
//!
//! There is no edit list that would take the codec's delay off. Players take it differently: hls.js goes by the times of
//! fragments alone, and where browsers begin 6.5 ms earlier for such a list it waits at seams for what it has.

use mp4_atom::{
    AnySampleGroupEntry, Audio, Codec, Dinf, Dops, Dref, Encode, FixedPoint, FourCC, Ftyp, Hdlr, Header,
    Mdat, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Mvhd, Opus, Sgpd, SgpdEntry, Smhd, Stbl, Stsd, Tfdt,
    Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, TrunSamples, Url,
};
use mp4_atom::{Atom, Stco};

use super::Run;
use crate::{CodecError, Grid};

/// Opus in MP4 is counted in samples at 48 kHz, whatever the encoder was fed.
const TIMESCALE: u32 = 48_000;
/// The only track.
const TRACK: u32 = 1;
/// Each sample can be decoded by itself (ISO 14496-12 8.8.3.1: it depends on no other).
const INDEPENDENT: u32 = 0x0200_0000;
/// Packets before a place from which a decoder has to begin to be right there: 80 ms (RFC 7845, 4.6).
const ROLL: i16 = -4;

/// What the beginning of the MP4 file says of its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusTrack {
    /// 1 or 2.
    pub channels: u8,
    /// Samples at 48 kHz by which a decoder's output lags behind the encoder's input.
    pub pre_skip: u16,
}

/// Frames a second, of the track and of its description. That is to say the recording's rate, for information; Chromium takes
/// a track for broken whose two rates are not the same.
const RATE: u16 = 48_000;

impl OpusTrack {
    pub(super) fn initialization(self) -> Result<Vec<u8>, CodecError> {
        let brands = [b"iso6", b"cmfc", b"mp41"];
        let kind = Ftyp {
            major_brand: FourCC::from(b"iso6"),
            minor_version: 0,
            compatible_brands: brands.map(FourCC::from).to_vec(),
        };
        let mut out = Vec::new();
        kind.encode(&mut out).map_err(failed)?;
        self.movie().encode(&mut out).map_err(failed)?;
        Ok(out)
    }

    fn movie(self) -> Moov {
        Moov {
            mvhd: Mvhd {
                creation_time: 0,
                modification_time: 0,
                timescale: TIMESCALE,
                duration: 0,
                rate: FixedPoint::from(1),
                volume: FixedPoint::from(1),
                matrix: Default::default(),
                next_track_id: TRACK + 1,
            },
            mvex: Some(Mvex {
                mehd: None,
                trex: vec![Trex {
                    track_id: TRACK,
                    default_sample_description_index: 1,
                    default_sample_duration: 0,
                    default_sample_size: 0,
                    default_sample_flags: INDEPENDENT,
                }],
            }),
            trak: vec![self.track()],
            ..Moov::default()
        }
    }

    fn track(self) -> Trak {
        Trak {
            tkhd: Tkhd {
                track_id: TRACK,
                enabled: true,
                in_movie: true,
                volume: FixedPoint::from(1),
                ..Tkhd::default()
            },
            mdia: Mdia {
                mdhd: Mdhd { timescale: TIMESCALE, language: "und".to_owned(), ..Mdhd::default() },
                hdlr: Hdlr { handler: FourCC::from(b"soun"), name: String::new() },
                minf: Minf {
                    smhd: Some(Smhd::default()),
                    dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
                    stbl: self.samples(),
                    ..Minf::default()
                },
            },
            ..Trak::default()
        }
    }

    fn samples(self) -> Stbl {
        let roll = SgpdEntry {
            description_length: Some(2),
            entry: AnySampleGroupEntry::UnknownGroupingType(
                FourCC::from(b"roll"),
                ROLL.to_be_bytes().to_vec(),
            ),
        };
        let entry = Opus {
            audio: Audio {
                data_reference_index: 1,
                channel_count: self.channels.into(),
                sample_size: 16,
                sample_rate: FixedPoint::from(RATE),
            },
            dops: Dops {
                output_channel_count: self.channels,
                pre_skip: self.pre_skip,
                input_sample_rate: RATE.into(),
                output_gain: 0,
                channel_mapping: None,
            },
            btrt: None,
        };
        Stbl {
            stsd: Stsd { codecs: vec![Codec::Opus(entry)] },
            stco: Some(Stco::default()),
            sgpd: vec![Sgpd {
                grouping_type: FourCC::from(b"roll"),
                default_length: Some(2),
                // Of every sample.
                default_group_description_index: Some(1),
                static_group_description: false,
                static_mapping: false,
                essential: false,
                entries: vec![roll],
            }],
            ..Stbl::default()
        }
    }

    /// `moof`, and the head of the `mdat` whose content the packets are.
    pub(super) fn fragment_head(self, grid: &Grid, run: &Run) -> Result<Vec<u8>, CodecError> {
        let in_samples = |frames: u64| frames.saturating_mul(u64::from(TIMESCALE / grid.rates.coded.max(1)));
        let fragment = Fragment {
            number: run.first.saturating_add(1),
            starts: in_samples(run.first.saturating_mul(grid.packet_frames)),
            packets: run.packets,
            packet_len: grid.sizes.base,
            each: in_samples(grid.packet_frames),
            last: in_samples(run.last_frames),
        };
        let mut out = Vec::new();
        // Its length does not depend on what the offset says.
        fragment.movie(0).encode(&mut out).map_err(failed)?;
        let offset = out.len().saturating_add(MDAT_HEAD);
        out.clear();
        fragment.movie(i32::try_from(offset).unwrap_or(i32::MAX)).encode(&mut out).map_err(failed)?;
        let content = usize::try_from(run.packets.saturating_mul(grid.sizes.base)).unwrap_or(usize::MAX);
        Header { kind: Mdat::KIND, size: Some(content) }.encode(&mut out).map_err(failed)?;
        Ok(out)
    }
}

/// Bytes of the head of an `mdat`.
const MDAT_HEAD: usize = 8;

/// Times and durations are in samples at 48 kHz.
struct Fragment {
    /// Greater than those of the fragments before, as is asked of it, by whatever parts somebody takes them.
    number: u64,
    starts: u64,
    packets: u64,
    packet_len: u64,
    each: u64,
    last: u64,
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Fragment {
    fn movie(&self, data_offset: i32) -> Moof {
        Moof {
            mfhd: Mfhd { sequence_number: small(self.number) },
            traf: vec![Traf {
                tfhd: Tfhd {
                    track_id: TRACK,
                    default_sample_duration: Some(small(self.each)),
                    default_sample_size: Some(small(self.packet_len)),
                    default_sample_flags: Some(INDEPENDENT),
                    default_base_is_moof: true,
                    ..Tfhd::default()
                },
                tfdt: Some(Tfdt { base_media_decode_time: self.starts }),
                trun: vec![Trun { data_offset: Some(data_offset), samples: self.samples() }],
                ..Traf::default()
            }],
        }
    }

    fn samples(&self) -> TrunSamples {
        if self.last == self.each {
            return TrunSamples::Inherited { count: small(self.packets), first_flags: None };
        }
        let durations =
            (1..=self.packets).map(|number| if number == self.packets { self.last } else { self.each });
        let entry = |duration| TrunEntry { duration: Some(small(duration)), ..TrunEntry::default() };
        durations.map(entry).collect::<Vec<_>>().into()
    }
}

fn failed(error: mp4_atom::Error) -> CodecError {
    CodecError::Library { library: "mp4-atom", what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Container;
    use crate::format::{Format, Parameters};
    use mp4_atom::{Any, Decode};

    fn atoms(mut bytes: &[u8]) -> Vec<Any> {
        let mut atoms = Vec::new();
        while !bytes.is_empty() {
            atoms.push(Any::decode(&mut bytes).unwrap());
        }
        atoms
    }

    #[test]
    fn a_fragment_is_read_back_as_it_was_meant() {
        let codec = Format::Opus.codec("s16le:16000:1".parse().unwrap(), Parameters::default()).unwrap();
        let container = codec.container().unwrap();
        assert!(matches!(container, Container::Cmaf(OpusTrack { channels: 1, pre_skip: 312, .. })));
        let run = Run { first: 210, packets: 10, last_frames: 100 };
        let mut file = container.head(codec.grid(), &run).unwrap();
        let head = file.len();
        file.resize(head + 10 * 80, 7);
        let atoms = atoms(&file);
        let [Any::Moof(moof), Any::Mdat(data)] = atoms.as_slice() else { panic!("{atoms:?}") };
        assert_eq!(data.data.len(), 800);
        let traf = &moof.traf[0];
        assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 210 * 960);
        assert_eq!(traf.trun[0].data_offset, Some(i32::try_from(head).unwrap()));
        let durations: u32 = traf.trun[0].samples.iter().map(|sample| sample.duration.unwrap()).sum();
        assert_eq!(durations, 9 * 960 + 300);
    }

    #[test]
    fn the_beginning_of_the_file_is_read_back() {
        let track = OpusTrack { channels: 2, pre_skip: 312 };
        let atoms = atoms(&track.initialization().unwrap());
        let [Any::Ftyp(_), Any::Moov(moov)] = atoms.as_slice() else { panic!("{atoms:?}") };
        assert_eq!(*moov, track.movie());
        let Codec::Opus(entry) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!("{moov:?}") };
        assert_eq!(u32::from(entry.audio.sample_rate.integer()), entry.dops.input_sample_rate);
    }
}
