//! Holds what listeners got against the truth: it must be, from its first byte to its last, what some one life of the
//! recording is that there was when it was asked for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use tailcast_codecs::format::Format;
use tailcast_codecs::{Codec, Cut, Tags, rendition_len};

use tailcast::time::frames_in;

use crate::client::{End, Reply};
use crate::hls;
use crate::life::{Archive, Birth, Life, STARTED};
use crate::refusal;
use crate::replica::Replicas;
use crate::request::{Answer, Request, Wanted, What};
use crate::views;

pub struct Judge<'a> {
    pub archive: &'a Archive,
    pub growth_timeout: Duration,
    pub replicas: Replicas,
    /// Bytes of bodies that were compared.
    pub bytes: u64,
}

/// What is wrong with an answer.
pub type Wrong = String;

impl Judge<'_> {
    /// The lives that an answer may be of.
    pub fn lives(&self, answer: &Answer) -> Vec<Arc<Life>> {
        let Reply { asked, begun, done, .. } = answer.reply;
        let mut lives = answer.request.name().map(|name| self.archive.lives(name)).unwrap_or_default();
        // Who has not been told of what was cut off may go on with what came instead, which begins as it did.
        let may_be = |life: &Life| {
            life.overlaps(asked, begun) || life.birth == Birth::Cut && life.overlaps(asked, done)
        };
        lives.retain(|life| may_be(life));
        lives
    }

    /// Whether all that it may be of is known.
    pub fn is_ripe(&self, answer: &Answer) -> bool {
        self.lives(answer).iter().all(|life| life.is_over())
    }

    pub fn judge(&mut self, answer: &Answer) -> Result<(), Wrong> {
        let Answer { request, reply } = answer;
        if reply.end == End::Hung {
            return Err("nothing comes any more".to_owned());
        }
        if reply.status == 0 {
            let left = reply.end == End::Left;
            return if left { Ok(()) } else { Err("there is no answer".to_owned()) };
        }
        let lives = self.lives(answer);
        if let (200..300, End::BrokenOff) = (reply.status, reply.end)
            && !lives.iter().any(|life| life.may_be_lost_by(reply.done))
        {
            return Err("it was broken off though nothing happened to the recording".to_owned());
        }
        match (&request.what, reply.status) {
            (_, 400..) => refusal::explain(self, answer, &lives),
            (What::Sound { wanted, .. }, 200 | 206 | 304 | 307) => {
                self.any(&lives, |judge, life| judge.sound(life, wanted, request, reply))
            }
            (What::Waveform { .. }, 200 | 304) => {
                self.any(&lives, |judge, life| views::waveform(judge, life, request, reply))
            }
            (What::Multivariant { .. } | What::File { .. }, 200) => {
                self.any(&lives, |judge, life| hls::same(judge, life, request, reply))
            }
            (What::Playlist { path, awaited, .. }, 200) => {
                self.any(&lives, |judge, life| hls::playlist(judge, life, path, *awaited, reply))
            }
            (What::Events { name }, 200) => views::events(&lives, name.as_deref(), reply),
            (What::List { names }, 200) => views::list(self.archive, names, reply),
            (_, status) => Err(format!("nobody answers {status} to that")),
        }
    }

    /// That it is right for one of them.
    fn any(
        &mut self,
        lives: &[Arc<Life>],
        mut judge: impl FnMut(&mut Self, &Life) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let mut wrong = String::from("there was no such recording");
        for life in lives.iter().rev() {
            match judge(self, life) {
                Ok(()) => return Ok(()),
                Err(error) if wrong.starts_with("there was") => wrong = error,
                Err(error) => wrong = format!("{wrong}; or {error}"),
            }
        }
        Err(wrong)
    }

    fn sound(&mut self, life: &Life, wanted: &Wanted, request: &Request, reply: &Reply) -> Result<(), Wrong> {
        if reply.status == 307 {
            return is_settled(life, wanted, reply);
        }
        let range = reply.header("content-range").map(ContentRange::parse).transpose()?;
        if let Some(range) = &range {
            range.is_for(request, reply)?;
        }
        let mut starts = starts(life, wanted, reply, self.growth_timeout);
        // The place was told from the end of what was cut off, if that was not noticed.
        for before in self.archive.cut_off(life) {
            starts.extend(self::starts(&before, wanted, reply, self.growth_timeout));
        }
        let mut wrong = format!("it starts nowhere in life {}", life.number);
        for start in starts {
            let view = View::new(life, wanted, start, self.growth_timeout);
            let judged = match reply.header("etag") {
                Some(etag) => self.finished(&view, etag, range.as_ref(), request, reply),
                None => self.growing(&view, range.as_ref(), request, reply),
            };
            match judged {
                Ok(()) => return Ok(()),
                Err(error) => wrong = format!("{error} (of life {} from frame {start})", life.number),
            }
        }
        Err(wrong)
    }

    /// An answer of what does not change: every byte of it, and its tag.
    fn finished(
        &mut self,
        view: &View<'_>,
        etag: &str,
        range: Option<&ContentRange>,
        request: &Request,
        reply: &Reply,
    ) -> Result<(), Wrong> {
        let body = &reply.body;
        let is_multipart =
            reply.header("content-type").is_some_and(|kind| kind.starts_with("multipart/byteranges"));
        let total = match range {
            Some(range) => range.total,
            None if is_multipart || reply.status == 304 => None,
            None => Some(reply.content_length().ok_or("it has a tag and no length")?),
        };
        if reply.status == 304 && request.header("if-none-match") != Some(etag) {
            return Err(format!("304 with the tag {etag}"));
        }
        let mut wrong = format!("no end makes it {total:?} bytes in all");
        for end in view.ends() {
            if total.is_some_and(|total| total != end.len) {
                continue;
            }
            let target = view.target();
            let truth = self.replicas.ask(view.life, end.bytes, "HEAD", &target, None);
            let (length, tag) = (truth.content_length(), truth.header("etag"));
            if (length, tag) != (Some(end.len), Some(etag)) {
                wrong = format!("its tag is {etag}, and {target} has {tag:?} and {length:?} bytes");
                continue;
            }
            if request.method == "HEAD" || reply.status == 304 {
                return Ok(());
            }
            if is_multipart {
                return self.parts(view, &end, reply);
            }
            let from = range.map_or(0, |range| range.from);
            return self.compare(view, &end, from, body);
        }
        Err(wrong)
    }

    /// The parts of an answer to several ranges.
    fn parts(&mut self, view: &View<'_>, end: &Ending, reply: &Reply) -> Result<(), Wrong> {
        let kind = reply.header("content-type").unwrap_or_default();
        let boundary = kind.split_once("boundary=").ok_or("no boundary")?.1;
        let delimiter = format!("--{boundary}");
        let mut rest = &reply.body[..];
        while let Some(at) = find(rest, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..at]).to_ascii_lowercase();
            if !head.trim_start().starts_with(&delimiter.to_ascii_lowercase()) {
                return Err(format!("a part begins with `{head}`"));
            }
            let range = head.lines().find_map(|line| line.strip_prefix("content-range: "));
            let range = ContentRange::parse(range.ok_or("a part that does not say where it is")?)?;
            rest = &rest[at + 4..];
            let len = usize::try_from(range.until - range.from).unwrap().min(rest.len());
            self.compare(view, end, range.from, &rest[..len])?;
            rest = &rest[len..];
        }
        Ok(())
    }

    /// An answer of what grows: its header by arithmetic, and behind it what is the same when it has ended.
    fn growing(
        &mut self,
        view: &View<'_>,
        range: Option<&ContentRange>,
        request: &Request,
        reply: &Reply,
    ) -> Result<(), Wrong> {
        if request.method == "HEAD" {
            let length = reply.content_length();
            return if length.is_none() { Ok(()) } else { Err("it grows and has a length".to_owned()) };
        }
        let from = range.map_or(0, |range| range.from);
        let header =
            view.codec.header(&view.cut, view.clip, &Tags { date: Some(STARTED), ..Tags::default() });
        let in_header = header.get(from as usize..).unwrap_or_default();
        let (in_header, sound) = reply.body.split_at(in_header.len().min(reply.body.len()));
        if let Some(at) = differs(in_header, &header[header.len().min(from as usize)..]) {
            return Err(format!("byte {} of the header of what grows is wrong", from + at));
        }
        self.bytes += in_header.len() as u64;
        let sound_from = from.max(header.len() as u64);
        let until = from + reply.body.len() as u64;
        let goes_to_the_end = reply.content_length().is_none() && reply.end == End::InOrder;
        if sound.is_empty() && !goes_to_the_end {
            return Ok(());
        }
        let mut wrong = format!("it ends at byte {until}, and no end is there: {:?}", view.ends());
        let endings = if goes_to_the_end { view.ends() } else { view.all() };
        for end in endings {
            if goes_to_the_end && end.len != until || end.len < until {
                continue;
            }
            match self.compare(view, &end, sound_from, sound) {
                Ok(()) => return Ok(()),
                Err(error) => wrong = error,
            }
        }
        Err(wrong)
    }

    /// That a piece of a rendition is the truth.
    fn compare(&mut self, view: &View<'_>, end: &Ending, from: u64, piece: &[u8]) -> Result<(), Wrong> {
        if piece.is_empty() {
            return Ok(());
        }
        let range = format!("bytes={from}-{}", from + piece.len() as u64 - 1);
        let target = view.target();
        let truth = self.replicas.ask(view.life, end.bytes, "GET", &target, Some(&range));
        if truth.status != 206 || truth.body.len() != piece.len() {
            let (status, len) = (truth.status, truth.body.len());
            return Err(format!("{target} {range} is {status} with {len} bytes, given were {}", piece.len()));
        }
        view.is_the_file_itself(end, from, &truth.body);
        if let Some(at) = differs(piece, &truth.body) {
            let at = from + at;
            let ended = end.bytes;
            return Err(format!(
                "byte {at} of {target} is wrong (of {range}; ended at byte {ended} of the file)"
            ));
        }
        self.bytes += piece.len() as u64;
        Ok(())
    }
}

