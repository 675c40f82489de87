//! Somebody who listens: to one thing after another, each in another way.

use std::time::Duration;

use tailcast_codecs::format::{Format, Parameters};

use crate::client::{Client, End, Manner};
use crate::curl;
use crate::dice::Dice;
use crate::life::Life;
use crate::request::{Answer, Request, Wanted, What};
use crate::stage::Soak;

pub struct Listener<'a> {
    pub soak: &'a Soak,
    pub dice: Dice,
    client: Client,
    /// From where it comes.
    pub address: String,
}

/// Addresses that listeners come from, so that those of one have to wait for each other's segments now and then.
const ADDRESSES: usize = 3;

impl<'a> Listener<'a> {
    pub fn new(soak: &'a Soak, number: usize) -> Self {
        let dice = Dice::new(soak.plan.seed, number as u64 + 1000);
        let address = format!("192.0.2.{}", number % ADDRESSES);
        Self { soak, dice, client: Client::new(soak.address), address }
    }

    /// Listens until the soak is over.
    pub fn run(mut self) {
        while !self.soak.listeners_stop() {
            let waited = self.soak.wait_for_the_judge();
            // Most have a connection of their own, some ask for more over one, but not after so long that the server may be
            // closing it.
            if self.dice.happens(70) || waited {
                self.client = Client::new(self.soak.address);
            }
            self.session();
        }
    }

    fn session(&mut self) {
        let Some(name) = self.name() else { return std::thread::sleep(Duration::from_millis(100)) };
        match self.dice.below(22) {
            0..3 => self.whole(&name),
            3..6 => self.at_some_place(&name),
            6 => self.at_the_edge(&name),
            7..9 => self.clip(&name),
            9..12 => self.range(&name),
            12 => self.several_ranges(&name),
            13..15 => self.resumed(&name),
            15 => self.asks_again(&name),
            16 => self.with_curl(&name),
            17 => self.waveform(&name),
            18 => self.events(&name),
            19..21 => self.hls(&name),
            _ => self.list(),
        }
    }

    /// One that somebody records just now, or did not long ago.
    fn name(&mut self) -> Option<String> {
        let names = self.soak.names.lock().clone();
        Some(self.dice.pick(&names).clone()).filter(|name| !name.is_empty())
    }

    fn life(&self, name: &str) -> Option<std::sync::Arc<Life>> {
        self.soak.archive.lives(name).last().cloned()
    }

    /// One of a few renditions, so that they are shared.
    fn wanted(&mut self, name: &str) -> Option<Wanted> {
        let spec = self.life(name)?.spec;
        let format = *self.dice.pick(&[Format::Wav, Format::Mp3, Format::Mp3, Format::Opus, Format::Opus]);
        // All of what is heard is coded once more by the judge.
        let is_usual = self.dice.happens(80);
        let bitrates = format.bitrates(spec);
        let bitrate = bitrates.get(name.len() % bitrates.len().max(1)).copied();
        let other = Parameters { bitrate, channels: Some(1) };
        let parameters = if is_usual { Parameters::default() } else { other };
        Some(Wanted { format, parameters, pos: None, duration: None })
    }

    /// To the end, or not.
    fn manner(&mut self) -> (&'static str, Manner) {
        let patient = Manner { stay: Duration::from_secs(45), ..Manner::PATIENT };
        let some = 1 + self.dice.below(400_000) as usize;
        let stay = Duration::from_millis(self.dice.within(50..15_000));
        match self.dice.below(10) {
            0..4 => ("to the end", patient),
            4 => ("leaves after some bytes", Manner { bytes: some, ..patient }),
            5..7 => ("leaves after some time", Manner { stay, ..patient }),
            7 => ("resets after some bytes", Manner { bytes: some, reset: true, ..patient }),
            8 => ("resets after some time", Manner { stay, reset: true, ..patient }),
            _ => {
                let (at_once, pause) =
                    (self.dice.within(100..8_000) as usize, Duration::from_millis(self.dice.within(5..100)));
                ("slowly", Manner { at_once, pause, stay: stay * 2, ..patient })
            }
        }
    }

    fn whole(&mut self, name: &str) {
        let Some(wanted) = self.wanted(name) else { return };
        self.sound("whole", name, wanted, None);
    }

