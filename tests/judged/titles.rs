//! What is in the headers beside the sound, as programs that know nothing of this one read it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judge::{self, Desk, says};
use crate::support::judged::Judged;
use crate::support::{Root, Running, sound, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "ffprobe_reads_the_titles_and_the_chapters", judges: &["ffprobe"], test: ffprobe },
    Judged { name: "ffprobe_reads_none_from_later_on", judges: &["ffprobe"], test: silent },
    Judged { name: "opusinfo_reads_the_titles", judges: &["opusinfo"], test: opusinfo },
    Judged { name: "mpg123_reads_the_titles", judges: &["mpg123"], test: mpg123 },
    Judged { name: "ffmpeg_shows_the_cover", judges: &["ffmpeg"], test: ffmpeg_shows },
    Judged { name: "a_tagged_file_is_heard_to_its_last_sample", judges: &["ffmpeg"], test: heard },
    Judged {
        name: "programs_find_nothing_wrong_with_a_full_header",
        judges: &["mp3val", "opusinfo", "oggz-validate"],
        test: tidy,
    },
];

const PCM: &str = "s16le:48000:2";
const RATE: usize = 48_000;
const SIDECAR: &str = "title = 'Abend in Z\u{fc}rich'\nauthor = '\u{60a0}\u{4ec1}'\n\
    started = 2026-11-23T20:00:00+01:00\nended = true\n\
    [[chapters]]\nstart = 0\ntitle = 'One'\n[[chapters]]\nstart = 2.5\ntitle = 'Two'\n\
    [[chapters]]\nstart = 60\ntitle = 'Behind the end'\n";

/// More than a header has room for.
fn crowded() -> String {
    let chapter =
        |number| format!("[[chapters]]\nstart = {}\ntitle = 'Chapter {number}'\n", number as f64 / 50.0);
    (0..250).map(chapter).fold("ended = true\n".to_owned(), |all, one| all + &one)
}

/// So many of its pixels are noise that it takes more than a page of Ogg.
fn picture(desk: &Desk) -> PathBuf {
    let file = desk.path("cover.png");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args([
        "-nostdin",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=150x150,noise=alls=100:allf=t,format=rgb24",
    ]);
    says(ffmpeg.args(["-frames:v", "1", "-y"]).arg(&file));
    file
}

/// A sidecar with a cover.
fn with_cover(sidecar: &str) -> String {
    format!("cover = 'cover.png'\n{sidecar}")
}

/// Five seconds with a sidecar that says this, by their path, as files.
fn files(desk: &Desk, sidecar: &str, paths: &[&str]) -> Vec<PathBuf> {
    let root = Root::new();
    if sidecar.starts_with("cover") {
        std::fs::copy(picture(desk), root.file("cover.png")).unwrap();
    }
    root.write("show.toml", format!("pcm = '{PCM}'\n{sidecar}"));
    root.write("show.pcm", sound::noise(5 * RATE, 2, 1));
    wait(async {
        let server = Running::start(&root).await;
        let mut files = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let reply = server.get(&format!("/audio/show.{path}")).await;
            assert_eq!(reply.status, 200);
            let extension = path.split('?').next().unwrap();
            files.push(desk.put(&format!("{number}.{extension}"), &reply.body));
        }
        files
    })
}

/// The tags of a file, in small letters (MP3 and Ogg write them differently), and its chapters: from, to, title.
fn probed(file: &Path) -> (serde_json::Value, Vec<(String, String, String)>) {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]).arg(file);
    let said: serde_json::Value = serde_json::from_str(&says(&mut ffprobe)).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let tags =
        [&said["format"]["tags"], &said["streams"][0]["tags"]].into_iter().find(|tags| tags.is_object());
    let tags = tags.and_then(serde_json::Value::as_object).into_iter().flatten();
    let small = tags.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let chapters = said["chapters"].as_array().unwrap().iter();
    let chapters = chapters
        .map(|chapter| {
            let (from, to) = (text(&chapter["start_time"]), text(&chapter["end_time"]));
            (from, to, text(&chapter["tags"]["title"]))
        })
        .collect();
    (serde_json::Value::Object(small), chapters)
}