fn is_settled(life: &Life, wanted: &Wanted, reply: &Reply) -> Result<(), Wrong> {
    let location = reply.header("location").ok_or("it leads nowhere")?;
    let pos = location.trim_start_matches('?').split('&').find_map(|pair| pair.strip_prefix("pos="));
    let settled = Wanted { pos: pos.map(str::to_owned), ..wanted.clone() };
    let frame = settled.position().frame(0, life.spec.rate);
    let seen = life.frames_between(reply.asked, reply.begun);
    let starts: Vec<u64> =
        seen.into_iter().map(|frames| wanted.position().frame(frames, life.spec.rate)).collect();
    let is_one = starts.contains(&frame);
    if is_one { Ok(()) } else { Err(format!("it leads to {location}, frame {frame}, not one of {starts:?}")) }
}

/// The frames at which a rendition may start: one, unless it is told from the live edge or the end.
pub fn starts(life: &Life, wanted: &Wanted, reply: &Reply, growth_timeout: Duration) -> Vec<u64> {
    let mut lengths = life.frames_between(reply.asked, reply.begun);
    lengths.extend(life.ends(growth_timeout).into_iter().map(|end| life.frames_in(end)));
    // What was written last is the likeliest.
    let starts = lengths.into_iter().rev().map(|frames| wanted.position().frame(frames, life.spec.rate));
    let mut found = Vec::new();
    starts.for_each(|start| {
        if !found.contains(&start) {
            found.push(start)
        }
    });
    found
}

