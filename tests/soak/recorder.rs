//! A recorder: records one life after another, pauses, stops with and without a word, edits what has ended, cuts its
//! file short, puts another in its place, takes it away and comes again, under the same name or another. Under each name it does so
//! in one [`Way`].

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tailcast_codecs::PcmSpec;

use crate::client::{Client, Manner};
use crate::coded::Coded;
use crate::dice::Dice;
use crate::life::{Birth, Life, Loss, Sort, sidecar};
use crate::source::{self, Source};
use crate::stage::Soak;
use crate::tone::Tone;
use crate::upload::{Break, PIECE, Upload, token};

/// What recordings are, and whether they are WAV files.
const SORTS: [(&str, bool); 11] = [
    ("s16le:48000:2", false),
    ("s16le:44100:2", true),
    ("s16be:22050:1", false),
    ("s24le:32000:2", false),
    ("s24le:44100:1", true),
    ("f32le:16000:1", false),
    ("s32be:48000:1", false),
    ("s24-32le:24000:2", false),
    ("u8:22050:1", false),
    ("s16le:16000:1", true),
    ("s16le:8000:1", false),
];
/// Those that are sent.
const SENT: [(&str, bool); 4] =
    [("s16le:48000:2", false), ("s24le:32000:2", false), ("s16be:22050:1", false), ("f32le:16000:1", false)];
/// Bytes of a WAV header.
const WAV_HEADER: u64 = 44;
/// The most sound that one life has, in seconds.
const MOST: u64 = 60;
/// The most bytes of it that are edited at once.
const MOST_EDITED: u64 = 64 * 1024;
/// Nobody looks for a file and finds the sidecar of the one after it.
const AWAY: Duration = Duration::from_millis(1200);

pub struct Recorder<'a> {
    soak: &'a Soak,
    dice: Dice,
    /// Names are its own.
    number: usize,
    names: usize,
    sort: Sort,
    extension: &'static str,
    way: Way,
}

/// How recordings come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As a file that grows.
    File,
    /// Sent to the server.
    Upload,
    /// Sent to it by an encoder, as to Icecast.
    Source,
    /// As a coded file that is put there as a whole.
    Coded,
}

/// Each has one recorder at least.
const WAYS: [Way; 4] = [Way::File, Way::Upload, Way::Source, Way::Coded];
/// What it goes on with under another name.
const WAYS_AFTER: [Way; 8] =
    [Way::File, Way::File, Way::File, Way::Upload, Way::Upload, Way::Source, Way::Source, Way::Coded];

/// A life that is being recorded.
struct Take<'a> {
    life: Arc<Life>,
    tone: Tone,
    pen: Pen<'a>,
}