    fn at_some_place(&mut self, name: &str) {
        let Some((wanted, life)) = self.wanted(name).zip(self.life(name)) else { return };
        let pos = Some(self.place(&life));
        self.sound("pos", name, Wanted { pos, ..wanted }, None);
    }

    /// A fraction of a second that is there, or a little behind that.
    fn place(&mut self, life: &Life) -> String {
        let there = life.frames() * 1_000_000 / u64::from(life.spec.rate);
        let micros = self.dice.below(there + there / 30 + 500_000);
        format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }

    fn at_the_edge(&mut self, name: &str) {
        let Some(wanted) = self.wanted(name) else { return };
        let back = format!("-{}.{:03}", self.dice.below(8), self.dice.below(1000));
        let pos = Some(if self.dice.happens(50) { "live".to_owned() } else { back });
        let range = self.dice.happens(40).then(|| "bytes=0-".to_owned());
        self.sound("pos from the end", name, Wanted { pos, ..wanted }, range);
    }

    fn clip(&mut self, name: &str) {
        let Some((wanted, life)) = self.wanted(name).zip(self.life(name)) else { return };
        let pos = Some(self.place(&life));
        let duration = Some(format!("{}ms", self.dice.within(1..9_000)));
        self.sound("clip", name, Wanted { pos, duration, ..wanted }, None);
    }

    fn range(&mut self, name: &str) {
        let Some((wanted, life)) = self.wanted(name).zip(self.life(name)) else { return };
        let pos = self.dice.happens(30).then(|| self.place(&life));
        let wanted = Wanted { pos, ..wanted };
        // Roughly.
        let len = wanted.codec(life.spec).grid().offset(life.frames() / 1000).max(20_000);
        let from = self.dice.below(len);
        let range = match self.dice.below(5) {
            0 => format!("bytes=0-{}", self.dice.below(1_000)),
            1 => format!("bytes=-{}", 1 + self.dice.below(len)),
            2 => format!("bytes={from}-"),
            3 => "bytes=0-".to_owned(),
            _ => format!("bytes={from}-{}", from + self.dice.below(60_000)),
        };
        self.sound("range", name, wanted, Some(range));
    }

    fn several_ranges(&mut self, name: &str) {
        let Some(wanted) = self.wanted(name) else { return };
        let mut ranges = Vec::new();
        for _ in 0..self.dice.within(2..6) {
            let from = self.dice.below(100_000);
            ranges.push(format!("{from}-{}", from + self.dice.below(5_000)));
        }
        let range = Some(format!("bytes={}", ranges.join(",")));
        self.sound("several ranges", name, wanted, range);
    }

    /// Is cut off and goes on where it was, some times.
    fn resumed(&mut self, name: &str) {
        let Some(wanted) = self.wanted(name) else { return };
        let mut got = 0;
        let mut tag = None;
        for turn in 0..4 {
            let mut headers = vec![];
            if got > 0 {
                headers.push(("range".to_owned(), format!("bytes={got}-")));
                headers.extend(tag.clone().map(|tag| ("if-range".to_owned(), tag)));
            }
            let bytes = if turn == 3 { usize::MAX } else { 1 + self.dice.below(100_000) as usize };
            let stay = Duration::from_secs(10);
            let manner = Manner { bytes, stay, reset: self.dice.happens(50), ..Manner::PATIENT };
            let request = self.request("resumed", name, &wanted, "GET", headers);
            let gist = self.ask(request, &manner);
            match gist.status {
                200 => got = gist.bytes,
                206 => got += gist.bytes,
                _ => return,
            }
            if gist.is_whole {
                return;
            }
            tag = gist.tag;
        }
    }

    /// Looks first, and then asks whether there is anything new.
    fn asks_again(&mut self, name: &str) {
        let Some(wanted) = self.wanted(name) else { return };
        let request = self.request("HEAD", name, &wanted, "HEAD", vec![]);
        let Some(tag) = self.ask(request, &Manner::PATIENT).tag else { return };
        let headers = vec![("if-none-match".to_owned(), tag)];
        let request = self.request("If-None-Match", name, &wanted, "GET", headers);
        let (_, manner) = self.manner();
        self.ask(request, &manner);
    }