fn ffprobe() {
    let desk = Desk::new();
    let paths = ["mp3", "opus", "mp3?pos=1.5&duration=2", "opus?pos=1.5&duration=2"];
    for (file, path) in files(&desk, SIDECAR, &paths).iter().zip(paths) {
        let (tags, chapters) = probed(file);
        assert_eq!(tags["title"], "Abend in Z\u{fc}rich", "{path}");
        assert_eq!(tags["artist"], "\u{60a0}\u{4ec1}", "{path}");
        assert!(tags["date"].as_str().unwrap().starts_with("2026-11-23T20:00:00"), "{path}: {tags}");
        let starts: Vec<(f64, &str)> =
            chapters.iter().map(|(from, _, title)| (from.parse().unwrap(), title.as_str())).collect();
        let second = if path.contains("pos") { 1.0 } else { 2.5 };
        assert_eq!(starts, [(0.0, "One"), (second, "Two")], "{path}");
        if path.starts_with("mp3") {
            // To where the next begins, and to the end.
            let end = if path.contains("pos") { 2.0 } else { 5.0 };
            let ends: Vec<f64> = chapters.iter().map(|(_, to, _)| to.parse().unwrap()).collect();
            assert_eq!(ends, [second, end], "{path}");
        }
    }
}

/// Who seeks is not told.
fn silent() {
    let desk = Desk::new();
    for file in files(&desk, SIDECAR, &["mp3?pos=1.5", "opus?pos=1.5"]) {
        let (tags, chapters) = probed(&file);
        assert!(tags.get("title").is_none() && chapters.is_empty(), "{tags}");
    }
}

fn opusinfo() {
    let desk = Desk::new();
    let said = says(Command::new("opusinfo").arg(&files(&desk, SIDECAR, &["opus"])[0]));
    for line in [
        "ARTIST=\u{60a0}\u{4ec1}",
        "DATE=2026-11-23T20:00:00+01:00",
        "CHAPTER001=00:00:02.500",
        "CHAPTER001NAME=Two",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    assert!(!said.contains("Behind"), "{said}");
}

fn mpg123() {
    let desk = Desk::new();
    let mut mpg123 = Command::new("mpg123");
    let said = says(mpg123.args(["--utf8", "-t"]).arg(&files(&desk, SIDECAR, &["mp3"])[0]));
    for word in ["Abend in Z\u{fc}rich", "\u{60a0}\u{4ec1}"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
}

fn ffmpeg_shows() {
    let desk = Desk::new();
    let paths = ["mp3", "opus", "mp3?pos=1.5&duration=2", "opus?pos=1.5&duration=2"];
    for sidecar in [SIDECAR, &crowded()].map(with_cover) {
        for (file, path) in files(&desk, &sidecar, &paths).iter().zip(paths) {
            let shown = desk.path("shown.png");
            let mut ffmpeg = Command::new("ffmpeg");
            ffmpeg.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(file);
            says(ffmpeg.args(["-map", "0:v", "-c", "copy", "-f", "image2", "-update", "1"]).arg(&shown));
            let [shown, picture] = [shown, picture(&desk)].map(|file| std::fs::read(file).unwrap());
            assert!(picture.len() > 48 * 1024 && shown == picture, "{path}: {} bytes", shown.len());
        }
    }
}

/// Whether it says much, little or nothing.
fn heard() {
    let desk = Desk::new();
    for sidecar in [SIDECAR, "ended = true\n", &crowded(), &with_cover(SIDECAR)] {
        for heard in judge::ffmpeg(&files(&desk, sidecar, &["mp3", "opus"])) {
            assert_eq!(heard.frames(), 5 * RATE);
        }
    }
}

fn tidy() {
    let desk = Desk::new();
    for sidecar in [SIDECAR, &crowded(), &with_cover(&crowded())] {
        let paths = ["mp3", "opus", "mp3?pos=1.5&duration=2", "opus?pos=1.5&duration=2"];
        let files = files(&desk, sidecar, &paths);
        let (mp3, opus) = ([&files[0], &files[2]], [&files[1], &files[3]]);
        let asked = [("mp3val", mp3), ("opusinfo", opus), ("oggz-validate", opus)];
        for (program, file) in
            asked.into_iter().flat_map(|(program, files)| files.map(|file| (program, file)))
        {
            let said = says(Command::new(program).arg(file)).to_lowercase();
            let wrong = ["warning", "error", "hole", "unknown"].into_iter().find(|word| said.contains(word));
            assert_eq!(wrong, None, "{program}: {said}");
        }
    }
}
