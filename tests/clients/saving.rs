//! Programs that save files, and go on with what they have of one.

use std::path::Path;
use std::process::Command;

use crate::judge::Desk;
use crate::stage::{Client, FORMATS, Recorder, finished, len, longer_than, seconds, server};
use crate::support::judged::Judged;
use crate::support::{Root, wait};

pub const TESTS: &[Judged] = &[
    Judged {
        name: "curl_goes_on_with_what_it_has_of_a_finished_recording",
        judges: &["curl"],
        test: || resumes_finished(curl),
    },
    Judged {
        name: "curl_goes_on_with_what_it_has_of_a_growing_recording",
        judges: &["curl"],
        test: || resumes_growing(curl),
    },
    Judged {
        name: "wget_goes_on_with_what_it_has_of_a_finished_recording",
        judges: &["wget"],
        test: || resumes_finished(wget),
    },
    Judged {
        name: "wget_goes_on_with_what_it_has_of_a_growing_recording",
        judges: &["wget"],
        test: || resumes_growing(wget),
    },
    Judged {
        name: "aria2c_goes_on_with_what_it_has_of_a_finished_recording",
        judges: &["aria2c"],
        test: || resumes_finished(aria2c),
    },
    Judged {
        name: "aria2c_joins_what_it_gets_over_eight_connections",
        judges: &["aria2c"],
        test: eight_pieces,
    },
    Judged { name: "aria2c_saves_a_growing_recording_to_its_end", judges: &["aria2c"], test: aria2c_follows },
];

/// A program that is to get a URL into a file, and to go on where the file ends.
type Saver = fn(url: &str, file: &Path) -> Command;

/// Without `--fail`, by which it would take 416 for a file that it has whole as a mistake.
fn curl(url: &str, file: &Path) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-C", "-", "-o"]).arg(file).arg(url);
    curl
}

fn wget(url: &str, file: &Path) -> Command {
    let mut wget = Command::new("wget");
    wget.args(["--no-config", "-nv", "-c", "-O"]).arg(file).arg(url);
    wget
}

fn aria2c(url: &str, file: &Path) -> Command {
    let mut aria2c = Command::new("aria2c");
    // Files are not reserved, so that their length tells how far it is.
    aria2c.args(["--no-conf", "--file-allocation=none", "-c", "-x8", "-s8", "-k1M", "-d"]);
    aria2c.arg(file.parent().unwrap()).arg("-o").arg(file.file_name().unwrap()).arg(url);
    aria2c
}

/// A few bytes, nearly all, and all of it.
fn resumes_finished(saver: Saver) {
    let root = finished(&seconds(3));
    wait(async {
        let server = server(&root).await;
        for format in FORMATS {
            let path = format!("/audio/show.{format}");
            let whole = server.get(&path).await.body;
            for have in [100, whole.len() - 1, whole.len()] {
                let desk = Desk::new();
                let file = desk.put("saved", &whole[..have]);
                Client::start(&desk, saver(&server.url(&path), &file)).finish();
                assert!(std::fs::read(&file).unwrap() == whole, "{format}, with {have} bytes");
            }
        }
        assert_eq!(server.panics(), 0);
    });
}

/// It is killed while it follows, comes again when more is there, and has what one has who never left.
fn resumes_growing(saver: Saver) {
    let sound = seconds(3);
    for format in FORMATS {
        let (root, desk, path) = (Root::new(), Desk::new(), format!("/audio/show.{format}"));
        let mut recorder = Recorder::begin(&root, &sound);
        let file = desk.path("saved");
        wait(async {
            let server = server(&root).await;
            let stayed = server.open("GET", &path, &[]).await;
            let client = Client::start(&desk, saver(&server.url(&path), &file));
            longer_than(&file, 4_000).await;
            client.kill();
            let had = len(&file);
            recorder.write_some();
            let client = Client::start(&desk, saver(&server.url(&path), &file));
            longer_than(&file, had).await;
            recorder.end().await;
            client.finish();
            let whole = stayed.rest().await.body;
            assert!(had < whole.len() as u64);
            assert!(std::fs::read(&file).unwrap() == whole, "{format}, from byte {had} on");
            assert_eq!(server.panics(), 0);
        });
    }
}

fn eight_pieces() {
    let root = finished(&seconds(60));
    wait(async {
        let server = server(&root).await;
        // It takes no pieces of less than 1 MiB.
        for (path, pieces) in [("show.wav", 8), ("show.mp3?bitrate=320", 2)] {
            let path = format!("/audio/{path}");
            let (desk, whole) = (Desk::new(), server.get(&path).await.body);
            let (file, log) = (desk.path("saved"), desk.path("log"));
            let mut aria2c = aria2c(&server.url(&path), &file);
            // Else one connection can have all of it before the others are answered.
            aria2c.arg("--max-overall-download-limit=4M");
            aria2c.arg("--log-level=info").arg("-l").arg(&log);
            Client::start(&desk, aria2c).finish();
            assert!(std::fs::read(&file).unwrap() == whole, "{path}");
            let log = std::fs::read_to_string(log).unwrap();
            let answers = log.matches("HTTP/1.1 206 Partial Content").count();
            assert!(answers + 1 >= pieces, "{path}: {answers} parts\n{log}");
        }
        assert_eq!(server.panics(), 0);
    });
}

fn aria2c_follows() {
    let sound = seconds(3);
    for format in FORMATS {
        let (root, desk, path) = (Root::new(), Desk::new(), format!("/audio/show.{format}"));
        let recorder = Recorder::begin(&root, &sound);
        let file = desk.path("saved");
        wait(async {
            let server = server(&root).await;
            let stayed = server.open("GET", &path, &[]).await;
            let client = Client::start(&desk, aria2c(&server.url(&path), &file));
            longer_than(&file, 4_000).await;
            recorder.end().await;
            client.finish();
            assert!(std::fs::read(&file).unwrap() == stayed.rest().await.body, "{format}");
            assert_eq!(server.panics(), 0);
        });
    }
}
