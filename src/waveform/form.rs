//! How peaks are written: audiowaveform's data format, version 2, as binary and as JSON.

use std::fmt::Write;

use super::View;
use super::peaks::Peak;

/// Version of the data format.
const FORMAT: u8 = 2;
/// Bytes in front of the binary form's pairs.
const HEADER_LEN: u64 = 24;
/// Flag of the binary form for pairs of 8-bit numbers.
const FLAG_8_BITS: u32 = 1;

/// Bits of each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bits {
    /// The upper half of 16, cut toward zero.
    Eight,
    /// As they are.
    Sixteen,
}

impl Bits {
    /// How many.
    pub fn count(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }

    fn cut(self, sample: i16) -> i16 {
        match self {
            Self::Eight => sample / 256,
            Self::Sixteen => sample,
        }
    }
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Binary, little endian.
    Dat,
    /// Text.
    Json,
}

impl Form {
    /// The one that a path's extension (without its dot) stands for.
    pub fn from_extension(extension: &str) -> Option<Self> {
        [Self::Dat, Self::Json].into_iter().find(|form| form.extension().eq_ignore_ascii_case(extension))
    }

    /// In paths.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Dat => "dat",
            Self::Json => "json",
        }
    }

    /// The `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Dat => "application/octet-stream",
            Self::Json => "application/json",
        }
    }

    /// Bytes of the whole answer, where that is known before it is made. The text's numbers have as many digits as they
    /// need.
    pub fn len(self, view: &View) -> Option<u64> {
        let pairs = view.window().len() * view.meter().lanes() as u64;
        (self == Self::Dat).then(|| HEADER_LEN + pairs * 2 * u64::from(view.bits().count() / 8))
    }

    /// What stands before the first pair.
    pub fn head(self, view: &View) -> Vec<u8> {
        match self {
            Self::Dat => dat_head(view),
            Self::Json => json_head(view).into_bytes(),
        }
    }

    /// Pairs, the first of all or not.
    pub fn pairs(self, bits: Bits, first: bool, peaks: &[Peak]) -> Vec<u8> {
        match (self, bits) {
            (Self::Json, _) => json_pairs(bits, first, peaks).into_bytes(),
            (Self::Dat, Bits::Sixteen) => numbers(bits, peaks).flat_map(i16::to_le_bytes).collect(),
            // The lower byte is all of a number that was cut.
            (Self::Dat, Bits::Eight) => numbers(bits, peaks).map(|number| number.to_le_bytes()[0]).collect(),
        }
    }

    /// What stands behind the last pair.
    pub fn tail(self) -> &'static [u8] {
        match self {
            Self::Dat => b"",
            Self::Json => b"]}\n",
        }
    }
}

fn numbers(bits: Bits, peaks: &[Peak]) -> impl Iterator<Item = i16> {
    peaks.iter().flat_map(move |peak| [bits.cut(peak.min), bits.cut(peak.max)])
}

fn dat_head(view: &View) -> Vec<u8> {
    let flags = if view.bits() == Bits::Eight { FLAG_8_BITS } else { 0 };
    let length = u32::try_from(view.window().len()).unwrap_or(u32::MAX);
    let channels = u32::try_from(view.meter().lanes()).unwrap_or(u32::MAX);
    let fields = [FORMAT.into(), flags, view.rate(), view.samples_per_pixel(), length, channels];
    fields.iter().flat_map(|field| field.to_le_bytes()).collect()
}

fn json_head(view: &View) -> String {
    let (window, channels, rate) = (view.window(), view.meter().lanes(), view.rate());
    let (each, bits, length, state) =
        (view.samples_per_pixel(), view.bits().count(), window.len(), view.extent().name());
    let (start, end) = (window.frames.start, window.frames.end);
    format!(
        "{{\"version\":{FORMAT},\"channels\":{channels},\"sample_rate\":{rate},\"samples_per_pixel\":{each},\
         \"bits\":{bits},\"length\":{length},\"start\":{start},\"end\":{end},\"state\":\"{state}\",\"data\":["
    )
}

fn json_pairs(bits: Bits, first: bool, peaks: &[Peak]) -> String {
    let mut text = String::with_capacity(peaks.len() * 14);
    for number in numbers(bits, peaks) {
        if !(first && text.is_empty()) {
            text.push(',');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{number}");
    }
    // It may wait long for a reader who does not read.
    text.shrink_to_fit();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEAKS: [Peak; 2] = [Peak { min: -32768, max: 32767 }, Peak { min: -255, max: 256 }];

    #[test]
    fn eight_bits_are_cut_toward_zero() {
        assert_eq!(Form::Json.pairs(Bits::Eight, true, &PEAKS), b"-128,127,0,1");
        assert_eq!(Form::Dat.pairs(Bits::Eight, true, &PEAKS), [0x80, 0x7f, 0, 1]);
    }

    #[test]
    fn sixteen_bits_are_as_they_are() {
        assert_eq!(Form::Json.pairs(Bits::Sixteen, false, &PEAKS), b",-32768,32767,-255,256");
        assert_eq!(Form::Dat.pairs(Bits::Sixteen, false, &PEAKS), [0, 0x80, 0xff, 0x7f, 1, 0xff, 0, 1]);
    }
}
