//! What is asked for, and with what came of it all that there is to be judged.

use tailcast::time::{Position, length};
use tailcast_codecs::Codec;
use tailcast_codecs::PcmSpec;
use tailcast_codecs::format::{Format, Parameters};

use std::sync::Arc;

use crate::client::Reply;

#[derive(Debug, Clone)]
pub struct Request {
    /// By which it is counted.
    pub kind: &'static str,
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Sound {
        name: String,
        wanted: Wanted,
    },
    Waveform {
        name: String,
    },
    Events {
        name: Option<String>,
    },
    /// The playlist of HLS that names the others.
    Multivariant {
        name: String,
    },
    /// One of segments, without what is waited for, and that: a segment, or a part of one.
    Playlist {
        name: String,
        path: String,
        awaited: Option<(u64, Option<u64>)>,
    },
    /// What such a playlist names.
    File {
        name: String,
    },
    /// With the names that there were.
    List {
        names: Vec<String>,
    },
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The recording asked for, if it is one.
    pub fn name(&self) -> Option<&str> {
        match &self.what {
            What::Sound { name, .. }
            | What::Waveform { name }
            | What::Multivariant { name }
            | What::Playlist { name, .. }
            | What::File { name }
            | What::Events { name: Some(name) } => Some(name),
            What::Events { name: None } | What::List { .. } => None,
        }
    }
}

/// A rendition, by what stands in a URL.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub format: Format,
    pub parameters: Parameters,
    pub pos: Option<String>,
    pub duration: Option<String>,
}

impl Wanted {
    pub fn position(&self) -> Position {
        self.pos.as_deref().map_or(Position::FromStart(0), |pos| pos.parse().unwrap())
    }

    /// Nanoseconds of a clip.
    pub fn clip(&self) -> Option<u64> {
        self.duration.as_deref().map(|text| length(text).unwrap())
    }

    pub fn codec(&self, spec: PcmSpec) -> Arc<dyn Codec> {
        self.format.codec(spec, self.parameters).unwrap()
    }

    pub fn target(&self, name: &str) -> String {
        let Self { format, parameters, pos, duration } = self;
        let number = |name: &str, value: Option<String>| value.map(|value| format!("{name}={value}"));
        let query: Vec<String> = [
            number("pos", pos.clone()),
            number("duration", duration.clone()),
            number("bitrate", parameters.bitrate.map(|bitrate| bitrate.to_string())),
            number("channels", parameters.channels.map(|channels| channels.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect();
        let behind = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        format!("/audio/{name}.{format}{behind}")
    }

    /// The same from a frame of the recording on.
    pub fn from(&self, frame: u64, spec: PcmSpec) -> Self {
        const NANOS: u128 = 1_000_000_000;
        let nanos = (u128::from(frame) * NANOS * 2 + u128::from(spec.rate)) / (2 * u128::from(spec.rate));
        let pos = (frame > 0).then(|| format!("{}.{:09}", nanos / NANOS, nanos % NANOS));
        Self { pos, ..self.clone() }
    }
}

pub struct Answer {
    pub request: Request,
    pub reply: Reply,
}