/// A rendition of a life.
pub struct View<'a> {
    life: &'a Life,
    wanted: &'a Wanted,
    codec: Arc<dyn Codec>,
    cut: Cut,
    start: u64,
    /// Coded frames of a clip.
    clip: Option<u64>,
    growth_timeout: Duration,
}

/// Where it may end.
#[derive(Debug, Clone, Copy)]
struct Ending {
    /// Of the file.
    bytes: u64,
    /// Of the rendition.
    len: u64,
    /// Its coded frames.
    frames: u64,
}

impl<'a> View<'a> {
    pub fn new(life: &'a Life, wanted: &'a Wanted, start: u64, growth_timeout: Duration) -> Self {
        let codec = wanted.codec(life.spec);
        let rates = codec.grid().rates;
        let clip = wanted.clip().map(|nanos| rates.to_coded(frames_in(nanos, life.spec.rate)).max(1));
        let (grid, coded) = (codec.grid(), rates.to_coded(start));
        let cut = if clip.is_some() { Cut::clip(grid, coded) } else { Cut::new(grid, coded) };
        Self { life, wanted, codec, cut, start, clip, growth_timeout }
    }

    fn target(&self) -> String {
        self.wanted.from(self.start, self.life.spec).target(&self.life.name)
    }

    /// Bytes that surely exist when there are so many frames of the recording.
    pub fn exists(&self, frames: u64) -> u64 {
        self.cut.exists(self.cut.codable(self.codec.feed().ready(frames)))
    }

