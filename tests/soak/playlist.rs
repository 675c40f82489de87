//! A media playlist of HLS, as a player reads it.

/// What can be had of a recording.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Playlist {
    pub target: u64,
    pub first: u64,
    /// `EVENT` or `VOD`.
    pub kind: String,
    /// What stands before the segments.
    pub init: Option<String>,
    /// Segments that are left out at the beginning.
    pub skipped: u64,
    pub segments: Vec<Segment>,
    /// Parts of the segment that is not whole.
    pub edge: Vec<Part>,
    pub has_parts: bool,
    /// The part that comes next.
    pub hint: Option<String>,
    pub ends: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Segment {
    pub uri: String,
    pub micros: u64,
    pub parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    pub uri: String,
    pub micros: u64,
}

impl Playlist {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return Err("it is no playlist".to_owned());
        }
        let (mut playlist, mut micros) = (Self::default(), None);
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => playlist.target = number(value)?,
                "#EXT-X-MEDIA-SEQUENCE" => playlist.first = number(value)?,
                "#EXT-X-PLAYLIST-TYPE" => value.clone_into(&mut playlist.kind),
                "#EXT-X-MAP" => playlist.init = Some(attribute(value, "URI")?.to_owned()),
                "#EXT-X-SKIP" => playlist.skipped = number(attribute(value, "SKIPPED-SEGMENTS")?)?,
                "#EXT-X-PART-INF" => playlist.has_parts = true,
                "#EXT-X-PART" => {
                    let uri = attribute(value, "URI")?.to_owned();
                    playlist.edge.push(Part { uri, micros: seconds(attribute(value, "DURATION")?)? });
                }
                "#EXT-X-PRELOAD-HINT" => playlist.hint = Some(attribute(value, "URI")?.to_owned()),
                "#EXTINF" => micros = Some(seconds(value.trim_end_matches(','))?),
                "#EXT-X-ENDLIST" => playlist.ends = true,
                _ if line.starts_with('#') => {}
                _ => {
                    let micros = micros.take().ok_or("a segment that does not say how long it is")?;
                    let parts = std::mem::take(&mut playlist.edge);
                    playlist.segments.push(Segment { uri: line.to_owned(), micros, parts });
                }
            }
        }
        Ok(playlist)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// Microseconds.
fn seconds(text: &str) -> Result<u64, String> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    Ok(number(whole)? * 1_000_000 + number(&format!("{rest:0<6}"))?)
}

/// The value of an attribute, without its quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Result<&'a str, String> {
    let value = list.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.map(|value| value.trim_matches('"')).ok_or_else(|| format!("`{list}` has no {name}"))
}
