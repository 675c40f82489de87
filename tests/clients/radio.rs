//! Radio: players that ask for titles, at a recording that grows.

use std::path::Path;
use std::process::Command;

use crate::judge::Desk;
use crate::stage::{Client, PCM, longer_than, seconds, server};
use crate::support::judged::Judged;
use crate::support::{Root, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "mpg123_tells_the_titles_of_what_grows", judges: &["mpg123"], test: mpg123 },
    Judged { name: "mpv_tells_what_is_on", judges: &["mpv"], test: mpv },
];

const SIDECAR: &str = "title = 'Evening'\n[[chapters]]\nstart = 2\ntitle = \"Sam's news\"\n";

/// What a player says that comes while a recording grows and stays until it has ended.
fn told(player: impl Fn(&str, &Path) -> Command) -> String {
    let (root, desk) = (Root::new(), Desk::new());
    let says = |more: &str| root.write("show.toml", format!("pcm = '{PCM}'\n{more}{SIDECAR}"));
    says("");
    root.write("show.pcm", seconds(5));
    let file = desk.path("heard.wav");
    wait(async {
        let server = server(&root).await;
        let client = Client::start(&desk, player(&server.url("/audio/show.mp3"), &file));
        longer_than(&file, 0).await;
        says("ended = true\n");
        let said = client.finish_saying();
        assert_eq!(server.panics(), 0);
        said
    })
}

fn mpg123() {
    let said = told(|url, file| {
        let mut mpg123 = Command::new("mpg123");
        mpg123.args(["--utf8", "-w"]).arg(file).arg(url);
        mpg123
    });
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text} is not in {said}"));
    assert!(at("ICY-NAME: Evening") < at("StreamTitle='Evening';"));
    assert!(at("StreamTitle='Evening';") < at("StreamTitle='Sam\u{2019}s news';"));
}

/// It asks for ranges, and so is told the name alone.
fn mpv() {
    let said = told(|url, file| {
        let mut mpv = Command::new("mpv");
        mpv.args(["--no-config", "--no-video", "--audio-format=s16", "--ao=pcm", "--display-tags=icy-name"]);
        mpv.arg(format!("--ao-pcm-file={}", file.display())).arg(url);
        mpv
    });
    assert!(said.contains("icy-name: Evening"), "{said}");
}