    fn with_curl(&mut self, name: &str) {
        let Some(wanted) = self.wanted(name) else { return };
        let dies = self.dice.happens(60);
        let range = self.dice.happens(30).then(|| format!("bytes={}-", self.dice.below(50_000)));
        let headers = range.into_iter().map(|range| ("range".to_owned(), range)).collect();
        let kind = if dies { "curl, killed" } else { "curl" };
        let request = self.request(kind, name, &wanted, "GET", headers);
        let most = Duration::from_millis(self.dice.within(100..if dies { 5_000 } else { 30_000 }));
        if let Some(reply) = curl::get(self.soak, &request, most) {
            self.soak.judge_later(Answer { request, reply });
        }
    }

    fn waveform(&mut self, name: &str) {
        let Some(life) = self.life(name) else { return };
        let each = [16, 100, 256, 1024, 4096][self.dice.below(5) as usize];
        let bits = if self.dice.happens(30) { 8 } else { 16 };
        let start =
            if self.dice.happens(50) { String::new() } else { format!("&start={}", self.place(&life)) };
        let target = format!("/waveform/{name}.dat?samples_per_pixel={each}&bits={bits}{start}");
        let what = What::Waveform { name: name.to_owned() };
        let request = Request { kind: "waveform", method: "GET", target, headers: vec![], what };
        let (_, manner) = self.manner();
        self.ask(request, &manner);
    }

    fn events(&mut self, name: &str) {
        let stay = Duration::from_millis(self.dice.within(200..20_000));
        let manner = Manner { stay, reset: self.dice.happens(50), ..Manner::PATIENT };
        let of_all = self.dice.happens(30);
        let target = if of_all { "/events".to_owned() } else { format!("/recordings/{name}/events") };
        let what = What::Events { name: (!of_all).then(|| name.to_owned()) };
        let kind = if of_all { "events of all" } else { "events" };
        self.ask(Request { kind, method: "GET", target, headers: vec![], what }, &manner);
    }

    fn list(&mut self) {
        let names = self.soak.names.lock().iter().filter(|name| !name.is_empty()).cloned().collect();
        let target = "/recordings?limit=1000".to_owned();
        let what = What::List { names };
        self.ask(Request { kind: "list", method: "GET", target, headers: vec![], what }, &Manner::PATIENT);
    }

    fn request(
        &self,
        kind: &'static str,
        name: &str,
        wanted: &Wanted,
        method: &'static str,
        mut headers: Vec<(String, String)>,
    ) -> Request {
        headers.push(("x-forwarded-for".to_owned(), self.address.clone()));
        let what = What::Sound { name: name.to_owned(), wanted: wanted.clone() };
        Request { kind, method, target: wanted.target(name), headers, what }
    }

    /// Sound, in some manner; where it is sent on, from there.
    fn sound(&mut self, kind: &'static str, name: &str, wanted: Wanted, range: Option<String>) {
        let (how, manner) = self.manner();
        self.soak.tally.count(how);
        let headers: Vec<_> = range.into_iter().map(|range| ("range".to_owned(), range)).collect();
        let request = self.request(kind, name, &wanted, "GET", headers.clone());
        let gist = self.ask(request, &manner);
        if let (307, Some(location)) = (gist.status, gist.location) {
            let pos = location.trim_start_matches('?').split('&').find_map(|pair| pair.strip_prefix("pos="));
            let settled = Wanted { pos: pos.map(str::to_owned), ..wanted };
            let request = self.request(kind, name, &settled, "GET", headers);
            self.ask(request, &manner);
        }
    }

    /// What the next request depends on; the rest is the judge's.
    pub fn ask(&mut self, request: Request, manner: &Manner) -> Gist {
        let Request { method, target, headers, .. } = &request;
        let soak = self.soak;
        let mut reply = self.client.ask(method, target, headers, manner, &|| soak.listeners_leave());
        reply.body.shrink_to_fit();
        let header = |name: &str| reply.header(name).map(str::to_owned);
        let gist = Gist {
            status: reply.status,
            bytes: reply.body.len(),
            is_whole: reply.end == End::InOrder,
            tag: header("etag"),
            location: header("location"),
            text: match request.what {
                What::Multivariant { .. } | What::Playlist { .. } => {
                    String::from_utf8_lossy(&reply.body).into_owned()
                }
                _ => String::new(),
            },
        };
        soak.judge_later(Answer { request, reply });
        gist
    }
}

/// What a listener remembers of an answer.
pub struct Gist {
    pub status: u16,
    bytes: usize,
    pub is_whole: bool,
    tag: Option<String>,
    location: Option<String>,
    /// Of a playlist of HLS.
    pub text: String,
}
