//! A listener who plays by HLS: the playlists, and of what they name what a player takes.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Manner;
use crate::listener::{Gist, Listener};
use crate::playlist::Playlist;
use crate::request::{Request, What};

/// Segments that are taken of one playlist.
const AT_ONCE: usize = 4;
/// Who waits for nothing looks again after this time.
const AGAIN: Duration = Duration::from_millis(300);

/// What is waited for: a segment, or a part of it.
type Awaited = Option<(u64, Option<u64>)>;

/// What a playlist names, and what it is.
type Named = (&'static str, String);

impl Listener<'_> {
    /// From the edge or from somewhere before it, and then after what comes.
    pub fn hls(&mut self, name: &str) {
        let only = *self.dice.pick(&["", "", "?format=mp3", "?format=opus", "?parts=true"]);
        let Some(path) = self.variant(name, only) else { return };
        let until = Instant::now() + Duration::from_millis(self.dice.within(500..15_000));
        let (mut heard, mut awaited) = (None, None);
        while let Some(playlist) = self.playlist(name, &path, awaited) {
            let there = playlist.skipped + playlist.segments.len() as u64;
            let named = self.next(&playlist, there, heard);
            let is_enough = playlist.ends || Instant::now() > until || self.soak.listeners_stop();
            if !named.into_iter().all(|named| self.file(named, name, &path)) || is_enough {
                return;
            }
            heard = Some(there);
            let part = playlist.has_parts.then_some(playlist.edge.len() as u64);
            awaited = self.dice.happens(75).then_some((there, part));
            if awaited.is_none() {
                thread::sleep(AGAIN);
            }
        }
    }

    /// The path of one of the playlists that a player may choose from.
    fn variant(&mut self, name: &str, only: &str) -> Option<String> {
        let target = format!("/hls/{name}/master.m3u8{only}");
        let what = What::Multivariant { name: name.to_owned() };
        let gist = self.get("HLS variants", target, what, &Manner::PATIENT);
        let lines = gist.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let variants: Vec<&str> = if gist.status == 200 { lines.collect() } else { vec![] };
        (!variants.is_empty()).then(|| format!("/hls/{name}/{}", self.dice.pick(&variants)))
    }

    fn playlist(&mut self, name: &str, path: &str, awaited: Awaited) -> Option<Playlist> {
        let mut query = vec![];
        if let Some((segment, part)) = awaited {
            query.push(format!("_HLS_msn={segment}"));
            query.extend(part.map(|part| format!("_HLS_part={part}")));
            query.extend(self.dice.happens(40).then(|| "_HLS_skip=YES".to_owned()));
        }
        let kind = if query.is_empty() { "HLS playlist" } else { "HLS playlist to come" };
        let mark = if path.contains('?') { "&" } else { "?" };
        let behind = if query.is_empty() { String::new() } else { format!("{mark}{}", query.join("&")) };
        let what = What::Playlist { name: name.to_owned(), path: path.to_owned(), awaited };
        let gist = self.get(kind, format!("{path}{behind}"), what, &Manner::PATIENT);
        // One that cannot be read is the judge's affair.
        Playlist::parse(&gist.text).ok().filter(|_| gist.status == 200 && gist.is_whole)
    }

    /// What is taken of a playlist with so many segments by who has `heard` so many.
    fn next(&mut self, playlist: &Playlist, there: u64, heard: Option<u64>) -> Vec<Named> {
        let from_edge = self.dice.happens(60);
        let begins = if from_edge { there.saturating_sub(3) } else { self.dice.below(there) };
        let from = heard.unwrap_or(begins).saturating_sub(playlist.skipped) as usize;
        let init = playlist.init.iter().filter(|_| heard.is_none()).map(|uri| ("HLS init", uri.clone()));
        let segments = playlist.segments.iter().skip(from).take(AT_ONCE);
        let mut named: Vec<Named> = init.collect();
        named.extend(segments.map(|segment| ("HLS segment", segment.uri.clone())));
        let parts = playlist.edge.iter().map(|part| ("HLS part", part.uri.clone()));
        named.extend(parts.filter(|_| self.dice.happens(20)));
        let hint = playlist.hint.iter().map(|uri| ("HLS part to come", uri.clone()));
        named.extend(hint.filter(|_| self.dice.happens(20)));
        named
    }

    /// What a playlist names; whether all of it came.
    fn file(&mut self, (kind, uri): Named, name: &str, playlist: &str) -> bool {
        let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
        let bytes = if self.dice.happens(5) { self.dice.below(20_000) as usize } else { usize::MAX };
        let manner = Manner { bytes, reset: self.dice.happens(50), ..Manner::PATIENT };
        let what = What::File { name: name.to_owned() };
        let gist = self.get(kind, format!("{folder}/{uri}"), what, &manner);
        gist.status == 200 && gist.is_whole
    }

    fn get(&mut self, kind: &'static str, target: String, what: What, manner: &Manner) -> Gist {
        let headers = vec![("x-forwarded-for".to_owned(), self.address.clone())];
        self.ask(Request { kind, method: "GET", target, headers, what }, manner)
    }
}
