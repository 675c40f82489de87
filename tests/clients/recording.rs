//! Programs that record into the server, by the very lines of the README.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::card::{self, Card};
use crate::judge::{Desk, says};
use crate::stage::{Client, PCM, RATE, len, longer_than, seconds};
use crate::support::judged::Judged;
use crate::support::{Root, Running, eventually, wait};

pub const TESTS: &[Judged] = &[
    Judged {
        name: "ffmpeg_records_raw_sound_by_post",
        judges: &["ffmpeg"],
        test: || records("ffmpeg -i INPUT -f s16le"),
    },
    Judged {
        name: "ffmpeg_records_a_wav_that_does_not_know_its_length",
        judges: &["ffmpeg"],
        test: || records("ffmpeg -i INPUT -f wav"),
    },
    Judged {
        name: "sox_records_through_curl",
        judges: &["sox", "curl"],
        test: || records("sox INPUT -t raw"),
    },
    Judged {
        name: "arecord_records_from_a_sound_card",
        judges: &["arecord", "pacat", "curl", card::JUDGE],
        test: arecord_records,
    },
    Judged { name: "curl_records_a_wav_file", judges: &["curl"], test: || records("curl -T INPUT") },
    Judged { name: "curl_goes_on_with_a_recording_that_broke_off", judges: &["curl"], test: goes_on },
    Judged { name: "ffmpeg_and_curl_have_tokens", judges: &["ffmpeg", "curl"], test: have_tokens },
];

/// The line of the README that begins so.
fn line(beginning: &str) -> &'static str {
    let section = include_str!("../../README.md").split("\n### Over HTTP\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut found = section.lines().filter(|line| line.starts_with(beginning));
    let (line, others) = (found.next(), found.count());
    assert_eq!(others, 0, "{beginning}");
    line.unwrap_or_else(|| panic!("the README has no {beginning}"))
}

/// What a shell makes of a line, at this server and with this sound.
fn shell(desk: &Desk, line: &str, server: &Running, input: &Path) -> Command {
    let line = line.split("   #").next().unwrap();
    let line = line.replace("http://127.0.0.1:8000", &server.url(""));
    let mut shell = Command::new("sh");
    let path = format!("{}:{}", desk.path("bin").display(), std::env::var("PATH").unwrap());
    shell.args(["-c", &line.replace("INPUT", &input.display().to_string())]).env("PATH", path);
    shell
}

/// arecord as it is, which can be stopped by the number that is in what is returned.
fn arecord(desk: &Desk) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let number = desk.path("arecord");
    fs::create_dir(desk.path("bin")).unwrap();
    let script =
        format!("#!/bin/sh\necho $$ > {}\nPATH=${{PATH#*:}}\nexec arecord \"$@\"\n", number.display());
    let file = desk.put("bin/arecord", script.as_bytes());
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    number
}

/// What is played to a sound card while it records.
fn arecord_records() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(2));
    let number = arecord(&desk);
    let played = desk.put("sound", &sound);
    wait(async {
        let (server, card) = (server(&root, |_| {}).await, Card::insert().await);
        let mut recording = shell(&desk, line("arecord -t raw"), &server, Path::new(""));
        recording.envs(card.environment());
        let recording = Client::start(&desk, recording);
        longer_than(&root.file("show.pcm"), 10_000).await;
        let mut play = Command::new("pacat");
        play.args(["--raw", "--format=s16le", "--rate=48000", "--channels=2"]).arg(played);
        play.envs(card.environment());
        Client::start(&Desk::new(), play).finish();
        // As Ctrl+C does.
        says(Command::new("kill").args(["-INT", fs::read_to_string(number).unwrap().trim()]));
        recording.finish();
        assert_eq!(server.get("/recordings/show").await.json()["state"], "finished");
        let recorded = fs::read(root.file("show.pcm")).unwrap();
        // A machine at work may have lost some of it before arecord got it.
        let pieces = sound.chunks(RATE / 10 * 4);
        let is_there = |piece: &&[u8]| recorded.windows(piece.len()).any(|window| window == *piece);
        let (found, all) = (pieces.clone().filter(is_there).count(), pieces.len());
        assert!(found > all / 2, "{found} of {all} pieces in {} bytes", recorded.len());
        assert!(server.get("/audio/show.wav").await.body.ends_with(&recorded));
        assert_eq!(server.panics(), 0);
    });
}