    /// Whether it may say that it has so many bytes.
    pub fn may_be_long(&self, bytes: u64) -> bool {
        self.cut.virtual_total() == Some(bytes) || self.ends().iter().any(|end| end.len == bytes)
    }

    fn at(&self, bytes: u64) -> Ending {
        let total = self.cut.grid().rates.to_coded(self.life.frames_in(bytes));
        let frames = total.saturating_sub(self.cut.start()).min(self.clip.unwrap_or(u64::MAX));
        Ending { bytes, len: rendition_len(&*self.codec, &self.cut, frames), frames }
    }

    /// Where the recording may have ended, and a clip that has all of its sound.
    fn ends(&self) -> Vec<Ending> {
        let mut ends: Vec<Ending> =
            self.life.ends(self.growth_timeout).into_iter().map(|bytes| self.at(bytes)).collect();
        if let Some(clip) = self.clip {
            let needed = self.cut.depends_on(self.cut.packets(clip));
            if needed <= self.codec.feed().ready(self.life.frames()) {
                ends.insert(0, self.at(self.life.len()));
            }
        }
        ends
    }

    /// The same, and where the life was over.
    fn all(&self) -> Vec<Ending> {
        let mut ends = self.ends();
        ends.insert(0, self.at(self.life.len()));
        ends
    }

    /// Where a WAV's bytes are the file's own, the replica too is held against them.
    fn is_the_file_itself(&self, end: &Ending, from: u64, truth: &[u8]) {
        let is_same = ["u8", "s16le", "s24le", "f32le"].contains(&self.life.spec.format.name());
        if self.wanted.format != Format::Wav
            || self.wanted.parameters.channels.is_some()
            || !is_same
            || self.life.coded.is_some()
        {
            return;
        }
        let frame = self.life.spec.frame_bytes() as u64;
        let header = self.cut.header_len();
        let first = from.max(header);
        // Behind the sound there may be a byte that makes their number even.
        let until = (from + truth.len() as u64).min(header + end.frames * frame);
        let Some(len) = until.checked_sub(first) else { return };
        let mut sound = vec![0; len as usize];
        let file = File::open(&self.life.truth).unwrap();
        file.read_exact_at(&mut sound, self.life.header + self.start * frame + first - header).unwrap();
        let given = &truth[(first - from) as usize..][..len as usize];
        assert!(given == sound, "a replica is wrong from byte {from} on: {:?}", self.life);
    }
}

/// What a `Content-Range` says.
#[derive(Debug, Clone, Copy)]
struct ContentRange {
    from: u64,
    until: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let parse = || {
            let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
            let (from, last) = range.split_once('-')?;
            let until = last.parse::<u64>().ok()?.saturating_add(1);
            Some(Self { from: from.parse().ok()?, until, total: total.parse().ok() })
        };
        parse().ok_or_else(|| format!("`{text}` says no range"))
    }

    /// That it is what was asked for, and as long as it says.
    fn is_for(&self, request: &Request, reply: &Reply) -> Result<(), Wrong> {
        let asked = request.header("range").map(firsts_asked_for).unwrap_or_default();
        if !asked.is_empty() && !asked.contains(&self.from) {
            return Err(format!("asked for from byte {asked:?} on, given from {} on", self.from));
        }
        match reply.content_length() {
            Some(length) if length != self.until - self.from => Err(format!("{self:?} has {length} bytes")),
            _ => Ok(()),
        }
    }
}

/// The first bytes of the ranges asked for, where they are said.
pub fn firsts_asked_for(ranges: &str) -> Vec<u64> {
    let ranges = ranges.trim_start_matches("bytes=").split(',');
    ranges.filter_map(|range| range.split_once('-')?.0.parse().ok()).collect()
}

fn differs(a: &[u8], b: &[u8]) -> Option<u64> {
    a.iter().zip(b).position(|(a, b)| a != b).map(|at| at as u64)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
