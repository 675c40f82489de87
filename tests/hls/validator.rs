//! Judges HLS playlists by the rules alone: RFC 8216 and its successor, draft-pantos-hls-rfc8216bis ("bis"), whose
//! numbers of sections are the ones given here. It knows nothing of any server.
//!
//! A complaint begins with its weight: `MUST` and `SHOULD` as the rules have it, `ADVICE` for what they allow and
//! which is hardly ever meant. What fails to parse is always a `MUST`, but for a second preload hint.
//!
//! Left out: encryption, date ranges, I-frames, `EXT-X-BITRATE`, session data, content steering, NFC, and the values
//! of variables. Tags for these are complaints, so that nothing passes unseen.
#![allow(dead_code, reason = "what a playlist says is all there, whether or not a test asks for it")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// Seconds by which sums of decimals may be off for no reason but binary fractions.
const DUST: f64 = 1e-6;

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a test has a handful of them")]
pub enum Playlist {
    Multivariant(Multivariant),
    Media(Media),
}

/// A decimal as it was written, and in seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seconds {
    pub text: String,
    pub value: f64,
}

impl Seconds {
    /// By how much the writer may have rounded: one of the last digit, and at most a millisecond, so that `2` is not
    /// taken for "between one and three".
    fn grain(&self) -> f64 {
        let digits = self.text.split_once('.').map_or(0, |(_, digits)| digits.len());
        0.1_f64.powi(i32::try_from(digits).unwrap_or(9)).min(0.001)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Date {
    pub text: String,
    pub at: Timestamp,
}

/// `<n>[@<o>]`, in bytes (4.4.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub length: u64,
    pub start: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub uri: String,
    pub byterange: Option<ByteRange>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub duration: Seconds,
    pub uri: String,
    pub independent: bool,
    pub gap: bool,
    pub byterange: Option<ByteRange>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub number: u64,
    pub duration: Seconds,
    pub title: String,
    pub uri: String,
    pub map: Option<Map>,
    pub program_date_time: Option<Date>,
    pub parts: Vec<Part>,
    pub discontinuity: bool,
    pub gap: bool,
    pub byterange: Option<ByteRange>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaylistType {
    Event,
    Vod,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub offset: f64,
    pub precise: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerControl {
    pub can_block_reload: bool,
    pub can_skip_until: Option<f64>,
    pub can_skip_dateranges: bool,
    pub hold_back: Option<f64>,
    pub part_hold_back: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub kind: String,
    pub uri: String,
    pub start: u64,
    pub length: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub uri: String,
    pub last_msn: Option<u64>,
    pub last_part: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Media {
    pub version: u64,
    /// What the tags that were found ask for (8).
    pub version_needed: u64,
    pub target_duration: u64,
    pub media_sequence: u64,
    pub discontinuity_sequence: u64,
    pub playlist_type: Option<PlaylistType>,
    pub ended: bool,
    pub independent_segments: bool,
    pub server_control: Option<ServerControl>,
    pub part_target: Option<f64>,
    pub start: Option<Start>,
    pub skipped: Option<u64>,
    pub segments: Vec<Segment>,
    /// Of the segment that is not whole yet, as are its date and discontinuity.
    pub trailing_parts: Vec<Part>,
    pub trailing_date: Option<Date>,
    pub trailing_discontinuity: bool,
    pub preload_hint: Option<Hint>,
    pub map_hint: Option<Hint>,
    pub rendition_reports: Vec<Report>,
}

impl Media {
    /// The number that the next whole segment will have.
    pub fn next_number(&self) -> u64 {
        self.media_sequence + self.skipped.unwrap_or(0) + self.segments.len() as u64
    }

    /// Seconds of the segments that are given, without those that are skipped.
    pub fn whole_duration(&self) -> f64 {
        self.segments.iter().map(|segment| segment.duration.value).sum()
    }

    fn segment(&self, number: u64) -> Option<&Segment> {
        let index = number.checked_sub(self.media_sequence + self.skipped.unwrap_or(0))?;
        self.segments.get(usize::try_from(index).ok()?)
    }

    /// The parts of a segment, be it whole or not.
    fn parts(&self, number: u64) -> &[Part] {
        match self.segment(number) {
            Some(segment) => &segment.parts,
            None if number == self.next_number() => &self.trailing_parts,
            None => &[],
        }
    }

    /// Every list of parts, the one that is not whole last.
    fn lists(&self) -> impl Iterator<Item = &Vec<Part>> {
        self.segments.iter().map(|segment| &segment.parts).chain([&self.trailing_parts])
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub uri: String,
    pub bandwidth: u64,
    pub average_bandwidth: Option<u64>,
    pub codecs: Option<String>,
    pub audio: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    pub kind: String,
    pub group: String,
    pub name: String,
    pub uri: Option<String>,
    pub default: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Multivariant {
    pub version: u64,
    pub independent_segments: bool,
    pub start: Option<Start>,
    pub variants: Vec<Variant>,
    pub renditions: Vec<Rendition>,
}

// ---- Values (4.2) ----

/// What the value of an attribute has to look like.
#[derive(Clone, Copy)]
enum Kind {
    Quoted,
    Enumerated(&'static [&'static str]),
    Integer,
    Decimal,
    Signed,
    Resolution,
}

use Kind::{Decimal, Enumerated, Integer, Quoted, Resolution, Signed};

const YES: Kind = Enumerated(&["YES"]);
const YES_NO: Kind = Enumerated(&["YES", "NO"]);

type Allowed = &'static [(&'static str, Kind)];

const START: Allowed = &[("TIME-OFFSET", Signed), ("PRECISE", YES_NO)];
const DEFINE: Allowed = &[("NAME", Quoted), ("VALUE", Quoted), ("IMPORT", Quoted), ("QUERYPARAM", Quoted)];
const MAP: Allowed = &[("URI", Quoted), ("BYTERANGE", Quoted)];
const PART_INF: Allowed = &[("PART-TARGET", Decimal)];
const SKIP: Allowed = &[("SKIPPED-SEGMENTS", Integer), ("RECENTLY-REMOVED-DATERANGES", Quoted)];
const REPORT: Allowed = &[("URI", Quoted), ("LAST-MSN", Integer), ("LAST-PART", Integer)];
const PART: Allowed =
    &[("URI", Quoted), ("DURATION", Decimal), ("INDEPENDENT", YES), ("GAP", YES), ("BYTERANGE", Quoted)];
const HINT: Allowed = &[
    ("TYPE", Enumerated(&["PART", "MAP"])),
    ("URI", Quoted),
    ("BYTERANGE-START", Integer),
    ("BYTERANGE-LENGTH", Integer),
];
const CONTROL: Allowed = &[
    ("CAN-SKIP-UNTIL", Decimal),
    ("CAN-SKIP-DATERANGES", YES),
    ("HOLD-BACK", Decimal),
    ("PART-HOLD-BACK", Decimal),
    ("CAN-BLOCK-RELOAD", YES),
];
const STREAM_INF: Allowed = &[
    ("BANDWIDTH", Integer),
    ("AVERAGE-BANDWIDTH", Integer),
    ("SCORE", Decimal),
    ("CODECS", Quoted),
    ("SUPPLEMENTAL-CODECS", Quoted),
    ("RESOLUTION", Resolution),
    ("FRAME-RATE", Decimal),
    ("STABLE-VARIANT-ID", Quoted),
    ("AUDIO", Quoted),
    ("PATHWAY-ID", Quoted),
];
const RENDITION: Allowed = &[
    ("TYPE", Enumerated(&["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"])),
    ("URI", Quoted),
    ("GROUP-ID", Quoted),
    ("LANGUAGE", Quoted),
    ("NAME", Quoted),
    ("DEFAULT", YES_NO),
    ("AUTOSELECT", YES_NO),
    ("BIT-DEPTH", Integer),
    ("SAMPLE-RATE", Integer),
    ("CHARACTERISTICS", Quoted),
    ("CHANNELS", Quoted),
];

fn integer(text: &str) -> Option<u64> {
    // Digits alone: `parse` would take a plus sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn decimal(text: &str) -> Option<f64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(rest)).then(|| text.parse().ok()).flatten()
}

fn byterange(text: &str) -> Option<ByteRange> {
    match text.split_once('@') {
        Some((length, start)) => Some(ByteRange { length: integer(length)?, start: Some(integer(start)?) }),
        None => Some(ByteRange { length: integer(text)?, start: None }),
    }
}

fn fits(kind: Kind, value: &str) -> bool {
    match kind {
        Quoted => value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
        Enumerated(values) => values.contains(&value),
        Integer => integer(value).is_some(),
        Decimal => decimal(value).is_some(),
        Signed => decimal(value.strip_prefix('-').unwrap_or(value)).is_some(),
        Resolution => value.split_once('x').is_some_and(|(w, h)| integer(w).and(integer(h)).is_some()),
    }
}

/// Attributes by name, the quotation marks taken off.
#[derive(Default)]
struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn integer(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(|value| integer(value))
    }

    fn decimal(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(|value| value.parse().ok())
    }

    fn yes(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "YES")
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Cuts the next `name=value` off. A comma within quotation marks belongs to the value.
fn cut_attribute(list: &str) -> Result<(&str, &str, Option<&str>), String> {
    let (name, rest) = list.split_once('=').ok_or(format!("{list:?} is no attribute"))?;
    let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(legal) {
        return Err(format!("{name:?} is no name of an attribute (A-Z, 0-9 and - make one)"));
    }
    let end = match rest.strip_prefix('"') {
        Some(inner) => inner.find('"').ok_or(format!("{name}: a quotation mark is not closed"))? + 2,
        None => rest.find(',').unwrap_or(rest.len()),
    };
    let (value, rest) = rest.split_at(end);
    if value.is_empty() || (!value.starts_with('"') && value.contains([' ', '"'])) {
        return Err(format!("{name} has the value {value:?}"));
    }
    match rest.strip_prefix(',') {
        Some(rest) => Ok((name, value, Some(rest))),
        None if rest.is_empty() => Ok((name, value, None)),
        None => Err(format!("{name}: {rest:?} follows its value, and no comma")),
    }
}

fn attributes(list: &str, allowed: Allowed) -> Result<Attributes, String> {
    let mut found = Attributes::default();
    let mut left = Some(list);
    while let Some(list) = left {
        let (name, value, rest) = cut_attribute(list)?;
        let Some((_, kind)) = allowed.iter().find(|(known, _)| *known == name) else {
            return Err(format!("attribute {name} is unknown here"));
        };
        if !fits(*kind, value) {
            return Err(format!("{name} has the wrong type of value: {value}"));
        }
        if found.0.insert(name.to_owned(), value.trim_matches('"').to_owned()).is_some() {
            return Err(format!("attribute {name} is given twice"));
        }
        left = rest;
    }
    Ok(found)
}

/// A date with or without a zone: without one it is UTC (4.4.4.6).
fn date(text: &str) -> Option<Date> {
    let at = text.parse().or_else(|_| format!("{text}Z").parse()).ok()?;
    Some(Date { text: text.to_owned(), at })
}

// ---- Parsing ----

/// Tags of which there may be one in a playlist (4.4.1.2, 4.4.2, 4.4.3, 4.4.5.2).
const ONCE: &[&str] = &[
    "EXTM3U",
    "EXT-X-VERSION",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-START",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-SKIP",
];

/// Tags that have no value.
const BARE: &[&str] =
    &["EXTM3U", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-ENDLIST", "EXT-X-DISCONTINUITY", "EXT-X-GAP"];

const SHARED: &[&str] =
    &["EXTM3U", "EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START", "EXT-X-DEFINE"];
const OF_MULTIVARIANT: &[&str] = &["EXT-X-STREAM-INF", "EXT-X-MEDIA"];

/// What has been said of the segment whose URI is still to come.
#[derive(Default)]
struct Pending {
    duration: Option<(Seconds, String)>,
    date: Option<Date>,
    discontinuity: bool,
    gap: bool,
    byterange: Option<ByteRange>,
    parts: Vec<Part>,
}

#[derive(Default)]
struct Parser {
    errors: Vec<String>,
    seen: BTreeSet<String>,
    media: Media,
    multivariant: Multivariant,
    pending: Pending,
    map: Option<Map>,
    stream: Option<Attributes>,
    /// Versions that are needed, and for what (8).
    needs: BTreeMap<u64, &'static str>,
}

/// Reads a playlist, strictly.
///
/// # Errors
/// A sentence for everything that no playlist may have.
pub fn parse(text: &str) -> Result<Playlist, Vec<String>> {
    let mut parser = Parser::default();
    parser.characters(text);
    for (number, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Err(error) = parser.line(line) {
            parser.errors.push(format!("MUST: line {}, {line:?}: {error}", number + 1));
        }
    }
    parser.finish()
}

impl Parser {
    fn characters(&mut self, text: &str) {
        // 4.1; a BOM would be no control character, but then the first line is not the one it must be.
        if text.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
            self.errors.push("MUST (4.1): there are control characters".into());
        }
        if text.replace("\r\n", "").contains('\r') {
            self.errors.push("MUST (4.1): a CR stands without LF".into());
        }
        if text.lines().next() != Some("#EXTM3U") {
            self.errors.push("MUST (4.4.1.1): the first line is not #EXTM3U".into());
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        match line.strip_prefix('#') {
            Some(tag) if tag.starts_with("EXT") => self.tag(tag),
            Some(_) => Ok(()),
            None if line.is_empty() => Ok(()),
            None => self.uri(line),
        }
    }

    fn tag(&mut self, tag: &str) -> Result<(), String> {
        let (name, value) = tag.split_once(':').map_or((tag, None), |(name, value)| (name, Some(value)));
        if !self.seen.insert(name.to_owned()) && ONCE.contains(&name) {
            return Err(format!("{name} is given twice"));
        }
        match (BARE.contains(&name), value) {
            (true, Some(_)) => Err(format!("{name} has a value where there is none")),
            (false, None) => Err(format!("{name} has no value, or is a tag this judge does not know")),
            _ => self.apply(name, value.unwrap_or("")),
        }
    }

    fn apply(&mut self, name: &str, value: &str) -> Result<(), String> {
        let whole = || integer(value).ok_or(format!("{value:?} is no decimal-integer"));
        match name {
            "EXTM3U" => {}
            "EXT-X-VERSION" => self.media.version = whole()?,
            "EXT-X-INDEPENDENT-SEGMENTS" => self.media.independent_segments = true,
            "EXT-X-START" => self.start(&attributes(value, START)?)?,
            "EXT-X-DEFINE" => self.define(&attributes(value, DEFINE)?)?,
            "EXT-X-TARGETDURATION" => self.media.target_duration = whole()?,
            "EXT-X-MEDIA-SEQUENCE" => self.media.media_sequence = self.early(whole()?)?,
            "EXT-X-DISCONTINUITY-SEQUENCE" => self.media.discontinuity_sequence = self.early(whole()?)?,
            "EXT-X-ENDLIST" => self.media.ended = true,
            "EXT-X-PLAYLIST-TYPE" => self.media.playlist_type = Some(playlist_type(value)?),
            "EXT-X-PART-INF" => self.media.part_target = Some(required(&attributes(value, PART_INF)?)?),
            "EXT-X-SERVER-CONTROL" => self.control(&attributes(value, CONTROL)?)?,
            "EXT-X-SKIP" => self.skip(&attributes(value, SKIP)?)?,
            "EXTINF" => self.extinf(value)?,
            "EXT-X-BYTERANGE" => self.byterange(value)?,
            "EXT-X-DISCONTINUITY" => {
                self.before_parts(name)?;
                self.pending.discontinuity = true;
            }
            "EXT-X-GAP" => self.pending.gap = true,
            "EXT-X-MAP" => self.map(&attributes(value, MAP)?)?,
            "EXT-X-PROGRAM-DATE-TIME" => self.date(value)?,
            "EXT-X-PART" => self.part(&attributes(value, PART)?)?,
            "EXT-X-PRELOAD-HINT" => self.hint(&attributes(value, HINT)?)?,
            "EXT-X-RENDITION-REPORT" => self.report(&attributes(value, REPORT)?)?,
            "EXT-X-STREAM-INF" => self.stream(attributes(value, STREAM_INF)?)?,
            "EXT-X-MEDIA" => self.rendition(&attributes(value, RENDITION)?)?,
            _ => return Err(format!("{name} is a tag this judge does not know")),
        }
        Ok(())
    }

    fn start(&mut self, found: &Attributes) -> Result<(), String> {
        let offset = found.decimal("TIME-OFFSET").ok_or("no TIME-OFFSET")?;
        self.media.start = Some(Start { offset, precise: found.yes("PRECISE") });
        Ok(())
    }

    fn define(&mut self, found: &Attributes) -> Result<(), String> {
        let ways = ["NAME", "IMPORT", "QUERYPARAM"].iter().filter(|name| found.has(name)).count();
        if ways != 1 || found.has("NAME") != found.has("VALUE") {
            return Err("one of NAME (with VALUE), IMPORT and QUERYPARAM is to be given (4.4.2.3)".into());
        }
        self.needs.insert(8, "EXT-X-DEFINE");
        if found.has("QUERYPARAM") {
            self.needs.insert(11, "QUERYPARAM of EXT-X-DEFINE");
        }
        Ok(())
    }

    /// For tags that stand before the first segment (4.4.3.2, 4.4.3.3).
    fn early(&self, value: u64) -> Result<u64, String> {
        let late = !self.media.segments.is_empty() || !self.pending.parts.is_empty();
        if late || self.pending.discontinuity || self.media.skipped.is_some() {
            return Err("stands after the first segment or discontinuity".into());
        }
        Ok(value)
    }

    fn control(&mut self, found: &Attributes) -> Result<(), String> {
        if found.has("CAN-SKIP-DATERANGES") && !found.has("CAN-SKIP-UNTIL") {
            return Err("CAN-SKIP-DATERANGES asks for CAN-SKIP-UNTIL (4.4.3.8)".into());
        }
        self.media.server_control = Some(ServerControl {
            can_block_reload: found.yes("CAN-BLOCK-RELOAD"),
            can_skip_until: found.decimal("CAN-SKIP-UNTIL"),
            can_skip_dateranges: found.yes("CAN-SKIP-DATERANGES"),
            hold_back: found.decimal("HOLD-BACK"),
            part_hold_back: found.decimal("PART-HOLD-BACK"),
        });
        Ok(())
    }

    fn skip(&mut self, found: &Attributes) -> Result<(), String> {
        let removed = found.has("RECENTLY-REMOVED-DATERANGES");
        self.needs.insert(if removed { 10 } else { 9 }, "EXT-X-SKIP");
        if !self.media.segments.is_empty() || !self.pending.parts.is_empty() {
            return Err("what is skipped comes before all segments (4.4.5.2)".into());
        }
        self.media.skipped = Some(found.integer("SKIPPED-SEGMENTS").ok_or("no SKIPPED-SEGMENTS")?);
        Ok(())
    }

    fn extinf(&mut self, value: &str) -> Result<(), String> {
        // The comma is there even where the title is not (4.4.4.1).
        let (text, title) = value.split_once(',').ok_or("no comma follows the duration")?;
        let value = decimal(text).ok_or(format!("{text:?} is no duration"))?;
        if text.contains('.') {
            self.needs.insert(3, "EXTINF with a fraction");
        }
        let found = (Seconds { text: text.into(), value }, title.into());
        self.pending.duration.replace(found).map_or(Ok(()), |_| Err("EXTINF twice for a segment".into()))
    }

    fn byterange(&mut self, value: &str) -> Result<(), String> {
        self.needs.insert(4, "EXT-X-BYTERANGE");
        self.pending.byterange = Some(byterange(value).ok_or("no byte range")?);
        Ok(())
    }

    /// What applies to a segment applies to its first part, so it stands before it (4.4.4.9).
    fn before_parts(&self, name: &str) -> Result<(), String> {
        if self.pending.parts.is_empty() { Ok(()) } else { Err(format!("{name} stands after a part")) }
    }

    fn map(&mut self, found: &Attributes) -> Result<(), String> {
        self.before_parts("EXT-X-MAP")?;
        self.needs.insert(6, "EXT-X-MAP"); // 5 with EXT-X-I-FRAMES-ONLY, which is left out
        let uri = found.text("URI").ok_or("no URI")?;
        let range =
            found.text("BYTERANGE").map(|text| byterange(&text).ok_or("no byte range")).transpose()?;
        if range.is_some_and(|range| range.start.is_none()) {
            return Err("a byte range of a map has an offset (4.4.4.5)".into());
        }
        self.map = Some(Map { uri, byterange: range });
        Ok(())
    }

    fn date(&mut self, value: &str) -> Result<(), String> {
        self.before_parts("EXT-X-PROGRAM-DATE-TIME")?;
        let found = date(value).ok_or("no date (4.4.4.6)")?;
        self.pending.date.replace(found).map_or(Ok(()), |_| Err("two dates for a segment".into()))
    }

    fn part(&mut self, found: &Attributes) -> Result<(), String> {
        let text = found.text("DURATION").ok_or("no DURATION")?;
        let value = decimal(&text).unwrap_or_default();
        let range =
            found.text("BYTERANGE").map(|text| byterange(&text).ok_or("no byte range")).transpose()?;
        let uri = found.text("URI").ok_or("no URI")?;
        let from_previous = range.is_some_and(|range| range.start.is_none());
        if from_previous && self.pending.parts.last().is_none_or(|part| part.uri != uri) {
            return Err("a byte range without offset follows no part of the same resource".into());
        }
        self.pending.parts.push(Part {
            duration: Seconds { text, value },
            uri,
            independent: found.yes("INDEPENDENT"),
            gap: found.yes("GAP"),
            byterange: range,
        });
        Ok(())
    }

    fn hint(&mut self, found: &Attributes) -> Result<(), String> {
        let kind = found.text("TYPE").ok_or("no TYPE")?;
        let uri = found.text("URI").ok_or("no URI")?;
        let (start, length) = (found.integer("BYTERANGE-START"), found.integer("BYTERANGE-LENGTH"));
        let slot = if kind == "PART" { &mut self.media.preload_hint } else { &mut self.media.map_hint };
        let hint = Hint { kind, uri, start: start.unwrap_or(0), length };
        if slot.replace(hint).is_some() {
            self.errors.push("SHOULD (6.2.6): two preload hints have the same TYPE".into());
        }
        Ok(())
    }

    fn report(&mut self, found: &Attributes) -> Result<(), String> {
        let uri = found.text("URI").ok_or("no URI")?;
        let (last_msn, last_part) = (found.integer("LAST-MSN"), found.integer("LAST-PART"));
        self.media.rendition_reports.push(Report { uri, last_msn, last_part });
        Ok(())
    }

    fn stream(&mut self, found: Attributes) -> Result<(), String> {
        if !found.has("BANDWIDTH") {
            return Err("no BANDWIDTH (4.4.6.2)".into());
        }
        self.stream
            .replace(found)
            .map_or(Ok(()), |_| Err("no URI follows the EXT-X-STREAM-INF before".into()))
    }

    fn rendition(&mut self, found: &Attributes) -> Result<(), String> {
        self.multivariant.renditions.push(Rendition {
            kind: found.text("TYPE").ok_or("no TYPE")?,
            group: found.text("GROUP-ID").ok_or("no GROUP-ID")?,
            name: found.text("NAME").ok_or("no NAME")?,
            uri: found.text("URI"),
            default: found.yes("DEFAULT"),
        });
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), String> {
        if uri.contains([' ', '"', '<', '>']) || uri.contains("{$") {
            return Err("this is no URI (variables are not replaced here)".into());
        }
        let Some(found) = self.stream.take() else { return self.segment(uri) };
        self.multivariant.variants.push(Variant {
            uri: uri.to_owned(),
            bandwidth: found.integer("BANDWIDTH").unwrap_or(0),
            average_bandwidth: found.integer("AVERAGE-BANDWIDTH"),
            codecs: found.text("CODECS"),
            audio: found.text("AUDIO"),
        });
        Ok(())
    }

    fn segment(&mut self, uri: &str) -> Result<(), String> {
        let pending = std::mem::take(&mut self.pending);
        let (duration, title) = pending.duration.ok_or("a URI without EXTINF (4.4.4.1)")?;
        let from_previous = pending.byterange.is_some_and(|range| range.start.is_none());
        let previous = self.media.segments.last();
        if from_previous && previous.is_none_or(|last| last.uri != uri || last.byterange.is_none()) {
            return Err("a byte range without offset follows no range of the same resource (4.4.4.2)".into());
        }
        self.media.segments.push(Segment {
            number: self.media.next_number(),
            duration,
            title,
            uri: uri.to_owned(),
            map: self.map.clone(),
            program_date_time: pending.date,
            parts: pending.parts,
            discontinuity: pending.discontinuity,
            gap: pending.gap,
            byterange: pending.byterange,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Playlist, Vec<String>> {
        let of_multivariant = |name: &str| OF_MULTIVARIANT.contains(&name);
        let multivariant = self.seen.iter().any(|name| of_multivariant(name));
        let media = |name: &str| !of_multivariant(name) && !SHARED.contains(&name);
        if multivariant && self.seen.iter().any(|name| media(name)) {
            self.errors.push("MUST (4.4.6): tags of multivariant and of media playlists are mixed".into());
        }
        if !multivariant && !self.seen.contains("EXT-X-TARGETDURATION") {
            self.errors.push("MUST (4.4.3.1): there is no EXT-X-TARGETDURATION".into());
        }
        self.left_over();
        // Without the tag it is version 1 (4.4.1.2).
        self.media.version = self.media.version.max(1);
        self.version();
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        if !multivariant {
            return Ok(Playlist::Media(self.media));
        }
        let Media { version, independent_segments, start, .. } = self.media;
        Ok(Playlist::Multivariant(Multivariant { version, independent_segments, start, ..self.multivariant }))
    }

    fn left_over(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if self.stream.is_some() || pending.duration.is_some() || pending.byterange.is_some() || pending.gap {
            self.errors.push("MUST (4.4.4): the last tags apply to a URI that does not come".into());
        }
        let nothing = pending.parts.is_empty() && self.media.preload_hint.is_none();
        if nothing && (pending.date.is_some() || pending.discontinuity) {
            self.errors.push("MUST (4.4.4): a last date or discontinuity applies to nothing".into());
        }
        self.media.trailing_parts = pending.parts;
        self.media.trailing_date = pending.date;
        self.media.trailing_discontinuity = pending.discontinuity;
    }

    fn version(&mut self) {
        self.media.version_needed = self.needs.keys().next_back().copied().unwrap_or(1);
        for (needed, tag) in &self.needs {
            if *needed > self.media.version {
                let given = self.media.version;
                self.errors.push(format!("MUST (8): {tag} needs version {needed}, and it is {given}"));
            }
        }
    }
}

fn playlist_type(value: &str) -> Result<PlaylistType, String> {
    match value {
        "EVENT" => Ok(PlaylistType::Event),
        "VOD" => Ok(PlaylistType::Vod),
        _ => Err("a type is EVENT or VOD (4.4.3.5)".into()),
    }
}

fn required(found: &Attributes) -> Result<f64, String> {
    found.decimal("PART-TARGET").ok_or("no PART-TARGET".into())
}

// ---- One media playlist ----

/// Everything that a playlist can break on its own.
pub fn check_media(media: &Media) -> Vec<String> {
    let mut said = Vec::new();
    check_header(media, &mut said);
    check_control(media, &mut said);
    check_segments(media, &mut said);
    check_dates(media, &mut said);
    check_start(media, &mut said);
    check_delta(media, &mut said);
    check_hints_and_reports(media, &mut said);
    if media.part_target.is_some() || media.lists().any(|parts| !parts.is_empty()) {
        check_low_latency(media, &mut said);
        check_parts(media, &mut said);
    }
    said
}

fn target(media: &Media) -> f64 {
    u32::try_from(media.target_duration).map_or(f64::INFINITY, f64::from)
}

fn check_header(media: &Media, said: &mut Vec<String>) {
    if media.target_duration == 0 {
        said.push("MUST (4.4.3.1): the target duration is less than a second".into());
    }
    if media.version > media.version_needed {
        let (given, needed) = (media.version, media.version_needed);
        said.push(format!("SHOULD (6.2.1): the version is {given}, and {needed} would do"));
    }
    // VOD cannot change (4.4.3.5), so its last segment is the last there is, which asks for the tag.
    if media.playlist_type == Some(PlaylistType::Vod) && !media.ended {
        said.push("MUST (6.2.1 with 4.4.3.5): VOD without EXT-X-ENDLIST".into());
    }
    if media.segments.is_empty() && media.trailing_parts.is_empty() && media.skipped.is_none() {
        said.push("ADVICE: an empty playlist; nothing says what players make of it".into());
    }
    if media.ended && !media.trailing_parts.is_empty() {
        said.push("MUST (3.2, 6.2.1): it has ended, and the last parts have no parent segment".into());
    }
}

fn check_control(media: &Media, said: &mut Vec<String>) {
    let Some(control) = &media.server_control else { return };
    if control.hold_back.is_some_and(|seconds| seconds < 3.0 * target(media) - DUST) {
        said.push("MUST (4.4.3.8): HOLD-BACK is less than three target durations".into());
    }
    if control.can_skip_until.is_some_and(|seconds| seconds < 6.0 * target(media) - DUST) {
        said.push("MUST (4.4.3.8): CAN-SKIP-UNTIL is less than six target durations".into());
    }
}

fn check_segments(media: &Media, said: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for segment in &media.segments {
        let Segment { number, uri, duration, .. } = segment;
        if duration.value.round() > target(media) {
            said.push(format!("MUST (4.4.3.1): segment {number} is longer than EXT-X-TARGETDURATION"));
        }
        if duration.value <= 0.0 {
            said.push(format!("ADVICE: segment {number} lasts no time"));
        }
        // In a delta update the map may be among what is skipped.
        if segment.map.is_none() && media.skipped.is_none() && is_fragment(uri) {
            said.push(format!("MUST (3.1.2): segment {number} is fragmented MP4 without EXT-X-MAP"));
        }
        if segment.byterange.is_none() && !seen.insert(uri) {
            said.push(format!("ADVICE: {uri} is there twice (duplicate)"));
        }
    }
}

fn is_fragment(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    [".m4s", ".mp4", ".m4a", ".cmfa", ".cmfv"].iter().any(|suffix| path.ends_with(suffix))
}

fn check_dates(media: &Media, said: &mut Vec<String>) {
    // (where the next sample is, by how much that may be rounded), counted from the first date and from the last.
    let mut clocks: [Option<(Timestamp, f64, f64)>; 2] = [None, None];
    for segment in &media.segments {
        if segment.discontinuity {
            clocks = [None, None];
        }
        if let Some(date) = &segment.program_date_time {
            check_date(date, &clocks, &format!("segment {}", segment.number), said);
            clocks[0] = clocks[0].or(Some((date.at, 0.0, 0.0)));
            clocks[1] = Some((date.at, 0.0, 0.0));
        }
        for (_, elapsed, rounding) in clocks.iter_mut().flatten() {
            *elapsed += segment.duration.value;
            *rounding += segment.duration.grain();
        }
    }
    if let Some(date) = &media.trailing_date {
        let clocks = if media.trailing_discontinuity { [None, None] } else { clocks };
        check_date(date, &clocks, "the unfinished segment", said);
    }
}

fn check_date(date: &Date, clocks: &[Option<(Timestamp, f64, f64)>], of: &str, said: &mut Vec<String>) {
    if !has_zone_and_milliseconds(&date.text) {
        said.push(format!("SHOULD (4.4.4.6): the date of {of} lacks a time zone or milliseconds"));
    }
    let drift = |(from, elapsed, rounding): &(Timestamp, f64, f64)| {
        let apart = date.at.duration_since(*from).as_secs_f64() - elapsed;
        (apart.abs() > 0.001 + rounding.min(0.05) + DUST).then_some(apart)
    };
    let Some(apart) = clocks.iter().flatten().find_map(drift) else { return };
    // Overlaps of less than a second are allowed, for clocks that drift (6.2.1).
    let weight = if apart <= -1.0 { "MUST (6.2.1)" } else { "ADVICE" };
    said.push(format!("{weight}: the date of {of} is {apart:+.6} s away from where the durations put it"));
}

fn has_zone_and_milliseconds(text: &str) -> bool {
    let Some((day, time)) = text.split_once('T') else { return false };
    let Some((clock, rest)) = time.split_once('.') else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let zone = rest.get(digits..).unwrap_or_default().as_bytes();
    let offset = matches!(zone, [b'+' | b'-', _, _, b':', _, _]);
    day.len() == 10 && clock.len() == 8 && digits >= 3 && (zone == b"Z" || offset)
}

fn check_start(media: &Media, said: &mut Vec<String>) {
    // What is skipped has an unknown length.
    let (Some(start), None) = (media.start, media.skipped) else { return };
    let duration = media.whole_duration();
    if start.offset.abs() > duration + DUST {
        said.push("SHOULD (4.4.2.2): EXT-X-START is further away than the playlist is long".into());
    }
    let at = if start.offset < 0.0 { duration + start.offset } else { start.offset };
    if !media.ended && duration - at < 3.0 * target(media) - DUST {
        said.push("SHOULD (4.4.2.2): EXT-X-START is within three target durations of the end".into());
    }
}

fn check_delta(media: &Media, said: &mut Vec<String>) {
    let Some(skipped) = media.skipped else { return };
    let boundary = media.server_control.as_ref().and_then(|control| control.can_skip_until);
    let Some(boundary) = boundary else {
        said.push("MUST (6.2.5.1): EXT-X-SKIP without CAN-SKIP-UNTIL".into());
        return;
    };
    if media.ended {
        said.push("MUST (6.2.5.1): EXT-X-SKIP although it has ended".into());
    }
    if skipped == 0 {
        said.push("ADVICE: EXT-X-SKIP skips nothing".into());
    } else if media.whole_duration() < boundary - DUST {
        said.push("MUST (6.2.5.1): segments are skipped that are nearer than the Skip Boundary".into());
    }
}

fn check_hints_and_reports(media: &Media, said: &mut Vec<String>) {
    if media.ended && (media.preload_hint.is_some() || media.map_hint.is_some()) {
        said.push("MUST (4.4.5.3): a preload hint although it has ended".into());
    }
    let mut seen = BTreeSet::new();
    for Report { uri, .. } in &media.rendition_reports {
        if uri.contains("://") || uri.starts_with("//") {
            said.push(format!("MUST (4.4.5.4): the rendition report of {uri} is not relative"));
        }
        if !seen.insert(uri) {
            said.push(format!("MUST (B.1): two rendition reports of {uri}"));
        }
    }
}

/// What parts ask of the rest of the playlist: 4.4.3.7, 4.4.3.8, and the Low-Latency Server Configuration Profile (B.1)
/// while it is live.
fn check_low_latency(media: &Media, said: &mut Vec<String>) {
    let Some(part_target) = media.part_target else {
        said.push("MUST (4.4.3.7): parts without EXT-X-PART-INF".into());
        return;
    };
    let control = media.server_control.clone().unwrap_or_default();
    match control.part_hold_back {
        None => said.push("MUST (4.4.3.8): EXT-X-PART-INF without PART-HOLD-BACK".into()),
        Some(seconds) if seconds < 2.0 * part_target - DUST => {
            said.push("MUST (4.4.3.8): PART-HOLD-BACK is less than twice PART-TARGET".into());
        }
        Some(seconds) if seconds < 3.0 * part_target - DUST => {
            said.push("SHOULD (4.4.3.8): PART-HOLD-BACK is less than three times PART-TARGET".into());
        }
        Some(_) => {}
    }
    if part_target <= 0.0 || part_target > target(media) + DUST {
        said.push("ADVICE: PART-TARGET is nothing, or more than EXT-X-TARGETDURATION".into());
    }
    if media.ended {
        return;
    }
    if !control.can_block_reload {
        said.push("MUST (B.1): live parts without CAN-BLOCK-RELOAD".into());
    }
    if media.preload_hint.is_none() {
        said.push("MUST (B.1): live parts without EXT-X-PRELOAD-HINT of the next".into());
    }
    let dated = media.segments.iter().any(|segment| segment.program_date_time.is_some());
    if !dated && media.trailing_date.is_none() {
        said.push("MUST (B.1): live parts without EXT-X-PROGRAM-DATE-TIME".into());
    }
}

fn check_parts(media: &Media, said: &mut Vec<String>) {
    let open: f64 = media.trailing_parts.iter().map(|part| part.duration.value).sum();
    let mut left = media.whole_duration() + open;
    let mut began = false;
    for segment in &media.segments {
        let far = left > 3.0 * target(media) + DUST;
        check_list(media, &segment.parts, &segment.number.to_string(), left, said);
        check_sum(segment, far && !began, said);
        if began && segment.parts.is_empty() {
            said.push(format!("ADVICE: segment {} has no parts, one before it has", segment.number));
        }
        began |= !segment.parts.is_empty();
        left -= segment.duration.value;
    }
    check_list(media, &media.trailing_parts, "unfinished", open, said);
    let mut seen = BTreeSet::new();
    for part in media.lists().flatten().filter(|part| part.byterange.is_none()) {
        if !seen.insert(&part.uri) {
            said.push(format!("ADVICE: part {} is there twice (duplicate)", part.uri));
        }
    }
    if media.preload_hint.as_ref().is_some_and(|hint| hint.start == 0 && seen.contains(&hint.uri)) {
        said.push("ADVICE: the preload hint is of a part that is there already".into());
    }
}

/// The parts of one segment, which begins `left` seconds before the end of the playlist.
fn check_list(media: &Media, parts: &[Part], of: &str, mut left: f64, said: &mut Vec<String>) {
    let part_target = media.part_target.unwrap_or(f64::INFINITY);
    for (index, part) in parts.iter().enumerate() {
        let name = format!("part {index} of segment {of}");
        if part.duration.value > part_target + DUST {
            said.push(format!("MUST (4.4.4.9): {name} is longer than PART-TARGET"));
        }
        // The last of those that are unfinished may turn out to be the last of its segment.
        let next = parts.get(index + 1);
        let may_be_short = part.gap || next.is_none_or(|next| next.gap);
        if !may_be_short && part_target.is_finite() && part.duration.value < 0.85 * part_target - DUST {
            let weight = if part.independent { "ADVICE" } else { "MUST (4.4.4.9)" };
            said.push(format!("{weight}: {name} is shorter than 85 % of PART-TARGET"));
        }
        // Any packet of sound can be decoded without the ones before.
        if !part.independent && !part.gap {
            said.push(format!("SHOULD (4.4.4.9): {name} is sound and not INDEPENDENT=YES"));
        }
        left -= part.duration.value;
        if left > 3.0 * target(media) + DUST {
            said.push(format!(
                "SHOULD (6.2.2): {name} is three target durations from the end, and not removed"
            ));
        }
    }
}

/// A segment is made of its parts (3.2). Of the first that has any, some may have been removed where it is `old`.
fn check_sum(segment: &Segment, old: bool, said: &mut Vec<String>) {
    if segment.parts.is_empty() {
        return;
    }
    let sum: f64 = segment.parts.iter().map(|part| part.duration.value).sum();
    let grain: f64 = segment.parts.iter().map(|part| part.duration.grain()).sum();
    let more = sum - segment.duration.value;
    if more.abs() > grain + segment.duration.grain() + DUST && !(old && more < 0.0) {
        said.push(format!("MUST (3.2): the parts of segment {} add up to {sum:.6} s", segment.number));
    }
}

// ---- One multivariant playlist ----

pub fn check_multivariant(playlist: &Multivariant) -> Vec<String> {
    let mut said = Vec::new();
    if playlist.variants.is_empty() {
        said.push("ADVICE: there are no variants".into());
    }
    if !playlist.independent_segments {
        said.push("ADVICE: sound, and no EXT-X-INDEPENDENT-SEGMENTS (4.4.2.1)".into());
    }
    let mut seen = BTreeSet::new();
    for variant in &playlist.variants {
        check_variant(playlist, variant, &mut said);
        if !seen.insert(&variant.uri) {
            said.push(format!("ADVICE: variant {} is there twice (duplicate)", variant.uri));
        }
    }
    let mut names = BTreeSet::new();
    for Rendition { kind, group, name, .. } in &playlist.renditions {
        if !names.insert((kind, group, name)) {
            said.push(format!("MUST (4.4.6.1.1): two renditions of {group} have the NAME {name}"));
        }
        let default =
            playlist.renditions.iter().filter(|r| (&r.kind, &r.group) == (kind, group) && r.default);
        if default.count() > 1 {
            said.push(format!("MUST (4.4.6.1.1): {group} has two with DEFAULT=YES"));
        }
    }
    said
}

fn check_variant(playlist: &Multivariant, variant: &Variant, said: &mut Vec<String>) {
    let Variant { uri, bandwidth, .. } = variant;
    if *bandwidth == 0 {
        said.push(format!("ADVICE: the BANDWIDTH of {uri} is nothing"));
    }
    // One is the peak, the other the mean of the same segments (4.4.6.2).
    if variant.average_bandwidth.is_some_and(|average| average > *bandwidth) {
        said.push(format!("MUST (4.4.6.2): AVERAGE-BANDWIDTH of {uri} is more than BANDWIDTH"));
    }
    match &variant.codecs {
        None => said.push(format!("SHOULD (4.4.6.2): {uri} has no CODECS")),
        Some(codecs) if codecs.split(',').any(|codec| codec.trim().is_empty()) => {
            said.push(format!("MUST (4.4.6.2): {uri} has an empty format in CODECS"));
        }
        Some(_) => {}
    }
    let group = |r: &Rendition| r.kind == "AUDIO" && Some(&r.group) == variant.audio.as_ref();
    if variant.audio.is_some() && !playlist.renditions.iter().any(group) {
        said.push(format!("MUST (4.4.6.2): no EXT-X-MEDIA has the GROUP-ID of {uri}"));
    }
}

// ---- Two versions of a media playlist ----

/// What a reload may not have changed (6.2.1, 6.2.2). The later one may be a delta update.
pub fn check_update(before: &Media, after: &Media) -> Vec<String> {
    let mut said = Vec::new();
    check_constants(before, after, &mut said);
    check_numbers(before, after, &mut said);
    for old in before.segments.iter().filter(|old| old.number >= after.media_sequence) {
        let skipped = old.number < after.media_sequence + after.skipped.unwrap_or(0);
        match after.segment(old.number) {
            Some(new) => check_same(old, new, after.skipped.is_some(), &mut said),
            None if skipped => {}
            None => said.push(format!("MUST (6.2.1): segment {} is gone", old.number)),
        }
    }
    check_open(before, after, &mut said);
    check_hinted(before, after, &mut said);
    said
}

fn check_constants(before: &Media, after: &Media, said: &mut Vec<String>) {
    let mut constant = |same: bool, what: &str| {
        if !same {
            said.push(format!("MUST (6.2.1): {what} has changed"));
        }
    };
    constant(before.target_duration == after.target_duration, "EXT-X-TARGETDURATION");
    constant(before.part_target == after.part_target, "PART-TARGET");
    constant(before.playlist_type == after.playlist_type, "EXT-X-PLAYLIST-TYPE");
    constant(before.start == after.start, "EXT-X-START");
    constant(before.server_control == after.server_control, "EXT-X-SERVER-CONTROL");
    constant(before.independent_segments == after.independent_segments, "EXT-X-INDEPENDENT-SEGMENTS");
    constant(!before.ended || after.ended, "EXT-X-ENDLIST");
    if before.playlist_type == Some(PlaylistType::Vod) {
        constant(before == after, "a VOD playlist");
    }
}

fn check_numbers(before: &Media, after: &Media, said: &mut Vec<String>) {
    if after.media_sequence < before.media_sequence {
        said.push("MUST (6.2.2): EXT-X-MEDIA-SEQUENCE goes back".into());
    }
    if before.playlist_type.is_some() && after.media_sequence != before.media_sequence {
        said.push("MUST (6.2.1): EXT-X-MEDIA-SEQUENCE of an EVENT or VOD has changed".into());
    }
    if before.ended && after.next_number() > before.next_number() {
        said.push("MUST (4.4.3.4): a segment after EXT-X-ENDLIST".into());
    }
    if after.next_number() < before.next_number() {
        said.push("MUST (6.2.1): there are fewer segments than before".into());
    }
    let removed = before.segments.iter().filter(|old| old.number < after.media_sequence && old.discontinuity);
    // Of what is skipped before it nobody knows the discontinuities.
    let expected = before.discontinuity_sequence + removed.count() as u64;
    if before.skipped.is_none() && after.discontinuity_sequence != expected {
        said.push(format!("MUST (6.2.2): EXT-X-DISCONTINUITY-SEQUENCE is to be {expected}"));
    }
    let short = after.skipped.is_none() && after.whole_duration() < 3.0 * target(after) - DUST;
    if after.media_sequence > before.media_sequence && !after.ended && short {
        said.push("MUST (6.2.2): removing segments left less than three target durations".into());
    }
}

fn check_same(old: &Segment, new: &Segment, delta: bool, said: &mut Vec<String>) {
    let number = old.number;
    let mut same = |same: bool, what: &str| {
        if !same {
            said.push(format!("MUST (6.2.1): {what} of segment {number} has changed"));
        }
    };
    same(old.uri == new.uri, "the URI");
    same(old.duration.text == new.duration.text, "the duration");
    same(old.title == new.title, "the title");
    // In a delta update the tag may be among what is skipped.
    same(old.map == new.map || (delta && new.map.is_none()), "the map");
    same(old.byterange == new.byterange, "the byte range");
    let text = |segment: &Segment| segment.program_date_time.as_ref().map(|date| date.text.clone());
    same(text(old) == text(new), "the date");
    same(old.discontinuity == new.discontinuity, "the discontinuity");
    same(old.gap == new.gap, "the gap");
    // Parts may be removed, in order (6.2.2), even from an EVENT.
    same(old.parts.ends_with(&new.parts), "the parts");
}

/// The segment that was not whole yet has the parts that it had, and perhaps more.
fn check_open(before: &Media, after: &Media, said: &mut Vec<String>) {
    let number = before.next_number();
    let (old, new) = (&before.trailing_parts, after.parts(number));
    let whole = after.segment(number).is_some();
    let gone = number < after.media_sequence + after.skipped.unwrap_or(0) || (whole && new.is_empty());
    if !gone && !new.starts_with(old) {
        said.push(format!("MUST (6.2.1): the parts of segment {number} have changed, or are gone"));
    }
    let text = |date: &Option<Date>| date.as_ref().map(|date| date.text.clone());
    let new_date = after.segment(number).map_or(&after.trailing_date, |segment| &segment.program_date_time);
    if !gone && before.trailing_date.is_some() && text(&before.trailing_date) != text(new_date) {
        said.push(format!("MUST (6.2.1): the date of segment {number} has changed"));
    }
}

/// The part that comes next has the URI that was hinted (4.4.5.3): in the same segment, or the first of the one
/// after it where that turned out to be whole.
fn check_hinted(before: &Media, after: &Media, said: &mut Vec<String>) {
    let Some(hint) = &before.preload_hint else { return };
    let number = before.next_number();
    let same = after.parts(number).get(before.trailing_parts.len());
    let whole_without = after.segment(number).is_some_and(|segment| !segment.parts.is_empty());
    let following = if whole_without { after.parts(number + 1).first() } else { None };
    match (same.or(following), &after.preload_hint) {
        (Some(part), _) if part.uri != hint.uri => {
            said.push(format!("MUST (4.4.5.3): {} was hinted, and {} came", hint.uri, part.uri));
        }
        (Some(part), _)
            if part.byterange.and_then(|range| range.start).is_some_and(|at| at != hint.start) =>
        {
            said.push(format!("MUST (4.4.5.3): {} came with another offset than was hinted", hint.uri));
        }
        // It may be withdrawn (6.2.6).
        (None, Some(now)) if now != hint && after.next_number() == number => {
            said.push(format!("ADVICE: the hint of {} was withdrawn", hint.uri));
        }
        _ => {}
    }
}

/// What a client makes of a delta update (6.3.7).
///
/// # Errors
/// Where a client has to ask for the whole playlist, and where the update contradicts what it has.
pub fn apply_delta(before: &Media, delta: &Media) -> Result<Media, Vec<String>> {
    let Some(skipped) = delta.skipped else {
        return Err(vec!["MUST (6.3.7): this is no delta update".into()]);
    };
    let numbers = delta.media_sequence..delta.media_sequence + skipped;
    let missing = |number: &u64| before.segment(*number).is_none();
    if let Some(number) = numbers.clone().find(missing) {
        return Err(vec![format!("MUST (6.3.7): segment {number} is skipped, and was never given")]);
    }
    let mut whole = delta.clone();
    whole.skipped = None;
    whole.segments = numbers.filter_map(|number| before.segment(number).cloned()).collect();
    // Parts of what is skipped were removed with it.
    whole.segments.iter_mut().for_each(|segment| segment.parts.clear());
    // A map applies until the next (4.4.4.5), also across what is skipped.
    let map = whole.segments.last().and_then(|segment| segment.map.clone());
    whole.segments.extend(delta.segments.iter().cloned().map(|mut segment| {
        segment.map = segment.map.or_else(|| map.clone());
        segment
    }));
    let must = |complaint: &String| complaint.starts_with("MUST");
    let contradictions: Vec<String> = check_update(before, &whole).into_iter().filter(must).collect();
    if contradictions.is_empty() { Ok(whole) } else { Err(contradictions) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOD: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.000Z\n#EXTINF:4.00000,\n0.mp3\n# a comment\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:09.000Z\n#EXTINF:3.50000,the end\n1.mp3\n#EXT-X-ENDLIST\n";

    const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",DEFAULT=YES\n\
        #EXT-X-STREAM-INF:BANDWIDTH=140000,AVERAGE-BANDWIDTH=130000,CODECS=\"mp4a.40.34\",AUDIO=\"g\"\n\
        mp3.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=99000,CODECS=\"Opus\"\nopus.m3u8\n";

    /// Segments of two seconds, of which the last has its parts, and two parts of the one after it.
    fn live(whole: u64) -> String {
        let mut text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:EVENT\n\
            #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=0\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
            #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6,PART-HOLD-BACK=1.5\n\
            #EXT-X-MAP:URI=\"init.mp4\"\n"
            .to_owned();
        for number in 0..=whole {
            let date = format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:{:02}.000Z\n", 2 * number);
            let parts = if number == whole { 2 } else { 4 * u64::from(number + 1 == whole) };
            let part = |index| {
                format!("#EXT-X-PART:DURATION=0.50000,URI=\"{number}.{index}.m4s\",INDEPENDENT=YES\n")
            };
            text += &date;
            text.extend((0..parts).map(part));
            if number < whole {
                text += &format!("#EXTINF:2.00000,\n{number}.m4s\n");
            }
        }
        text += &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{whole}.2.m4s\"\n");
        text + "#EXT-X-RENDITION-REPORT:URI=\"../mp3/live.m3u8\",LAST-MSN=5,LAST-PART=1\n"
    }

    /// What a server sends instead of `live` that has two segments more than are skipped.
    fn delta(whole: u64, skipped: u64) -> String {
        let text = live(whole).replace("VERSION:6", "VERSION:9");
        let from = text.find("#EXT-X-MAP").unwrap();
        let to =
            text.find(&format!("{}.m4s\n", skipped - 1)).unwrap() + format!("{}.m4s\n", skipped - 1).len();
        format!("{}#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n{}", &text[..from], &text[to..])
    }

    fn media(text: &str) -> Media {
        match parse(text) {
            Ok(Playlist::Media(media)) => media,
            other => panic!("{other:?}\n{text}"),
        }
    }

    fn complaints(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(Playlist::Media(media)) => check_media(&media),
            Ok(Playlist::Multivariant(playlist)) => check_multivariant(&playlist),
            Err(errors) => errors,
        }
    }

    fn replaced(text: &str, from: &str, to: &str) -> String {
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        text.replacen(from, to, 1)
    }

    fn assert_said(said: &[String], word: &str, of: &str) {
        assert!(said.iter().any(|line| line.contains(word)), "{word:?} of {of:?} is not in {said:#?}");
    }

    /// Each row: what is replaced, by what, and a word that the complaint has.
    fn each_is_found(text: &str, rows: &[(&str, &str, &str)]) {
        assert_eq!(complaints(text), Vec::<String>::new());
        for (from, to, word) in rows {
            assert_said(&complaints(&replaced(text, from, to)), word, to);
        }
    }

    /// The same of an update: the row changes what comes after.
    fn each_change_is_found(before: &str, after: &str, rows: &[(&str, &str, &str)]) {
        let before = media(before);
        assert_eq!(check_update(&before, &media(after)), Vec::<String>::new());
        for (from, to, word) in rows {
            assert_said(&check_update(&before, &media(&replaced(after, from, to))), word, to);
        }
    }

    #[test]
    fn what_cannot_be_read_is_found() {
        each_is_found(
            VOD,
            &[
                ("#EXTM3U\n", "", "first line"),
                ("#EXTM3U\n", "\u{feff}#EXTM3U\n", "first line"),
                ("the end", "the\tend", "control characters"),
                ("the end", "the\rend", "without LF"),
                ("VERSION:3", "VERSION:3.0", "decimal-integer"),
                ("VERSION:3", "VERSION:2", "needs version 3"),
                ("#EXT-X-VERSION:3\n", "", "needs version 3"),
                ("VERSION:3", "VERSION:3\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"", "needs version 8"),
                ("VERSION:3", "VERSION:8\n#EXT-X-DEFINE:QUERYPARAM=\"a\"", "needs version 11"),
                ("VERSION:3", "VERSION:8\n#EXT-X-DEFINE:NAME=\"a\"", "4.4.2.3"),
                ("#EXTINF:4", "#EXT-X-BYTERANGE:9@0\n#EXTINF:4", "needs version 4"),
                ("VERSION:3", "VERSION:3\n#EXT-X-VERSION:3", "twice"),
                ("#EXT-X-TARGETDURATION:4\n", "", "4.4.3.1"),
                ("TYPE:VOD", "TYPE:LIVE", "4.4.3.5"),
                ("#EXT-X-ENDLIST", "#EXT-X-END", "does not know"),
                ("#EXT-X-ENDLIST", "#EXT-X-KEY:METHOD=NONE", "does not know"),
                ("#EXT-X-ENDLIST", "#EXT-X-ENDLIST:YES", "value"),
                ("#EXTINF:4.00000,", "#EXTINF:4.00000", "comma"),
                ("#EXTINF:4.00000,", "#EXTINF:+4,", "no duration"),
                ("#EXTINF:4.00000,\n", "", "without EXTINF"),
                ("#EXTINF:4.00000,\n", "#EXTINF:4.00000,\n#EXTINF:4.00000,\n", "EXTINF twice"),
                ("1.mp3\n", "", "does not come"),
                ("1.mp3", "1 .mp3", "no URI"),
                ("1.mp3", "{$a}.mp3", "no URI"),
                ("05.000Z", "05.000Z\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.000Z", "two dates"),
                ("2026-01-02T03:04:05.000Z", "yesterday", "no date"),
                ("#EXT-X-ENDLIST", "#EXT-X-DISCONTINUITY", "applies to nothing"),
                ("#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE:2", "twice"),
                ("#EXT-X-ENDLIST", "#EXT-X-DISCONTINUITY-SEQUENCE:2", "after the first"),
                ("#EXT-X-ENDLIST", "#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8", "mixed"),
                ("TIME-OFFSET=0", "TIME-OFFSET=\"0\"", "wrong type"),
                ("TIME-OFFSET=0", "TIME-OFFSET=0,TIME-OFFSET=0", "twice"),
                ("TIME-OFFSET=0", "time-offset=0", "no name"),
                ("TIME-OFFSET=0,", "TIME-OFFSET=0, ", "no name"),
                ("TIME-OFFSET=0", "OFFSET=0", "unknown"),
                ("TIME-OFFSET=0,", "", "no TIME-OFFSET"),
                ("PRECISE=YES", "PRECISE=yes", "wrong type"),
                ("PRECISE=YES", "PRECISE", "no attribute"),
                ("PRECISE=YES", "PRECISE=\"YES", "not closed"),
                ("PRECISE=YES", "PRECISE=\"YES\"NO", "no comma"),
            ],
        );
    }

    #[test]
    fn what_a_whole_playlist_breaks_is_found() {
        each_is_found(
            VOD,
            &[
                ("DURATION:4", "DURATION:0", "less than a second"),
                ("VERSION:3", "VERSION:7", "would do"),
                ("#EXT-X-ENDLIST\n", "", "without EXT-X-ENDLIST"),
                ("#EXTINF:4.00000", "#EXTINF:4.50000", "longer than EXT-X-TARGETDURATION"),
                ("#EXTINF:4.00000", "#EXTINF:0.00000", "no time"),
                ("1.mp3", "1.m4s?x=1", "without EXT-X-MAP"),
                ("1.mp3", "0.mp3", "duplicate"),
                ("04:09.000Z", "04:09.003Z", "+0.003"),
                ("04:09.000Z", "04:07.500Z", "MUST (6.2.1): the date"),
                ("04:09.000Z", "04:09.000", "lacks a time zone"),
                ("04:09.000Z", "04:09Z", "milliseconds"),
                ("TIME-OFFSET=0", "TIME-OFFSET=7.6", "further away"),
                ("TIME-OFFSET=0", "TIME-OFFSET=-7.6", "further away"),
                ("#EXT-X-ENDLIST", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"x\"", "has ended"),
                ("#EXT-X-ENDLIST", "#EXT-X-ENDLIST\n#EXT-X-PART:DURATION=1,URI=\"x\"", "no parent"),
            ],
        );
        assert_said(&complaints("#EXTM3U\n#EXT-X-TARGETDURATION:2\n"), "empty", "an empty playlist");
    }

    #[test]
    fn what_a_live_playlist_breaks_is_found() {
        each_is_found(
            &live(8),
            &[
                ("VERSION:6", "VERSION:5", "needs version 6"),
                ("#EXT-X-MAP:URI=\"init.mp4\"\n", "", "without EXT-X-MAP"),
                ("URI=\"init.mp4\"", "URI=\"init.mp4\",BYTERANGE=\"9\"", "offset"),
                ("#EXT-X-PART-INF:PART-TARGET=0.5\n", "", "without EXT-X-PART-INF"),
                ("PART-TARGET=0.5", "PART-TARGET=3", "more than EXT-X-TARGETDURATION"),
                ("PART-TARGET=0.5", "PART-TARGET=0.4", "longer than PART-TARGET"),
                ("PART-TARGET=0.5", "PART-TARGET=0.6", "85 %"),
                (",PART-HOLD-BACK=1.5", "", "without PART-HOLD-BACK"),
                ("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=0.9", "less than twice"),
                ("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.4", "less than three times"),
                (",HOLD-BACK=6", ",HOLD-BACK=5.9", "HOLD-BACK is less than three"),
                ("CAN-SKIP-UNTIL=12", "CAN-SKIP-UNTIL=11", "less than six"),
                ("CAN-SKIP-UNTIL=12", "CAN-SKIP-DATERANGES=YES", "asks for CAN-SKIP-UNTIL"),
                ("CAN-BLOCK-RELOAD=YES,", "", "without CAN-BLOCK-RELOAD"),
                ("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.2.m4s\"\n", "", "without EXT-X-PRELOAD-HINT"),
                ("TYPE=PART,URI=\"8.2.m4s\"", "TYPE=PART,URI=\"8.1.m4s\"", "there already"),
                ("#EXT-X-PRELOAD", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"y\"\n#EXT-X-PRELOAD", "same TYPE"),
                ("TIME-OFFSET=0", "TIME-OFFSET=-5", "within three target durations"),
                ("DURATION=0.50000,URI=\"7.1", "DURATION=0.40000,URI=\"7.1", "85 %"),
                ("DURATION=0.50000,URI=\"7.3", "DURATION=0.40000,URI=\"7.3", "add up"),
                ("URI=\"8.0.m4s\",INDEPENDENT=YES", "URI=\"8.0.m4s\"", "not INDEPENDENT"),
                ("7.1.m4s", "7.0.m4s", "duplicate"),
                ("../mp3/", "http://x/", "not relative"),
                (
                    "#EXT-X-RENDITION",
                    "#EXT-X-RENDITION-REPORT:URI=\"../mp3/live.m3u8\"\n#EXT-X-RENDITION",
                    "two",
                ),
                (
                    "#EXTINF:2.00000,\n7",
                    "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:14Z\n#EXTINF:2,\n7",
                    "after a part",
                ),
                ("#EXTINF:2.00000,\n7", "#EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:2.00000,\n7", "after a part"),
                ("#EXTINF:2.00000,\n7", "#EXT-X-DISCONTINUITY\n#EXTINF:2.00000,\n7", "after a part"),
                ("04:16.000Z", "04:16.010Z", "unfinished segment"),
                (
                    "#EXTINF:2.00000,\n1",
                    "#EXT-X-PART:DURATION=2,URI=\"p\"\n#EXTINF:2.00000,\n1",
                    "not removed",
                ),
                (
                    "#EXTINF:2.00000,\n1",
                    "#EXT-X-PART:DURATION=2,URI=\"p\"\n#EXTINF:2.00000,\n1",
                    "has no parts",
                ),
                (
                    "DURATION=0.50000,URI=\"7.1.m4s\"",
                    "DURATION=0.5,URI=\"7.1.m4s\",BYTERANGE=\"9\"",
                    "no part of the same",
                ),
            ],
        );
        let undated: String =
            live(8).lines().filter(|line| !line.contains("DATE")).map(|l| format!("{l}\n")).collect();
        assert_said(&complaints(&undated), "without EXT-X-PROGRAM-DATE-TIME", "no dates");
    }

    #[test]
    fn short_parts_are_worse_where_they_are_not_independent() {
        let short = replaced(&live(8), "DURATION=0.50000,URI=\"7.1", "DURATION=0.40000,URI=\"7.1");
        assert_said(&complaints(&short), "ADVICE: part 1 of segment 7 is shorter", "independent");
        let dependent = replaced(&short, "7.1.m4s\",INDEPENDENT=YES", "7.1.m4s\"");
        assert_said(&complaints(&dependent), "MUST (4.4.4.9): part 1 of segment 7 is shorter", "dependent");
    }

    #[test]
    fn what_a_multivariant_playlist_breaks_is_found() {
        each_is_found(
            MULTIVARIANT,
            &[
                ("BANDWIDTH=140000,", "", "no BANDWIDTH"),
                ("BANDWIDTH=140000", "BANDWIDTH=0", "is nothing"),
                ("AVERAGE-BANDWIDTH=130000", "AVERAGE-BANDWIDTH=150000", "more than BANDWIDTH"),
                (",CODECS=\"Opus\"", "", "no CODECS"),
                ("\"Opus\"", "\"Opus,\"", "empty format"),
                ("\"Opus\"", "Opus", "wrong type"),
                ("opus.m3u8", "mp3.m3u8", "duplicate"),
                ("opus.m3u8\n", "", "does not come"),
                ("mp3.m3u8\n", "", "no URI follows"),
                ("#EXT-X-INDEPENDENT-SEGMENTS\n", "", "no EXT-X-INDEPENDENT-SEGMENTS"),
                ("#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-ENDLIST", "mixed"),
                ("AUDIO=\"g\"", "AUDIO=\"h\"", "GROUP-ID of mp3.m3u8"),
                (
                    "DEFAULT=YES",
                    "DEFAULT=YES\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\"",
                    "have the NAME",
                ),
                (
                    "DEFAULT=YES",
                    "DEFAULT=YES\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"o\",DEFAULT=YES",
                    "two with DEFAULT",
                ),
            ],
        );
    }

    #[test]
    fn what_an_update_may_not_change_is_found() {
        each_change_is_found(
            &live(8),
            &live(9),
            &[
                ("DURATION:2", "DURATION:3", "EXT-X-TARGETDURATION has changed"),
                ("PART-TARGET=0.5", "PART-TARGET=0.6", "PART-TARGET has changed"),
                ("TYPE:EVENT", "TYPE:VOD", "PLAYLIST-TYPE has changed"),
                ("OFFSET=0", "OFFSET=1", "EXT-X-START has changed"),
                ("HOLD-BACK=6", "HOLD-BACK=7", "SERVER-CONTROL has changed"),
                ("#EXT-X-INDEPENDENT-SEGMENTS\n", "", "INDEPENDENT-SEGMENTS has changed"),
                ("#EXT-X-START", "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-START", "EVENT or VOD has changed"),
                ("#EXT-X-START", "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-START", "is to be 0"),
                ("3.m4s", "three.m4s", "the URI of segment 3"),
                ("2.00000,\n3", "2.00001,\n3", "the duration of segment 3"),
                ("2.00000,\n3", "2.00000,title\n3", "the title of segment 3"),
                ("init.mp4", "other.mp4", "the map of segment 0"),
                ("04:06.000Z", "04:06.001Z", "the date of segment 3"),
                ("04:16.000Z", "04:16.001Z", "the date of segment 8"),
                (
                    "#EXTINF:2.00000,\n3",
                    "#EXT-X-DISCONTINUITY\n#EXTINF:2.00000,\n3",
                    "the discontinuity of segment 3",
                ),
                ("#EXTINF:2.00000,\n3", "#EXT-X-GAP\n#EXTINF:2.00000,\n3", "the gap of segment 3"),
                (
                    "#EXTINF:2.00000,\n3",
                    "#EXT-X-BYTERANGE:9@0\n#EXTINF:2.00000,\n3",
                    "the byte range of segment 3",
                ),
                (
                    "#EXTINF:2.00000,\n3",
                    "#EXT-X-PART:DURATION=2,URI=\"p\"\n#EXTINF:2.00000,\n3",
                    "the parts of segment 3",
                ),
                ("8.1.m4s", "8.x.m4s", "the parts of segment 8"),
                ("8.2.m4s", "8.x.m4s", "8.2.m4s was hinted, and 8.x.m4s came"),
                ("\"8.2.m4s\"", "\"8.2.m4s\",BYTERANGE=\"9@5\"", "another offset"),
            ],
        );
        let withdrawn = replaced(&live(8), "PART,URI=\"8.2", "PART,URI=\"8.x");
        assert_said(&check_update(&media(&live(8)), &media(&withdrawn)), "withdrawn", "a hint");
        assert_said(&check_update(&media(&live(9)), &media(&live(8))), "segment 8 is gone", "a step back");
        assert_said(&check_update(&media(&live(9)), &media(&live(8))), "fewer segments", "a step back");
        let ended = media(&(live(8) + "#EXT-X-ENDLIST\n"));
        assert_said(&check_update(&ended, &media(&live(9))), "EXT-X-ENDLIST has changed", "an end");
        assert_said(&check_update(&ended, &media(&live(9))), "after EXT-X-ENDLIST", "an end");
        let retitled = replaced(VOD, "VERSION:3", "VERSION:4");
        assert_said(&check_update(&media(VOD), &media(&retitled)), "a VOD playlist", "a version");
    }

    #[test]
    fn a_window_moves_forwards_and_stays_long_enough() {
        let window = |first: u64, count: u64| {
            let segment = |n: u64| format!("#EXTINF:2.0,\n{n}.mp3\n");
            let segments: String = (first..first + count).map(segment).collect();
            media(&format!(
                "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}"
            ))
        };
        assert_eq!(check_update(&window(3, 4), &window(4, 4)), Vec::<String>::new());
        assert_said(&check_update(&window(3, 4), &window(2, 5)), "goes back", "a window");
        assert_said(&check_update(&window(3, 4), &window(5, 2)), "less than three", "a window");
    }

    #[test]
    fn a_hint_may_come_true_in_the_next_segment() {
        let before = replaced(&live(8), "PART,URI=\"8.2", "PART,URI=\"9.0");
        let [third, fourth] =
            [2, 3].map(|i| format!("#EXT-X-PART:DURATION=0.50000,URI=\"8.{i}.m4s\",INDEPENDENT=YES\n"));
        let after = replaced(&replaced(&live(9), &third, ""), &fourth, "");
        assert_eq!(check_update(&media(&before), &media(&after)), Vec::<String>::new());
        let other = replaced(&after, "9.0.m4s", "9.x.m4s");
        assert_said(&check_update(&media(&before), &media(&other)), "9.0.m4s was hinted", "9.x.m4s");
    }

    #[test]
    fn a_delta_update_gives_what_the_whole_playlist_gives() {
        let update = media(&delta(9, 2));
        assert_eq!(check_media(&update), Vec::<String>::new());
        assert_eq!(check_update(&media(&live(8)), &update), Vec::<String>::new());
        let applied = apply_delta(&media(&live(8)), &update).unwrap();
        let whole = media(&live(9));
        assert_eq!(applied.segments, whole.segments);
        assert_eq!(applied.trailing_parts, whole.trailing_parts);
        assert_eq!(applied.next_number(), 9);
    }

    #[test]
    fn what_is_wrong_with_a_delta_update_is_found() {
        let text = delta(9, 2);
        each_is_found(
            &text,
            &[
                ("VERSION:9", "VERSION:8", "needs version 9"),
                (
                    "SKIPPED-SEGMENTS=2",
                    "SKIPPED-SEGMENTS=2,RECENTLY-REMOVED-DATERANGES=\"\"",
                    "needs version 10",
                ),
                ("SKIPPED-SEGMENTS=2", "RECENTLY-REMOVED-DATERANGES=\"\"", "no SKIPPED-SEGMENTS"),
                ("SKIPPED-SEGMENTS=2", "SKIPPED-SEGMENTS=0", "skips nothing"),
                ("CAN-SKIP-UNTIL=12,", "", "without CAN-SKIP-UNTIL"),
                ("CAN-SKIP-UNTIL=12", "CAN-SKIP-UNTIL=15", "Skip Boundary"),
                ("#EXT-X-SKIP", "#EXT-X-ENDLIST\n#EXT-X-SKIP", "although it has ended"),
                ("#EXT-X-SKIP", "#EXTINF:2,\nx.m4s\n#EXT-X-SKIP", "before all segments"),
            ],
        );
        let before = media(&live(8));
        let refused = |text: &str| apply_delta(&before, &media(text)).unwrap_err();
        assert_said(&refused(&live(9)), "no delta", "a whole playlist");
        assert_said(&refused(&replaced(&text, "SEGMENTS=2", "SEGMENTS=20")), "never given", "too much");
        assert_said(
            &refused(&replaced(&text, "SEGMENTS=2", "SEGMENTS=3")),
            "the URI of segment 3",
            "an odd count",
        );
        assert_said(&refused(&replaced(&text, "5.m4s", "five.m4s")), "the URI of segment 5", "another URI");
    }

    #[test]
    fn an_event_that_has_ended_may_keep_its_parts() {
        let text = live(8);
        let (text, _) = text.split_at(text.find("#EXT-X-PRELOAD").unwrap());
        let ended = format!("{text}#EXTINF:1.00000,\r\n8.m4s\r\n#EXT-X-ENDLIST");
        assert_eq!(complaints(&ended), Vec::<String>::new());
        assert_eq!(check_update(&media(&live(8)), &media(&ended)), Vec::<String>::new());
    }
}