fn wav(sound: &[u8]) -> Vec<u8> {
    let mut wav = b"RIFF".to_vec();
    wav.extend((sound.len() as u32 + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    wav.extend([(RATE as u32).to_le_bytes(), (RATE as u32 * 4).to_le_bytes()].concat());
    wav.extend(b"\x04\0\x10\0data");
    wav.extend((sound.len() as u32).to_le_bytes());
    [wav, sound.to_vec()].concat()
}

async fn server(root: &Root, change: impl FnOnce(&mut tailcast::config::Config)) -> Running {
    Running::with(root, |config| {
        config.pcm = PCM.parse().unwrap();
        config.growth_timeout = std::time::Duration::from_secs(20);
        change(config);
    })
    .await
}

/// Somebody hears it from its first second on, and in the end it is what was sent and has ended.
fn records(beginning: &str) {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(3));
    let input = desk.put("input.wav", &wav(&sound));
    wait(async {
        let server = server(&root, |_| {}).await;
        let client = Client::start(&desk, shell(&desk, line(beginning), &server, &input));
        let file = |ending| root.file(&format!("show.{ending}"));
        let begun = || len(&file("pcm")).max(len(&file("wav"))) > 10_000;
        eventually("it is sent", begun).await;
        let heard = server.get("/audio/show.wav").await;
        client.finish();
        assert_eq!(server.get("/recordings/show").await.json()["state"], "finished");
        assert!(heard.body.ends_with(&sound), "{} bytes heard", heard.body.len());
        assert!(server.get("/audio/show.wav").await.body.ends_with(&sound));
        assert_eq!(server.panics(), 0);
    });
}

fn goes_on() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(3));
    let input = desk.put("show.pcm", &sound);
    wait(async {
        let server = server(&root, |_| {}).await;
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--limit-rate", "100K", "-T"]).arg(&input).arg(server.url("/audio/show"));
        let client = Client::start(&desk, curl);
        longer_than(&root.file("show.pcm"), 10_000).await;
        client.kill();
        let told = says(&mut shell(&desk, line("curl -I"), &server, &input));
        let offset = told.to_lowercase();
        let offset = offset.lines().find_map(|line| line.strip_prefix("upload-offset: ")).unwrap().trim();
        let line = line("tail -c").replace("OFFSET", offset);
        let mut shell = shell(&desk, &line, &server, &input);
        shell.current_dir(input.parent().unwrap());
        Client::start(&desk, shell).finish();
        assert!(fs::read(root.file("show.pcm")).unwrap() == sound, "from {offset} on");
        assert_eq!(server.get("/recordings/show").await.json()["state"], "finished");
        assert_eq!(server.panics(), 0);
    });
}

fn have_tokens() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(1));
    let input = desk.put("input.wav", &wav(&sound));
    wait(async {
        let tokens = tailcast::access::Tokens::parse("secret").unwrap();
        let server = server(&root, |config| config.ingest.tokens = Some(tokens)).await;
        let ffmpeg = line("ffmpeg -i INPUT -f s16le").replace("http://", "http://source:TOKEN@");
        let curl = line("sox INPUT").replace("curl", "curl -f -u source:TOKEN");
        let curl = format!("cat INPUT |{}", curl.split_once('|').unwrap().1);
        for (name, line) in [("ffmpeg", ffmpeg), ("curl", curl)] {
            let line = line.replace("/audio/show", &format!("/audio/{name}"));
            for (token, is_one) in [("wrong", false), ("secret", true)] {
                // The address stands behind the password.
                let line =
                    line.replace("127.0.0.1:8000", &server.address.to_string()).replace("TOKEN", token);
                let status = shell(&desk, &line, &server, &input).status().unwrap();
                // ffmpeg may be gone before it is told.
                assert!(name == "ffmpeg" || status.success() == is_one, "{line}");
                assert!(is_one || !root.file(&format!("{name}.pcm")).exists(), "{line}");
            }
            // ffmpeg does not wait for the answer.
            let file = root.file(&format!("{name}.pcm"));
            eventually("it is written", || fs::read(&file).is_ok_and(|bytes| bytes.ends_with(&sound))).await;
        }
        assert_eq!(server.panics(), 0);
    });
}