/// What a life is written with.
enum Pen<'a> {
    File(File),
    Upload(Upload<'a>),
    Source(Source<'a>),
    /// It does not grow, or not any more.
    None,
}

/// What becomes of a life at last.
#[derive(Clone, Copy)]
enum Fate {
    /// Another file in its place.
    Replace,
    Remove,
    CutShort,
}

impl<'a> Recorder<'a> {
    pub fn new(soak: &'a Soak, number: usize) -> Self {
        let sort = Sort {
            name: String::new(),
            spec: SORTS[0].0.parse().unwrap(),
            header: 0,
            coded: None,
            piece: None,
        };
        let dice = Dice::new(soak.plan.seed, number as u64 + 1);
        Self { soak, dice, number, names: 0, sort, extension: "pcm", way: Way::File }
    }

    /// Records until the soak is over, and leaves nothing.
    pub fn run(mut self) {
        self.another_name();
        let mut take = self.begin();
        while !self.soak.recorders_stop() {
            take = self.live(take);
        }
        if self.soak.has_failed() {
            return;
        }
        self.let_go(&mut take, false);
        self.remove(&take.life);
        thread::sleep(AWAY);
        self.put_away();
    }

    /// One life and the beginning of the next.
    fn live(&mut self, mut take: Take<'a>) -> Take<'a> {
        if self.way == Way::Coded {
            return self.lie(take);
        }
        self.grow(&mut take);
        while self.dice.happens(25) && !self.soak.recorders_stop() {
            // Long enough to count as its end; but it was not.
            self.soak.tally.count("pauses that counted as ends");
            let pause = self.dice.within(2_500..5_000);
            self.pause(&take, pause);
            self.grow(&mut take);
        }
        if self.soak.has_failed() {
            return take;
        }
        if self.dice.happens(40) {
            self.let_go(&mut take, false);
            return self.cut_or_take_away(take);
        }
        if self.dice.happens(60) {
            self.soak.tally.count("ends that were declared");
            self.declare(&mut take);
        } else {
            self.soak.tally.count("ends without a word");
            self.let_go(&mut take, false);
        }
        self.stay();
        if self.dice.happens(40) && take.life.frames() > 0 && self.has_been_seen(&take.life) {
            self.soak.tally.count("edited");
            take = self.edit(take);
            self.stay();
        }
        let fate = *self.dice.pick(&[Fate::Replace, Fate::Remove]);
        self.seal(take, fate)
    }

    /// The life of a file that is there as a whole.
    fn lie(&mut self, take: Take<'a>) -> Take<'a> {
        self.soak.tally.count("coded files");
        self.stay();
        let fate = *self.dice.pick(&[Fate::Replace, Fate::Remove]);
        self.seal(take, fate)
    }

    /// Longer than the growth timeout.
    fn stay(&mut self) {
        let stay = self.dice.within(3_000..9_000);
        self.wait(stay);
    }

    /// Whether the server knows that this is all of it: who saw less may take an edit for growth.
    fn has_been_seen(&self, life: &Life) -> bool {
        let target = format!("/recordings/{}", life.name);
        let reply = Client::new(self.soak.address).ask("GET", &target, &[], &Manner::PATIENT, &|| false);
        let status: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        status["state"] == "finished" && status["frames"] == life.frames()
    }

    /// The same file with other sound somewhere in it.
    fn edit(&mut self, take: Take<'a>) -> Take<'a> {
        let old = take.life;
        let at = old.header + self.dice.below(old.len() - old.header);
        let bytes = (1 + self.dice.below(MOST_EDITED)).min(old.len() - at);
        let life = self.soak.archive.conceive(&self.sort, Birth::Edited);
        old.copy(old.len(), &life.truth);
        let mut tone = self.tone(&life);
        let edited = tone.take(bytes as usize);
        let write = |path: &Path| OpenOptions::new().write(true).open(path)?.write_all_at(&edited, at);
        write(&life.truth).unwrap();
        if old.is_declared() {
            life.declare();
        }
        old.lose(Loss::Edited, || life.be_born(old.len(), || write(&self.file()).unwrap()));
        Take { life, tone, ..take }
    }

    /// In the middle of its growth.
    fn cut_or_take_away(&mut self, take: Take<'a>) -> Take<'a> {
        let fate = *self.dice.pick(&[Fate::CutShort, Fate::CutShort, Fate::Replace, Fate::Remove]);
        self.seal(take, fate)
    }

    fn seal(&mut self, take: Take<'a>, fate: Fate) -> Take<'a> {
        match fate {
            Fate::Replace => {
                self.soak.tally.count("replaced");
                if self.way == Way::Coded {
                    return self.put(Some(&take.life));
                }
                // Before, so that the new one never is declared to have ended.
                self.describe(false);
                self.replace(&take.life)
            }
            Fate::Remove => {
                self.soak.tally.count("removed");
                self.remove(&take.life);
                thread::sleep(AWAY);
                if self.dice.happens(50) {
                    self.put_away();
                    self.another_name();
                }
                let away = self.dice.below(2_000);
                self.wait(away);
                self.begin()
            }
            Fate::CutShort => {
                self.soak.tally.count("cut short");
                self.cut_short(take)
            }
        }
    }

    /// Writes for a while, at its own pace, with pauses.
    fn grow(&mut self, take: &mut Take<'a>) {
        let speed = *self.dice.pick(&[1, 1, 1, 2, 4]);
        let end = Instant::now() + Duration::from_millis(self.dice.within(2_000..self.soak.plan.growth));
        if self.dice.happens(20) {
            // It was somewhere else and is copied here.
            let bytes = self.seconds(5);
            self.write(take, bytes);
        }
        let (mut last, mut owed) = (Instant::now(), 0.0);
        while Instant::now() < end && !self.soak.recorders_stop() {
            let pause =
                if self.dice.happens(4) { self.dice.within(500..1_300) } else { self.dice.within(20..350) };
            self.pause(take, pause);
            let now = Instant::now();
            owed += (now - last).as_secs_f64() * f64::from(speed) * self.bytes_a_second() as f64;
            last = now;
            // Not in whole frames; nor all of it after a machine stood still.
            let bytes = (owed as u64).min(self.bytes_a_second());
            owed -= bytes as f64;
            self.write(take, bytes);
        }
    }

    /// Bytes of some seconds, not in whole frames.
    fn seconds(&mut self, most: u64) -> u64 {
        let seconds = self.dice.within(1..most);
        seconds * self.bytes_a_second() + self.dice.below(100)
    }

    fn bytes_a_second(&self) -> u64 {
        u64::from(self.sort.spec.rate) * self.sort.spec.frame_bytes() as u64
    }

    fn write(&mut self, take: &mut Take<'a>, bytes: u64) {
        let room = (MOST * self.bytes_a_second()).saturating_sub(take.life.len());
        if let Pen::Source(source) = &mut take.pen {
            return source.play(&take.life, bytes.min(room));
        }
        let bytes = take.tone.take(bytes.min(room) as usize);
        if !bytes.is_empty() {
            self.put_down(take, &bytes);
        }
    }

    fn put_down(&mut self, take: &mut Take<'a>, bytes: &[u8]) {
        match &mut take.pen {
            Pen::File(file) => take.life.write(bytes, |bytes| file.write_all(bytes).unwrap()),
            Pen::Upload(upload) => self.send(&take.life, upload, bytes),
            Pen::Source(_) | Pen::None => unreachable!("that is not written here"),
        }
    }

    /// In pieces, of which one may be the last of its connection.
    fn send(&mut self, life: &Life, upload: &mut Upload<'a>, bytes: &[u8]) {
        let mut pieces = bytes.chunks(PIECE);
        if self.dice.happens(5)
            && let Some(piece) = pieces.next()
        {
            self.soak.tally.count("uploads that broke and went on");
            let came = self.dice.below(piece.len() as u64) as usize;
            let how = *self.dice.pick(&[Break::Closed, Break::Reset, Break::Forgotten]);
            let pause = if self.dice.happens(30) { self.dice.below(3_500) } else { 0 };
            upload.write_broken(life, piece, came, how, Duration::from_millis(pause));
        }
        pieces.for_each(|piece| life.write(piece, |piece| upload.write(piece)));
    }

    /// From now on it is a file like any other; whether it is known to have ended.
    fn let_go(&mut self, take: &mut Take<'a>, ended: bool) -> bool {
        let life = &take.life;
        match std::mem::replace(&mut take.pen, Pen::None) {
            Pen::File(_) | Pen::None => false,
            Pen::Upload(upload) => {
                let says_so = ended && upload.is_last;
                if says_so {
                    life.declare();
                }
                // The others lose their connection.
                if says_so || !upload.is_last && self.dice.happens(50) {
                    upload.end();
                }
                self.has_what_was_sent(life);
                says_so
            }
            Pen::Source(source) => {
                if ended {
                    life.declare();
                }
                source.end(life, self.dice.happens(50), ended);
                ended
            }
        }
    }

    /// No byte was lost, none doubled.
    fn has_what_was_sent(&self, life: &Life) {
        let (file, truth) = (fs::read(self.file()).unwrap(), fs::read(&life.truth).unwrap());
        assert!(file == truth, "a file of {} bytes is not what was sent: {life:?}", file.len());
    }

    /// A recording where there is none.
    fn begin(&mut self) -> Take<'a> {
        match self.way {
            Way::File => self.open(),
            Way::Upload => self.upload(),
            Way::Source => self.source(),
            Way::Coded => {
                // What is not said to have ended may be a copy that is not whole yet.
                self.describe(true);
                self.put(None)
            }
        }
    }

    /// One that is sent.
    fn upload(&mut self) -> Take<'a> {
        self.soak.tally.count("uploads");
        self.describe(false);
        let life = self.soak.archive.conceive(&self.sort, Birth::New);
        let mut tone = self.tone(&life);
        let first = tone.take(1 + self.dice.below(PIECE as u64) as usize);
        life.keep(&first);
        let (soak, is_last, mut begun) = (self.soak, self.dice.happens(60), None);
        life.be_born(first.len() as u64, || {
            begun = Some(Upload::begin(soak, &self.sort.name, self.file(), is_last, &first));
        });
        Take { life, tone, pen: Pen::Upload(begun.unwrap()) }
    }

    /// One that an encoder sends.
    fn source(&mut self) -> Take<'a> {
        self.soak.tally.count("sources");
        self.describe(false);
        let life = self.soak.archive.conceive(&self.sort, Birth::New);
        let source = Source::begin(self.soak, &life, self.file(), self.dice.number());
        Take { tone: self.tone(&life), life, pen: Pen::Source(source) }
    }

    /// A coded file, perhaps in the place of another.
    fn put(&mut self, old: Option<&Life>) -> Take<'a> {
        let is_alike =
            |coded: &&Coded| (Some(coded.extension), coded.spec) == (self.sort.coded, self.sort.spec);
        let alike: Vec<&Coded> = self.soak.coded.iter().filter(is_alike).collect();
        let coded = *self.dice.pick(&alike);
        let birth = if old.is_some() { Birth::InPlace } else { Birth::New };
        let life = self.soak.archive.conceive(&self.sort, birth);
        life.keep(&coded.bytes);
        life.declare();
        let beside = self.soak.root.join(format!(".{}-{}", self.number, life.number));
        fs::write(&beside, &coded.bytes).unwrap();
        let len = coded.frames * coded.spec.frame_bytes() as u64;
        let put = || life.be_born(len, || fs::rename(&beside, self.file()).unwrap());
        match old {
            Some(old) => old.lose(Loss::Replaced, put),
            None => put(),
        }
        Take { tone: self.tone(&life), life, pen: Pen::None }
    }

    /// A file that grows.
    fn open(&mut self) -> Take<'a> {
        self.describe(false);
        let life = self.soak.archive.conceive(&self.sort, Birth::New);
        let mut tone = self.tone(&life);
        let mut created = None;
        life.be_born(0, || created = Some(File::create_new(self.file()).unwrap()));
        let mut file = created.unwrap();
        if life.header > 0 {
            // Some recorders open the file before they know what they record.
            let late = if self.dice.happens(30) { 400 } else { 0 };
            self.wait(late);
            life.write(&self.header(), |bytes| file.write_all(bytes).unwrap());
        }
        if self.dice.happens(50) {
            let bytes = self.seconds(8);
            let bytes = tone.take(bytes as usize);
            life.write(&bytes, |bytes| file.write_all(bytes).unwrap());
        }
        Take { life, tone, pen: Pen::File(file) }
    }

    /// Another file in the place of this one.
    fn replace(&mut self, old: &Life) -> Take<'a> {
        let life = self.soak.archive.conceive(&self.sort, Birth::InPlace);
        let mut tone = self.tone(&life);
        let bytes = self.seconds(10);
        let mut begun = if life.header > 0 { self.header() } else { vec![] };
        begun.extend(tone.take(bytes as usize));
        life.keep(&begun);
        let beside = self.soak.root.join(format!(".{}-{}", self.number, life.number));
        fs::write(&beside, &begun).unwrap();
        let put = || fs::rename(&beside, self.file()).unwrap();
        old.lose(Loss::Replaced, || life.be_born(begun.len() as u64, put));
        let file = OpenOptions::new().append(true).open(self.file()).unwrap();
        Take { life, tone, pen: Pen::File(file) }
    }

    /// The same file with only its first bytes, which goes on with other sound.
    fn cut_short(&mut self, take: Take<'a>) -> Take<'a> {
        let old = take.life;
        let sound = old.len() - old.header.min(old.len());
        let left = old.header.min(old.len()) + if self.dice.happens(20) { 0 } else { self.dice.below(sound) };
        let cut_off = old.len() - left;
        let bytes = match self.dice.below(10) {
            0..3 => 0,
            3..5 => self.dice.below(cut_off),
            _ => cut_off + self.dice.below(5 * self.bytes_a_second()),
        };
        let life = self.soak.archive.conceive(&self.sort, Birth::Cut);
        old.copy(left, &life.truth);
        let mut tone = self.tone(&life);
        // There at once, so that hardly anybody sees it short: not as far as it was, or further.
        let begun = tone.take(bytes as usize);
        life.keep(&begun);
        let mut file = OpenOptions::new().append(true).open(self.file()).unwrap();
        old.lose(Loss::Truncated, || life.be_born(left, || file.set_len(left).unwrap()));
        life.grow(bytes, || file.write_all(&begun).unwrap());
        Take { life, tone, pen: Pen::File(file) }
    }

    fn remove(&mut self, life: &Life) {
        let by_request = self.is_sent() && self.dice.happens(60);
        life.lose(Loss::Removed, || {
            if by_request { self.delete() } else { fs::remove_file(self.file()).unwrap() }
        });
    }

    fn is_sent(&self) -> bool {
        matches!(self.way, Way::Upload | Way::Source)
    }

    /// Has the server remove it, as soon as it knows that nothing is sent any more.
    fn delete(&self) {
        self.soak.tally.count("removed by DELETE");
        let target = format!("/audio/{}", self.sort.name);
        let ask =
            || Client::new(self.soak.address).ask("DELETE", &target, &[token()], &Manner::PATIENT, &|| false);
        let mut reply = ask();
        while reply.status == 409 && !self.soak.has_failed() {
            thread::sleep(Duration::from_millis(20));
            reply = ask();
        }
        assert!(reply.status == 204 || self.soak.has_failed(), "`{target}` is not removed: {reply:?}");
    }

    fn tone(&self, life: &Life) -> Tone {
        Tone::new(self.sort.spec, self.soak.plan.seed ^ (life.number as u64) << 20)
    }

    /// Says that it has ended, and what a WAV header should have said.
    fn declare(&mut self, take: &mut Take<'a>) {
        if self.let_go(take, true) {
            return;
        }
        if self.sort.header > 0 && take.life.number.is_multiple_of(2) {
            let data = u32::try_from(take.life.len() - self.sort.header).unwrap();
            let file = OpenOptions::new().write(true).open(self.file()).unwrap();
            file.write_all_at(&(data + 36).to_le_bytes(), 4).unwrap();
            file.write_all_at(&data.to_le_bytes(), 40).unwrap();
        }
        take.life.declare();
        self.describe(true);
    }

    /// Writes the sidecar. Nobody is to see half of it.
    fn describe(&self, ended: bool) {
        let beside = self.soak.root.join(format!(".{}.toml", self.number));
        fs::write(&beside, sidecar(self.sort.spec, ended)).unwrap();
        fs::rename(beside, self.sidecar()).unwrap();
    }

    fn put_away(&self) {
        let removed = fs::remove_file(self.sidecar());
        assert!(removed.is_ok() || self.is_sent(), "there is no sidecar of {}", self.sort.name);
    }

    fn another_name(&mut self) {
        self.way =
            if self.names == 0 { WAYS[self.number % WAYS.len()] } else { *self.dice.pick(&WAYS_AFTER) };
        self.names += 1;
        let folder = if self.names.is_multiple_of(3) { "sub/" } else { "" };
        let name = format!("{folder}show-{}-{}", self.number, self.names);
        self.sort = match self.way {
            Way::File => self.sort_of_file(name.clone(), &SORTS),
            Way::Upload => self.sort_of_file(name.clone(), &SENT),
            Way::Source => self.sort_of_source(name.clone()),
            Way::Coded => self.sort_of_coded(name.clone()),
        };
        self.soak.names.lock()[self.number] = name;
    }

    fn sort_of_file(&mut self, name: String, sorts: &[(&str, bool)]) -> Sort {
        let (spec, is_wav) = *self.dice.pick(sorts);
        self.extension = match self.way {
            _ if is_wav => "wav",
            Way::File => *self.dice.pick(&["pcm", "raw"]),
            _ => "pcm",
        };
        let header = if is_wav { WAV_HEADER } else { 0 };
        Sort { name, spec: spec.parse().unwrap(), header, coded: None, piece: None }
    }

    fn sort_of_source(&mut self, name: String) -> Sort {
        self.extension = "pcm";
        Sort {
            name,
            spec: source::PCM.parse().unwrap(),
            header: 0,
            coded: None,
            piece: Some(source::DECODED),
        }
    }

    fn sort_of_coded(&mut self, name: String) -> Sort {
        let coded = self.dice.pick(&self.soak.coded);
        self.extension = coded.extension;
        Sort { name, spec: coded.spec, header: 0, coded: Some(coded.extension), piece: None }
    }

    fn file(&self) -> PathBuf {
        self.soak.root.join(format!("{}.{}", self.sort.name, self.extension))
    }

    fn sidecar(&self) -> PathBuf {
        self.soak.root.join(format!("{}.toml", self.sort.name))
    }

    /// Of a recorder that does not know yet how long it will be.
    fn header(&self) -> Vec<u8> {
        let unknown = if self.number.is_multiple_of(2) { u32::MAX } else { 0 };
        wav_header(self.sort.spec, unknown)
    }

    /// Waits while it is recorded.
    fn pause(&self, take: &Take<'a>, milliseconds: u64) {
        match &take.pen {
            Pen::Source(source) => source.pause(&take.life, Duration::from_millis(milliseconds)),
            _ => self.wait(milliseconds),
        }
    }

    /// Waits, unless all is over.
    fn wait(&self, milliseconds: u64) {
        let until = Instant::now() + Duration::from_millis(milliseconds);
        while !self.soak.recorders_stop() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(Duration::from_millis(200)));
        }
    }
}

fn wav_header(spec: PcmSpec, size: u32) -> Vec<u8> {
    let frame = spec.frame_bytes() as u32;
    let bits = spec.format.bytes() as u16 * 8;
    let mut header = b"RIFF".to_vec();
    header.extend(size.to_le_bytes());
    header.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    header.extend(spec.channels.to_le_bytes());
    header.extend(spec.rate.to_le_bytes());
    header.extend((spec.rate * frame).to_le_bytes());
    header.extend((frame as u16).to_le_bytes());
    header.extend(bits.to_le_bytes());
    header.extend(b"data");
    header.extend(size.to_le_bytes());
    assert_eq!(header.len() as u64, WAV_HEADER);
    header
}

/// Folders that recordings are in.
pub fn make_folders(root: &Path) {
    fs::create_dir_all(root.join("sub")).unwrap();
}
