//! What goes wrong around a server: recordings that change under a listener, sidecars that are broken, names
//! that want out of the folder, parameters that make no sense, WAV files as recorders leave them. Nothing
//! wrong is ever served, the client is told what was wrong, and the next request is answered.

mod support;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use support::process::{Process, tailcast};
use support::{Open, Reply, Root, Running, eventually, is_problem, sound};
use tailcast::recording::{Catalogue, RecordingName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

const PCM: &str = "s16le:44100:2";
const SECOND: usize = 44_100 * 4;
const WAV_HEADER: usize = 80;
/// Where in it the rate is.
const RATE_AT: usize = 12 + 36 + 8 + 4;
const MP3_HEADER: usize = 4_513;

fn header_len(format: &str) -> usize {
    if format == "wav" { WAV_HEADER } else { MP3_HEADER }
}

/// A server whose recordings only end when somebody says so.
async fn patient(root: &Root) -> Running {
    Running::with(root, |config| config.growth_timeout = Duration::from_secs(600)).await
}

/// The server is as it was.
async fn is_alive(server: &Running) {
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.panics(), 0);
}

/// The next bytes of a body, which must come.
async fn take(answer: &mut Open, len: usize) -> Vec<u8> {
    tokio::time::timeout(Duration::from_secs(30), answer.take(len)).await.expect("sound that does not come")
}

/// What came of a body until it ended, and whether it ended in order. More than `most` bytes is an error.
async fn received(mut answer: Open, most: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), answer.next()).await;
        match next.expect("a body that neither goes on nor ends") {
            Ok(Some(bytes)) => body.extend(bytes),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
        assert!(body.len() <= most, "more than there ever was");
    }
}

// ---- The file changes under a listener

/// What can be told without waiting is what is true now; what cannot be is left to who may wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_at_hand_as_it_is_now_or_not_at_all() {
    let backdated = |root: &Root, name: &str, change: &dyn Fn(&Path)| {
        let path = root.file(name);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        change(&path);
        root.touch(name, before);
    };
    let open = |path: &Path| OpenOptions::new().write(true).open(path).unwrap();
    // What is done to a recording; its frames if it is at hand then; and as it is found.
    type Case<'a> = (&'a str, &'a dyn Fn(&Root), Option<u64>, Option<u64>);
    let cases: [Case; 10] = [
        ("nothing", &|_| (), Some(44_100), Some(44_100)),
        ("append", &|root| root.append("append.pcm", &[1; 4]), Some(44_101), Some(44_101)),
        ("truncate", &|root| open(&root.file("truncate.pcm")).set_len(4).unwrap(), None, Some(1)),
        (
            "overwrite",
            &|root| backdated(root, "overwrite.pcm", &|path| open(path).write_all_at(&[1; 4], 100).unwrap()),
            None,
            Some(44_100),
        ),
        (
            "replace",
            &|root| {
                backdated(root, "replace.pcm", &|path| {
                    fs::write(root.file("new"), other_sound(44_100)).unwrap();
                    fs::rename(root.file("new"), path).unwrap();
                });
            },
            None,
            Some(44_100),
        ),
        ("remove", &|root| fs::remove_file(root.file("remove.pcm")).unwrap(), None, None),
        ("describe", &|root| root.write("describe.toml", "title = 'x'"), None, Some(44_100)),
        ("say-no-more", &|root| fs::remove_file(root.file("say-no-more.toml")).unwrap(), None, Some(44_100)),
        ("stand-before", &|root| root.write("stand-before.pcm", [1; 4]), None, Some(1)),
        (
            "link",
            &|root| {
                fs::remove_file(root.file("link.pcm")).unwrap();
                symlink("/dev/zero", root.file("link.pcm")).unwrap();
            },
            None,
            None,
        ),
    ];
    let root = Root::new();
    for (name, ..) in cases {
        root.finished(name, PCM, &sound::noise(44_100, 2, 1));
    }
    fs::rename(root.file("stand-before.pcm"), root.file("stand-before.raw")).unwrap();
    let catalogue = Catalogue::open(root.path(), PCM.parse().unwrap(), Duration::ZERO).unwrap();
    let name = |name: &str| RecordingName::parse(name).unwrap();
    let at_hand = |of: &str| catalogue.at_hand(&name(of)).map(|recording| recording.extent().frames);
    let found = |of: &str| catalogue.find(&name(of)).map(|recording| recording.extent().frames).ok();
    eventually("what does not change is at hand", || {
        // All are looked at each time: it takes two looks, some seconds apart.
        cases.iter().filter(|(name, ..)| found(name).is_some() && at_hand(name).is_some()).count()
            == cases.len()
    })
    .await;
    for (name, change, then_at_hand, then_found) in cases {
        change(&root);
        assert_eq!(at_hand(name), then_at_hand, "{name}");
        assert_eq!(found(name), then_found, "{name}");
    }
    let described = catalogue.find(&name("describe")).unwrap();
    assert_eq!(described.sidecar().title.as_deref(), Some("x"));
}

/// Long enough not to fit into the buffers between server and client (as WAV), nor to be coded at once (MP3).
fn long(format: &str) -> Vec<u8> {
    sound::noise(44_100 * if format == "wav" { 180 } else { 120 }, 2, 1)
}

fn other_sound(frames: usize) -> Vec<u8> {
    sound::noise(frames, 2, 99)
}

/// The sound of a format as it should come: of a recording that nothing happens to, without the header.
async fn undisturbed(format: &str, pcm: &[u8]) -> Vec<u8> {
    let root = Root::new();
    root.finished("show", PCM, pcm);
    let whole = Running::start(&root).await.get(&format!("/audio/show.{format}")).await;
    whole.body[header_len(format)..].to_vec()
}

async fn undisturbed_long(format: &str) -> &'static [u8] {
    static WAV: OnceCell<Vec<u8>> = OnceCell::const_new();
    static MP3: OnceCell<Vec<u8>> = OnceCell::const_new();
    let cell = if format == "wav" { &WAV } else { &MP3 };
    cell.get_or_init(|| async move { undisturbed(format, &long(format)).await }).await
}

/// Has something happen to a finished recording of which a listener has heard the start: the body may only
/// break off, or be right to its end. True if it ended in order.
async fn while_finished(format: &str, fault: impl Fn(&Root)) -> (Root, Running, bool) {
    let expected = undisturbed_long(format).await;
    let root = Root::new();
    root.finished("show", PCM, &long(format));
    let server = Running::with(&root, |config| config.threads = 1).await;
    let range = format!("bytes={}-", header_len(format));
    let mut answer = server.open("GET", &format!("/audio/show.{format}"), &[("range", &range)]).await;
    let mut body = take(&mut answer, 1).await;
    fault(&root);
    let (rest, in_order) = received(answer, expected.len()).await;
    body.extend(rest);
    assert!(
        expected.starts_with(&body),
        "{format}: wrong sound, after {} right bytes",
        agreeing(expected, &body)
    );
    assert!(!in_order || body.len() == expected.len(), "{format}: cut short as if in order");
    (root, server, in_order)
}

/// Has something happen to a growing recording that a listener has heard up to the live edge.
async fn while_growing(format: &str, fault: impl Fn(&Root)) -> (Root, Running, bool) {
    let pcm = sound::noise(44_100 * 3, 2, 2);
    let expected = undisturbed(format, &pcm).await;
    let root = Root::new();
    root.growing("show", PCM, &pcm);
    let server = patient(&root).await;
    let details = server.get("/recordings/show").await.json();
    let exists = details["formats"][format]["exists"].as_u64().unwrap() as usize - header_len(format);
    let range = format!("bytes={}-", header_len(format));
    let mut answer = server.open("GET", &format!("/audio/show.{format}"), &[("range", &range)]).await;
    let mut body = take(&mut answer, exists).await;
    fault(&root);
    let (rest, in_order) = received(answer, expected.len() * 2).await;
    body.extend(rest);
    assert!(
        expected.starts_with(&body),
        "{format}: wrong sound, after {} right bytes",
        agreeing(&expected, &body)
    );
    (root, server, in_order)
}

fn agreeing(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// What is there now is what is served from now on.
async fn serves_the_file_as_it_is(root: &Root, server: &Running) {
    let file = fs::read(root.file("show.pcm")).unwrap();
    let first = file.len().min(SECOND);
    let range = format!("bytes={WAV_HEADER}-{}", WAV_HEADER + first - 1);
    let reply = server.range("/audio/show.wav", &range).await;
    assert_eq!(reply.status, 206);
    assert!(reply.body == file[..first], "not what is in the file");
    is_alive(server).await;
}

fn truncate(root: &Root) {
    OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap().set_len(5000).unwrap();
}

fn replace(root: &Root) {
    root.write("new.tmp", other_sound(44_100 * 200));
    fs::rename(root.file("new.tmp"), root.file("show.pcm")).unwrap();
}

fn remove(root: &Root) {
    fs::remove_file(root.file("show.pcm")).unwrap();
}

/// Writes over the file in its place, with more than there was.
fn overwrite(root: &Root, sound: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap();
    assert!(file.metadata().unwrap().len() < sound.len() as u64);
    file.write_all(sound).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_recording_that_is_cut_short_breaks_the_body_off() {
    for format in ["wav", "mp3"] {
        let (root, server, in_order) = while_finished(format, truncate).await;
        assert!(!in_order);
        serves_the_file_as_it_is(&root, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_recording_that_is_cut_short_breaks_the_body_off() {
    for format in ["wav", "mp3"] {
        let (root, server, in_order) = while_growing(format, truncate).await;
        assert!(!in_order, "{format}: ended as if in order");
        serves_the_file_as_it_is(&root, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_recording_that_is_replaced_is_heard_to_its_end_or_breaks_off() {
    for format in ["wav", "mp3"] {
        let (root, server, _) = while_finished(format, replace).await;
        serves_the_file_as_it_is(&root, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_recording_that_is_replaced_breaks_the_body_off() {
    for format in ["wav", "mp3"] {
        let (root, server, in_order) = while_growing(format, replace).await;
        assert!(!in_order, "{format}: ended as if in order");
        serves_the_file_as_it_is(&root, &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_removed_is_not_found_by_the_next() {
    for format in ["wav", "mp3"] {
        let (_root, server, _) = while_finished(format, remove).await;
        is_problem(&server.get("/audio/show.wav").await, 404, "show");
        is_alive(&server).await;
        let (_root, server, in_order) = while_growing(format, remove).await;
        assert!(!in_order, "{format}: ended as if in order");
        is_problem(&server.get("/audio/show.wav").await, 404, "show");
        is_alive(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_overwritten_in_its_place_breaks_the_body_off() {
    for format in ["wav", "mp3"] {
        let longer = other_sound(44_100 * 200);
        let (root, server, in_order) = while_finished(format, |root| overwrite(root, &longer)).await;
        assert!(!in_order, "{format}: ended as if in order");
        serves_the_file_as_it_is(&root, &server).await;
        let (root, server, in_order) = while_growing(format, |root| overwrite(root, &longer)).await;
        assert!(!in_order, "{format}: ended as if in order");
        serves_the_file_as_it_is(&root, &server).await;
    }
}

/// Writes over some of the file that none of the places lie in which are looked at again or are part of an ETag.
fn edit(root: &Root) {
    edit_to(&root.file("show.pcm"), &other_sound(1_000));
}

fn edit_to(path: &Path, sound: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let middle_of_two_places = file.metadata().unwrap().len() / 128 * 81;
    file.write_all_at(sound, middle_of_two_places / 4 * 4).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_recording_that_is_edited_in_its_place_breaks_the_body_off_and_is_served_as_it_is_then() {
    for format in ["wav", "mp3"] {
        let (root, server, in_order) = while_finished(format, edit).await;
        assert!(!in_order, "{format}: ended as if in order");
        let edited = fs::read(root.file("show.pcm")).unwrap();
        assert_ne!(edited, long(format));
        let path = format!("/audio/show.{format}");
        let now = server.get(&path).await.body.split_off(header_len(format));
        assert!(now == undisturbed(format, &edited).await, "{format}: not what is in the file");
        // And back, while nobody listens.
        let file = OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap();
        file.write_all_at(&long(format), 0).unwrap();
        let now = server.get(&path).await.body.split_off(header_len(format));
        assert!(now == undisturbed_long(format).await, "{format}: not what is in the file again");
        is_alive(&server).await;
    }
}

/// An edit gives a file a new time, and does not make it grow: else what is edited next would be taken for growth.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_by_standing_still_has_ended_however_often_it_is_edited() {
    for format in ["wav", "mp3"] {
        let root = Root::new();
        root.growing("show", PCM, &long(format));
        root.touch("show.pcm", SystemTime::now() - Duration::from_secs(60));
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(30)).await;
        let path = format!("/audio/show.{format}");
        server.get(&path).await;
        for seed in [1, 2] {
            edit_to(&root.file("show.pcm"), &sound::noise(1_000, 2, seed));
            let now = server.get(&path).await;
            assert!(now.header("etag").is_some(), "{format}: it grows");
            let file = fs::read(root.file("show.pcm")).unwrap();
            let expected = undisturbed(format, &file).await;
            assert!(now.body[header_len(format)..] == expected, "{format}: not what is in the file");
        }
        is_alive(&server).await;
    }
}

/// ext4 for one gives a file that is cut short its new length first and its new time some milliseconds later.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_short_grows_though_it_has_its_time_of_before() {
    for format in ["wav", "mp3"] {
        let root = Root::new();
        root.growing("show", PCM, &long(format));
        let before = SystemTime::now() - Duration::from_secs(60);
        root.touch("show.pcm", before);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(30)).await;
        let path = format!("/audio/show.{format}");
        assert!(server.get(&path).await.header("etag").is_some(), "{format}: it has not ended");
        truncate(&root);
        root.touch("show.pcm", before);
        let now = server.open("GET", &path, &[]).await;
        assert_eq!(now.headers.get("etag"), None, "{format}: it was cut short just now, and has ended");
        is_alive(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_is_not_what_it_was_when_it_goes_on() {
    for format in ["wav", "mp3"] {
        let root = Root::new();
        root.finished("show", PCM, &long(format));
        let server = Running::start(&root).await;
        let mut answer = server.open("GET", &format!("/audio/show.{format}"), &[]).await;
        take(&mut answer, 1).await;
        edit(&root);
        // Somebody else, who sees it.
        assert_eq!(server.get("/recordings/show").await.status, 200);
        root.append("show.pcm", &other_sound(1_000));
        assert_eq!(server.get("/recordings/show").await.status, 200);
        let (_, in_order) = received(answer, usize::MAX).await;
        assert!(!in_order, "{format}: other sound was given");
        is_alive(&server).await;
    }
}

/// Before HTTP/1.1 a body without a length ends with its connection, in order or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_not_taken_for_a_whole_one_by_old_clients() {
    for format in ["wav", "mp3"] {
        for (fault, in_order) in [(truncate as fn(&Root), false), (|root| root.end("show", PCM), true)] {
            let root = Root::new();
            root.growing("show", PCM, &sound::noise(44_100 * 3, 2, 2));
            let server = patient(&root).await;
            let mut socket = TcpStream::connect(server.address).await.unwrap();
            let request = format!("GET /audio/show.{format} HTTP/1.0\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut body = vec![0; 40_000];
            socket.read_exact(&mut body).await.unwrap();
            fault(&root);
            let ended = tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut body)).await;
            assert_eq!(ended.expect("it goes on").is_ok(), in_order, "{format}");
            is_alive(&server).await;
        }
    }
}

/// Nothing is told of it as if it were finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_lost_has_no_state_any_more() {
    let root = Root::new();
    root.growing("show", PCM, &sound::noise(44_100, 2, 2));
    let catalogue = Catalogue::open(root.path(), PCM.parse().unwrap(), Duration::from_secs(600)).unwrap();
    let find = || catalogue.find(&RecordingName::parse("show").unwrap()).unwrap();
    let recording = find();
    assert!(recording.status().unwrap().extent.is_growing());
    truncate(&root);
    let now = find();
    assert!(now.status().unwrap().extent.frames < 44_100);
    assert!(recording.status().unwrap_err().to_string().contains("show"));
}

/// Without its sidecar it would be sound of another kind.
#[test]
fn a_recording_that_is_just_being_removed_with_its_sidecar_is_not_there_or_what_it_was() {
    const OTHER: &str = "u8:8000:1";
    let (root, removing) = (Root::new(), AtomicBool::new(true));
    let catalogue = Catalogue::open(root.path(), PCM.parse().unwrap(), Duration::from_secs(600)).unwrap();
    let name = RecordingName::parse("show").unwrap();
    let wrong = std::thread::scope(|scope| {
        scope.spawn(|| {
            while removing.load(Ordering::Relaxed) {
                root.growing("show", OTHER, &[128; 8000]);
                fs::remove_file(root.file("show.pcm")).unwrap();
                fs::remove_file(root.file("show.toml")).unwrap();
            }
        });
        let end = Instant::now() + Duration::from_secs(2);
        let mut found = std::iter::repeat_with(|| catalogue.find(&name)).take_while(|_| Instant::now() < end);
        let wrong =
            found.find_map(|found| found.ok().map(|it| it.spec()).filter(|spec| spec.to_string() != OTHER));
        removing.store(false, Ordering::Relaxed);
        wrong
    });
    assert_eq!(wrong, None);
}

/// Two recordings that start in silence start alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_overwritten_by_one_with_the_same_silent_start_breaks_the_body_off() {
    const SILENCE: usize = SECOND / 10;
    let mut first = long("wav");
    first[..SILENCE].fill(0);
    let mut second = other_sound(44_100 * 200);
    second[..SILENCE].fill(0);
    let root = Root::new();
    root.finished("show", PCM, &first);
    let server = Running::start(&root).await;
    let mut answer = server.open("GET", "/audio/show.wav", &[("range", "bytes=80-")]).await;
    let mut body = take(&mut answer, 1).await;
    overwrite(&root, &second);
    let (rest, in_order) = received(answer, first.len()).await;
    body.extend(rest);
    assert!(first.starts_with(&body), "wrong sound, after {} right bytes", agreeing(&first, &body));
    assert!(!in_order || body.len() == first.len());
    serves_the_file_as_it_is(&root, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_coded_of_a_recording_is_not_served_of_its_successor() {
    let root = Root::new();
    root.finished("show", PCM, &sound::noise(44_100 * 4, 2, 5));
    let server = Running::start(&root).await;
    let first = server.get("/audio/show.mp3").await;
    // In the file's place, and of the same length.
    let sound = other_sound(44_100 * 4);
    OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap().write_all(&sound).unwrap();
    let second = server.get("/audio/show.mp3").await;
    assert_ne!(first.header("etag"), second.header("etag"));
    assert!(second.body[MP3_HEADER..] == undisturbed("mp3", &sound).await, "not the new sound");
    assert_eq!(server.panics(), 0);
}

fn is_readable(path: &Path) -> bool {
    fs::File::open(path).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_may_no_longer_be_read_is_heard_rightly_or_not_at_all() {
    let lock = |root: &Root| {
        fs::set_permissions(root.file("show.pcm"), Permissions::from_mode(0o000)).unwrap();
        // One who listens may go on: the recorder has it open, and so has the server.
        root.end("show", PCM);
    };
    for format in ["wav", "mp3"] {
        let (_root, server, _) = while_finished(format, lock).await;
        is_alive(&server).await;
        let (_root, server, _) = while_growing(format, lock).await;
        is_alive(&server).await;
    }
    let root = Root::new();
    root.finished("locked", PCM, &[0; 4000]);
    fs::set_permissions(root.file("locked.pcm"), Permissions::from_mode(0o000)).unwrap();
    let server = Running::start(&root).await;
    let reply = server.get("/audio/locked").await;
    // The superuser may read everything.
    if !is_readable(&root.file("locked.pcm")) {
        is_problem(&reply, 500, "locked");
    }
    is_alive(&server).await;
}

// ---- The sidecar

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_sidecar_is_a_problem_that_quotes_it_until_it_is_mended() {
    let root = Root::new();
    root.finished("show", PCM, &[7; 4000]);
    let server = Running::start(&root).await;
    for (sidecar, named) in [
        (&b"pcm = 's17le:44100:2'"[..], "s17le"),
        (b"pcm = 's16le:44100:99'", "99"),
        (b"pcm = 's16le:1:2'", "1"),
        (b"titel = 'x'", "titel"),
        (b"started = 'yesterday'", "yesterday"),
        (b"ended = 'yes'", "ended"),
        (b"pcm = ", "pcm"),
    ] {
        root.write("show.toml", sidecar);
        for path in ["/audio/show.mp3", "/recordings/show"] {
            is_problem(&server.get(path).await, 500, named);
        }
        assert_eq!(server.get("/recordings").await.json()["unusable"][0]["name"], "show");
        assert_eq!(server.get("/").await.status, 200);
    }
    // It may say that nobody is to know of it.
    root.write("show.toml", b"\xff\xfe");
    is_problem(&server.get("/audio/show.mp3").await, 404, "show");
    root.end("show", PCM);
    assert!(server.get("/audio/show").await.body[WAV_HEADER..] == [7; 4000]);
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_broken_for_a_while_loses_no_listener() {
    let root = Root::new();
    root.growing("show", PCM, &[1; 40_000]);
    let server = patient(&root).await;
    let mut answer = server.open("GET", "/audio/show.wav", &[("range", "bytes=80-")]).await;
    let mut body = take(&mut answer, 40_000).await;
    root.write("show.toml", "pcm = ");
    is_problem(&server.get("/audio/show.wav").await, 500, "show");
    root.append("show.pcm", &[2; 40_000]);
    body.extend(take(&mut answer, 40_000).await);
    root.end("show", PCM);
    let (rest, in_order) = received(answer, 80_000).await;
    body.extend(rest);
    assert!(in_order && body.len() == 80_000);
    assert!(body[..40_000] == [1; 40_000] && body[40_000..] == [2; 40_000]);
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_appears_and_says_another_format_breaks_the_body_off() {
    let root = Root::new();
    root.write("show.pcm", [1; 40_000]);
    let server = patient(&root).await;
    let mut answer = server.open("GET", "/audio/show.wav", &[]).await;
    let body = take(&mut answer, WAV_HEADER + 40_000).await;
    assert_eq!(body[RATE_AT..RATE_AT + 4], 48_000u32.to_le_bytes());
    root.write("show.toml", "pcm = 's16le:44100:2'");
    let (rest, in_order) = received(answer, 0).await;
    assert!(rest.is_empty() && !in_order);
    let reply = server.range("/audio/show.wav", &format!("bytes={RATE_AT}-{}", RATE_AT + 3)).await;
    assert_eq!(reply.body, 44_100u32.to_le_bytes(), "the sidecar's rate is not in the header");
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_appears_and_says_the_same_format_changes_nothing() {
    let root = Root::new();
    root.write("show.pcm", [1; 40_000]);
    let server = patient(&root).await;
    let mut answer = server.open("GET", "/audio/show.wav", &[("range", "bytes=80-")]).await;
    take(&mut answer, 40_000).await;
    root.write("show.toml", "pcm = 's16le:48000:2'\ntitle = 'T'");
    root.append("show.pcm", &[2; 40_000]);
    assert!(take(&mut answer, 40_000).await == [2; 40_000]);
    assert_eq!(server.get("/recordings/show").await.json()["title"], "T");
    root.end("show", "s16le:48000:2");
    assert!(received(answer, 0).await.1);
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_no_file_is_a_problem() {
    let root = Root::new();
    root.write("show.pcm", [7; 4000]);
    fs::create_dir(root.file("show.toml")).unwrap();
    let server = Running::start(&root).await;
    is_problem(&server.get("/audio/show").await, 500, "show");
    is_alive(&server).await;
}

/// Read as if there were none, the sound would be at the wrong rate.
#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_there_but_cannot_be_had_is_not_passed_over() {
    let (root, outside) = (Root::new(), Root::new());
    outside.write("show.toml", "pcm = 's16le:8000:1'\nended = true");
    root.write("show.pcm", [7; 4000]);
    symlink(outside.file("show.toml"), root.file("show.toml")).unwrap();
    let server = Running::start(&root).await;
    let reply = server.open("GET", "/audio/show", &[("range", "bytes=0-9")]).await.rest().await;
    // It may say that nobody is to know of it, too.
    is_problem(&reply, 404, "show");
    is_alive(&server).await;
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_a_pipe_holds_nobody_up() {
    let root = Root::new();
    root.write("show.pcm", [7; 4000]);
    pipe(&root.file("show.toml"));
    let server = Running::start(&root).await;
    let reply = tokio::time::timeout(Duration::from_secs(5), server.get("/audio/show")).await;
    // Whoever waits for a writer gets one, or the test itself would never end.
    let _writer = OpenOptions::new().read(true).write(true).open(root.file("show.toml")).unwrap();
    is_problem(&reply.expect("the server waits for the pipe"), 500, "show");
    is_alive(&server).await;
}

// ---- Names

const SECRET: &[u8] = b"this must not be heard";

/// A folder to serve, beside which there is something that is none of the clients' business.
struct Nested {
    outer: Root,
    server: Running,
}

impl Nested {
    async fn new() -> Self {
        let outer = Root::new();
        outer.write("secret.pcm", SECRET);
        outer.write("served/show.pcm", [7; 4000]);
        outer.write("served/show.toml", "ended = true");
        outer.write("served/sub/deep.pcm", [8; 4000]);
        outer.write("served/.hidden.pcm", SECRET);
        outer.write("served/.dir/inner.pcm", SECRET);
        let root = outer.file("served");
        let server = Running::with(&outer, |config| config.root = root).await;
        Self { outer, server }
    }

    /// A request just as it is written, which a client library would tidy up.
    async fn raw(&self, target: &str) -> (u16, String) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        let answer = self.server.raw(&request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
        (status, answer)
    }

    async fn is_refused(&self, target: &str) {
        let (status, answer) = self.raw(target).await;
        assert!(matches!(status, 400 | 404), "{target}: {answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{target}: {answer}");
        assert!(!answer.contains("this must not"), "{target}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_out_of_the_folder_or_to_what_is_hidden_in_it() {
    let nested = Nested::new().await;
    let absolute = nested.outer.file("secret").display().to_string();
    for name in [
        "../secret",
        "sub/../../secret",
        "%2e%2e/secret",
        "%2E%2E%2Fsecret",
        "..%2fsecret",
        "..%252fsecret",
        "%252e%252e/secret",
        "..\\secret",
        "..%5csecret",
        "%5c..%5csecret",
        "sub/..",
        "./show",
        "sub/./deep",
        "/show",
        "//show",
        "sub//deep",
        "sub/",
        absolute.as_str(),
        &absolute.replace('/', "%2f"),
        "show%00",
        "show%00.pcm",
        "%00",
        "show%0a",
        "show%7f",
        ".hidden",
        ".dir/inner",
        "%2ehidden",
        "%ff",
        "%c0%ae%c0%ae/secret",
        "%zz",
        "show%",
        "show%2",
        "",
        "~root",
        "show.pcm",
        "show.toml",
        "none",
    ] {
        for target in [format!("/audio/{name}"), format!("/audio/{name}.wav"), format!("/recordings/{name}")]
        {
            // What is only a slash and an extension, or less, can be another place.
            if name.is_empty() && target == "/recordings/" {
                continue;
            }
            nested.is_refused(&target).await;
        }
    }
    for target in
        ["/../secret.pcm", "//audio/show", "/audio/../../secret", "/%2e%2e/secret", "/nowhere", "/audio"]
    {
        nested.is_refused(target).await;
    }
    let (status, answer) = nested.raw("/audio/show.wav").await;
    assert!(status == 200 && answer.contains("RIFF"));
    assert_eq!(nested.raw("/audio/sub%2Fdeep").await.0, 200, "an escaped slash is a slash");
    is_alive(&nested.server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn very_long_names_are_no_recordings() {
    let nested = Nested::new().await;
    for len in [200, 256, 1000, 4095, 4096, 4097, 16_000] {
        nested.is_refused(&format!("/audio/{}", "n".repeat(len))).await;
        nested.is_refused(&format!("/audio/{}x", "n/".repeat(len / 2))).await;
        nested.is_refused(&format!("/recordings/{}", "%41".repeat(len / 3))).await;
    }
    // Longer than any address may be: refused before there is a path to speak of.
    let (status, _) = nested.raw(&format!("/audio/{}", "n".repeat(100_000))).await;
    assert!((400..500).contains(&status), "{status}");
    is_alive(&nested.server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_followed_inside_the_folder_and_never_out_of_it() {
    let nested = Nested::new().await;
    let served = nested.outer.file("served");
    symlink("../secret.pcm", served.join("out.pcm")).unwrap();
    symlink(nested.outer.file("secret.pcm"), served.join("absolute.pcm")).unwrap();
    symlink("..", served.join("up")).unwrap();
    symlink("loop.pcm", served.join("loop.pcm")).unwrap();
    symlink("nothing.pcm", served.join("dangling.pcm")).unwrap();
    symlink("/dev/zero", served.join("zero.pcm")).unwrap();
    for name in ["out", "absolute", "up/secret", "up/served/show", "loop", "dangling", "zero"] {
        nested.is_refused(&format!("/audio/{name}")).await;
        nested.is_refused(&format!("/recordings/{name}")).await;
    }
    symlink("show.pcm", served.join("same.pcm")).unwrap();
    symlink("../show.pcm", served.join("sub/above.pcm")).unwrap();
    symlink("sub", served.join("folder")).unwrap();
    for name in ["same", "sub/above", "folder/deep"] {
        let reply = nested.server.range(&format!("/audio/{name}"), "bytes=80-83").await;
        assert_eq!(reply.status, 206, "{name}: {}", reply.text());
        assert_eq!(reply.body, [if name == "folder/deep" { 8 } else { 7 }; 4]);
    }
    let list = nested.server.get("/recordings").await;
    assert!(!list.text().contains("secret"), "{}", list.text());
    is_alive(&nested.server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_turned_outwards_takes_nothing_with_it() {
    let nested = Nested::new().await;
    let link = nested.outer.file("served/link.pcm");
    symlink("show.pcm", &link).unwrap();
    assert_eq!(nested.server.range("/audio/link", "bytes=80-83").await.body, [7; 4]);
    fs::remove_file(&link).unwrap();
    symlink("../secret.pcm", &link).unwrap();
    nested.is_refused("/audio/link").await;
    is_alive(&nested.server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plain_file_is_no_recording_and_holds_nobody_up() {
    let nested = Nested::new().await;
    let served = nested.outer.file("served");
    pipe(&served.join("pipe.pcm"));
    pipe(&served.join("waves.wav"));
    fs::create_dir(served.join("folder.pcm")).unwrap();
    fs::write(served.join("folder.pcm/inner.pcm"), [9; 4000]).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(served.join("socket.pcm")).unwrap();
    fs::write(served.join(OsStr::from_bytes(b"not-\xff-utf8.pcm")), SECRET).unwrap();
    for name in ["pipe", "waves", "folder", "socket", "not-%ff-utf8", "not-%EF%BF%BD-utf8"] {
        let target = format!("/audio/{name}.mp3");
        let refused = nested.is_refused(&target);
        tokio::time::timeout(Duration::from_secs(20), refused).await.expect("the server waits for it");
    }
    is_problem(&nested.server.get("/audio/not-%ff-utf8.mp3").await, 400, "`/audio/not-%ff-utf8.mp3`");
    let list = nested.server.get("/recordings").await.json();
    let recordings = list["recordings"].as_array().unwrap();
    let mut names: Vec<_> = recordings.iter().map(|r| r["name"].as_str().unwrap()).collect();
    names.sort_unstable(); // they began at the same moment, or nearly
    assert_eq!(names, ["folder.pcm/inner", "show", "sub/deep"]);
    assert_eq!(nested.server.get("/").await.status, 200);
    is_alive(&nested.server).await;
}

// ---- Parameters

async fn each_is_named(server: &Running, status: u16, parameter: &str, values: &[(&str, &str)]) {
    for (query, named) in values {
        let reply = server.get(&format!("/audio/show?{query}")).await;
        is_problem(&reply, status, named);
        assert_eq!(reply.json()["parameter"], parameter, "{query}");
        assert_eq!(reply.header("etag"), None);
    }
    is_alive(server).await;
}

async fn one_second() -> (Root, Running) {
    let root = Root::new();
    root.finished("show", PCM, &sound::noise(44_100, 2, 1));
    let server = Running::start(&root).await;
    (root, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_are_none_are_named() {
    let (_root, server) = one_second().await;
    let values = [
        ("pos=abc", "`abc`"),
        ("pos=1e300", "`1e300`"),
        ("pos=NaN", "`NaN`"),
        ("pos=inf", "`inf`"),
        ("pos=-", "`-`"),
        ("pos=--1", "`--1`"),
        ("pos=", "``"),
        ("pos=1:2:3", "`1:2:3`"),
        ("pos=00:99", "`00:99`"),
        ("pos=1:00:00:00", "`1:00:00:00`"),
        ("pos=%zz", "`%zz`"),
        ("pos=%", "`%`"),
        ("pos=%ff", "`\u{fffd}`"),
        ("pos=1%00", "`1\0`"),
        ("pos=%22%0d%0aX:y", "`\"\r\nX:y`"),
        ("pos=+1", "` 1`"),
        ("pos=%D9%A3", "`\u{663}`"),
    ];
    each_is_named(&server, 400, "pos", &values).await;
    let long = format!("pos={}", "9x".repeat(5000));
    let reply = server.get(&format!("/audio/show?{long}")).await;
    is_problem(&reply, 400, "`9x9x");
    assert!(reply.body.len() < 1000, "all of it is sent back");
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_past_the_end_are_416() {
    let (_root, server) = one_second().await;
    let values = [
        ("pos=1", "`1`"),
        ("pos=1.5", "`1.5`"),
        ("pos=live", "`live`"),
        ("pos=1:00:00", "`1:00:00`"),
        ("pos=99999999999999999999999999", "`99999999999999999999999999`"),
        ("pos=18446744073709551615:59:59", "`18446744073709551615:59:59`"),
    ];
    each_is_named(&server, 416, "pos", &values).await;
    // The last frame is a place in it, and before the first there is the first.
    for query in ["pos=0.99998", "pos=-0", "pos=-99999999999999999999", "pos=-1:00:00"] {
        let status = server.get(&format!("/audio/show?{query}")).await.status;
        assert_eq!(status, if query == "pos=-0" { 416 } else { 200 }, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_formats_bit_rates_and_channels_that_are_none_are_named() {
    let (_root, server) = one_second().await;
    let values = [
        ("duration=0", "`0`"),
        ("duration=0.0000000001", "`0.0000000001`"),
        ("duration=-5", "`-5`"),
        ("duration=abc", "`abc`"),
        ("duration=1e300", "`1e300`"),
        ("duration=NaN", "`NaN`"),
        ("duration=live", "`live`"),
        ("duration=", "``"),
    ];
    each_is_named(&server, 400, "duration", &values).await;
    let values = [
        ("format=flac", "`flac`"),
        ("format=", "``"),
        ("format=mp3%00", "`mp3\0`"),
        ("format=wav,mp3", "wav,mp3"),
    ];
    each_is_named(&server, 400, "format", &values).await;
    let values = [
        ("format=mp3&bitrate=129", "129"),
        ("format=mp3&bitrate=0", "0"),
        ("format=mp3&bitrate=-128", "`-128`"),
        ("format=mp3&bitrate=128k", "`128k`"),
        ("format=mp3&bitrate=4294967296", "`4294967296`"),
        ("format=mp3&bitrate=99999999999999999999", "`99999999999999999999`"),
        ("format=opus&bitrate=320", "320"),
        ("format=wav&bitrate=128", "128"),
        ("format=mp3&bitrate=", "``"),
    ];
    each_is_named(&server, 400, "bitrate", &values).await;
    let values = [
        ("channels=0", "0"),
        ("channels=3", "3"),
        ("format=mp3&channels=6", "6"),
        ("channels=65535", "65535"),
        ("channels=65536", "`65536` is too large"),
        ("channels=99999999999999999999", "`99999999999999999999` is too large"),
        ("channels=-1", "`-1`"),
        ("channels=two", "`two`"),
        ("channels=", "``"),
    ];
    each_is_named(&server, 400, "channels", &values).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_twice_is_named_and_one_that_is_not_known_is_left_alone() {
    let (_root, server) = one_second().await;
    for (query, named) in [
        ("pos=0&pos=0", "pos"),
        ("format=mp3&format=wav", "format"),
        ("duration=1&pos=0&duration=1", "duration"),
        ("bitrate=64&bitrate=64", "bitrate"),
        ("channels=1&channels=1", "channels"),
    ] {
        is_problem(&server.get(&format!("/audio/show?{query}")).await, 400, named);
        is_problem(&server.get(&format!("/recordings/show?byte=0&{query}")).await, 400, named);
    }
    for query in ["", "&&", "n=1&n=2", "%zz", "=", "x[]=%ff", "POS=abc", "duration=999999999999999999999"] {
        assert_eq!(server.get(&format!("/audio/show?{query}")).await.status, 200, "{query}");
    }
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_numbers_reach_no_arithmetic_that_breaks() {
    let root = Root::new();
    root.growing("live", "u8:8000:1", &[128; 8000]);
    root.finished("show", PCM, &sound::noise(44_100, 2, 1));
    let server = patient(&root).await;
    let most = u64::MAX.to_string();
    for name in ["live", "show"] {
        for format in ["wav", "mp3", "opus"] {
            for query in [
                format!("pos={most}"),
                format!("pos={most}:59:59&duration={most}"),
                format!("pos=-{most}&duration={most}h&n=1"),
            ] {
                for range in [format!("bytes={most}-"), format!("bytes=-{most}"), format!("bytes=0-{most}")] {
                    let path = format!("/audio/{name}?format={format}&{query}");
                    let answer = server.open("GET", &path, &[("range", &range)]).await;
                    assert!(matches!(answer.status, 206 | 416 | 200), "{path} {range}: {}", answer.status);
                }
                for place in [format!("byte={most}"), format!("time={most}"), format!("time=-{most}")] {
                    let path = format!("/recordings/{name}?format={format}&{place}&{query}");
                    let status = server.get(&path).await.status;
                    assert!(matches!(status, 200 | 416), "{path}: {status}");
                }
            }
        }
    }
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_no_http_are_refused_and_the_next_is_answered() {
    let (_root, server) = one_second().await;
    for request in [
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /audio/show HTTP/9.9\r\n\r\n",
        "GET /audio/show HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /audio/show?pos=\u{e9} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET /audio/sh\\ow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET http://elsewhere/audio/show HTTP/1.1\r\nHost: h\r\nRange: bytes=\u{1}\r\nConnection: close\r\n\r\n",
        "GET /audio/show HTTP/1.1\r\nHost: h\r\nIf-Match: \u{e9}\"\r\nConnection: close\r\n\r\n",
        "GET /audio/show HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\nRange: bytes=0-1\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ] {
        let answer = tokio::time::timeout(Duration::from_secs(20), server.raw(request)).await;
        let answer = answer.expect("no answer and no end");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{request:?}: {answer}");
        is_alive(&server).await;
    }
}

// ---- WAV files as recorders leave them

/// A WAV header with a `fmt ` chunk of 16 bytes.
fn wav_header(tag: u16, channels: u16, rate: u32, bits: u16, size: u32) -> Vec<u8> {
    let align = channels * bits / 8;
    let riff = if matches!(size, 0 | u32::MAX) { size } else { size + 36 };
    let mut out = [b"RIFF", &riff.to_le_bytes()[..], b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    out.extend([tag, channels].map(u16::to_le_bytes).concat());
    out.extend([rate, rate * u32::from(align)].map(u32::to_le_bytes).concat());
    out.extend([align, bits].map(u16::to_le_bytes).concat());
    out.extend([&b"data"[..], &size.to_le_bytes()].concat());
    out
}

/// The sound in a WAV that is served, and what its header says it is.
fn sound_of(reply: &Reply) -> (u16, u32, u16, &[u8]) {
    let fmt = 12 + 36 + 8;
    let word = |at: usize| u16::from_le_bytes(reply.body[at..at + 2].try_into().unwrap());
    let rate = u32::from_le_bytes(reply.body[RATE_AT..RATE_AT + 4].try_into().unwrap());
    (word(fmt + 2), rate, word(fmt + 14), &reply.body[WAV_HEADER..])
}

async fn served(wav: &[u8], sidecar: &str) -> (Root, Running, Reply) {
    let root = Root::new();
    root.write("show.wav", wav);
    if !sidecar.is_empty() {
        root.write("show.toml", sidecar);
    }
    let server = Running::start(&root).await;
    let reply = server.get("/audio/show.wav").await;
    (root, server, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_whose_header_is_still_to_come_is_to_be_asked_for_again() {
    let root = Root::new();
    let header = wav_header(1, 1, 22_050, 16, 0);
    let server = patient(&root).await;
    for len in [0, 1, 4, 11, 12, 20, 43] {
        root.write("show.wav", &header[..len]);
        let reply = server.range("/audio/show.mp3", "bytes=0-9").await;
        is_problem(&reply, 503, "show");
        assert!(reply.header("retry-after").is_some());
        is_alive(&server).await;
    }
    root.write("show.wav", [header, vec![5; 1000]].concat());
    let reply = server.range("/audio/show.wav", "bytes=80-9999").await;
    assert_eq!((reply.status, reply.body.as_slice()), (206, &[5; 1000][..]));
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_with_pictures_before_its_sound_is_understood() {
    let pcm = sound::noise(500, 1, 3);
    let header = wav_header(1, 1, 48_000, 16, pcm.len() as u32);
    let (before, data) = header.split_at(header.len() - 8);
    for len in [70_000, 300_000, 1_040_000u32] {
        let picture = [b"JUNK", &len.to_le_bytes()[..], &vec![7; len as usize]].concat();
        let wav = [before, &picture, data, &pcm].concat();
        let (_root, server, reply) = served(&wav, "ended = true").await;
        assert_eq!(sound_of(&reply), (1, 48_000, 16, pcm.as_slice()), "behind {len} bytes");
        is_alive(&server).await;
    }
    let picture = [b"JUNK", &2_000_000u32.to_le_bytes()[..], &vec![7; 2_000_000]].concat();
    let (_root, _server, reply) = served(&[before, &picture, data, &pcm].concat(), "ended = true").await;
    is_problem(&reply, 500, "1048576");
}

/// A process that has no file descriptor left cannot look at its folder; that loses no recording.
#[tokio::test(flavor = "multi_thread")]
async fn recordings_that_nobody_hears_make_room_for_others_when_descriptors_run_out() {
    let root = Root::new();
    for number in 0..60 {
        root.finished(&format!("show{number}"), PCM, &sound::noise(4_410, 2, number));
    }
    let mut command = Command::new("sh");
    let script = "ulimit -n 40; exec \"$0\" serve --listen 127.0.0.1:0 --root \"$1\"";
    command.args(["-c", script]).arg(tailcast().get_program()).arg(root.path());
    let server = Process::start(command, "http://");
    // Twice, so that each is found again.
    for number in (0..60).chain(0..60) {
        let reply = reqwest::get(server.url(&format!("/audio/show{number}.mp3"))).await.unwrap();
        assert_eq!(reply.status(), 200, "{number}");
        assert!(!reply.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_in_a_growing_wav_are_not_believed() {
    let (first, second) = (sound::noise(5000, 2, 1), sound::noise(7000, 2, 2));
    for size in [0, u32::MAX, 0x7FFF_F000, 1000, 5000 * 4] {
        let root = Root::new();
        root.write("show.wav", [wav_header(1, 2, 44_100, 16, size), first.clone()].concat());
        let server = patient(&root).await;
        let mut answer = server.open("GET", "/audio/show.wav", &[]).await;
        let mut body = take(&mut answer, WAV_HEADER + first.len()).await;
        root.append("show.wav", &second);
        body.extend(take(&mut answer, second.len()).await);
        // What a recorder does at its end: the true sizes, and that it is done.
        let header = wav_header(1, 2, 44_100, 16, (first.len() + second.len()) as u32);
        OpenOptions::new().write(true).open(root.file("show.wav")).unwrap().write_all(&header).unwrap();
        root.write("show.toml", "ended = true");
        let (rest, in_order) = received(answer, 0).await;
        assert!(rest.is_empty() && in_order, "size {size:#x}");
        assert!(body[WAV_HEADER..] == [first.clone(), second.clone()].concat(), "size {size:#x}");
        assert!(server.get("/audio/show.wav").await.body[WAV_HEADER..] == body[WAV_HEADER..]);
        is_alive(&server).await;
    }
}

/// The recorder closes it when it has long stood still, or has been said to have ended.
#[tokio::test(flavor = "multi_thread")]
async fn true_sizes_that_come_after_the_end_are_no_other_recording() {
    let pcm = long("wav");
    for (sidecar, is_looked_at) in
        [("ended = false", true), ("ended = true", true), ("ended = false", false), ("ended = true", false)]
    {
        let root = Root::new();
        root.write("show.wav", [wav_header(1, 2, 44_100, 16, u32::MAX), pcm.clone()].concat());
        root.touch("show.wav", SystemTime::now() - Duration::from_secs(60));
        root.write("show.toml", sidecar);
        let server = Running::start(&root).await;
        let mut answer = server.open("GET", "/audio/show.wav", &[]).await;
        let mut body = take(&mut answer, WAV_HEADER).await;
        let file = OpenOptions::new().write(true).open(root.file("show.wav")).unwrap();
        file.write_all_at(&wav_header(1, 2, 44_100, 16, pcm.len() as u32), 0).unwrap();
        if is_looked_at {
            let status = server.get("/recordings/show").await.json();
            assert_eq!(status["state"], "finished");
            let (rest, in_order) = received(answer, usize::MAX).await;
            body.extend(rest);
            assert!(in_order && body[WAV_HEADER..] == pcm, "`{sidecar}`: {} bytes", body.len());
            answer = server.open("GET", "/audio/show.wav", &[]).await;
        }
        // To where it was read after that.
        take(&mut answer, 4 << 20).await;
        // What is written then is no size any more.
        edit_to(&root.file("show.wav"), &other_sound(1_000));
        assert!(!received(answer, usize::MAX).await.1, "`{sidecar}`: it was edited");
        is_alive(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_behind_the_sound_are_not_served_as_sound() {
    let pcm = sound::noise(5000, 1, 3);
    let list = b"LIST\x0e\0\0\0INFOISFT\x02\0\0\0hi";
    let wav = [&wav_header(1, 1, 48_000, 16, pcm.len() as u32)[..], &pcm, list].concat();
    let (_root, server, reply) = served(&wav, "ended = true").await;
    assert_eq!(sound_of(&reply), (1, 48_000, 16, pcm.as_slice()));
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rf64_and_extensible_headers_are_understood() {
    let pcm: Vec<u8> = (0..6000).map(|i| (i * 7) as u8).collect();
    let fmt = &wav_header(1, 2, 96_000, 24, 0)[12..36];
    let size = (pcm.len() as u64).to_le_bytes();
    let mut rf64 = [&b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0"[..], &[0; 8], &size, &[0; 12]].concat();
    rf64.extend([fmt, b"data\xff\xff\xff\xff", &pcm].concat());

    let mut extensible = [&b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0"[..], &fmt[8..]].concat();
    extensible[20..22].copy_from_slice(&0xFFFEu16.to_le_bytes());
    extensible.extend(b"\x16\0\x18\0\x03\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
    extensible.extend([&b"data"[..], &(pcm.len() as u32).to_le_bytes(), &pcm].concat());

    for (wav, trailing) in [(&rf64, &b""[..]), (&extensible, b""), (&rf64, b"LIST\x04\0\0\0INFO")] {
        let (_root, server, reply) = served(&[wav, trailing].concat(), "ended = true").await;
        assert_eq!(sound_of(&reply), (2, 96_000, 24, pcm.as_slice()));
        is_alive(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_without_a_header_is_raw_sound() {
    let pcm = sound::noise(3000, 1, 4);
    let (_root, server, reply) = served(&pcm, "pcm = 's16le:11025:1'\nended = true").await;
    assert_eq!(sound_of(&reply), (1, 11_025, 16, pcm.as_slice()));
    let (_root, by_default, reply) = served(&pcm, "ended = true").await;
    assert_eq!(sound_of(&reply), (2, 48_000, 16, pcm.as_slice()));
    is_alive(&server).await;
    is_alive(&by_default).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endings_in_capitals_are_recordings_too() {
    let root = Root::new();
    let pcm = sound::noise(500, 1, 5);
    root.write("TAKE1.WAV", [wav_header(1, 1, 22_050, 16, pcm.len() as u32), pcm.clone()].concat());
    root.write("TAKE2.PCM", &pcm);
    root.write("TAKE2.toml", "pcm = 's16le:22050:1'");
    let server = Running::start(&root).await;
    let list = server.get("/recordings").await.text();
    for name in ["TAKE1", "TAKE2"] {
        assert!(list.contains(&format!("\"{name}\"")), "{list}");
        assert_eq!(
            sound_of(&server.get(&format!("/audio/{name}.wav")).await),
            (1, 22_050, 16, pcm.as_slice())
        );
    }
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_that_cannot_be_understood_is_a_problem_that_names_what() {
    for (wav, named) in [
        (wav_header(6, 1, 8_000, 8, 0), "0x0006"),
        (wav_header(0x55, 2, 44_100, 16, 0), "0x0055"),
        (wav_header(1, 1, 48_000, 64, 0), "64"),
        (wav_header(1, 0, 48_000, 16, 0), "0 channels"),
        (wav_header(1, 1, 1, 16, 0), "1"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0".to_vec(), "fmt"),
    ] {
        let (_root, server, reply) = served(&[wav, vec![0; 1000]].concat(), "").await;
        is_problem(&reply, 500, named);
        let list = server.get("/recordings").await.json();
        assert_eq!(list["unusable"][0]["name"], "show");
        is_alive(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_wav_whose_header_becomes_another_breaks_the_body_off() {
    let root = Root::new();
    root.write("show.wav", [wav_header(1, 2, 44_100, 16, 0), vec![5; 40_000]].concat());
    let server = patient(&root).await;
    let mut answer = server.open("GET", "/audio/show.wav", &[]).await;
    take(&mut answer, WAV_HEADER + 40_000).await;
    let header = wav_header(1, 2, 48_000, 16, 0);
    OpenOptions::new().write(true).open(root.file("show.wav")).unwrap().write_all(&header).unwrap();
    let (rest, in_order) = received(answer, 0).await;
    assert!(rest.is_empty() && !in_order);
    is_alive(&server).await;
}

/// Who writes a file anew empties it first.
#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_empty_for_a_moment_breaks_no_body_off() {
    let root = Root::new();
    // Not what a raw recording without a sidecar is taken for.
    root.growing("show", "s16le:8000:1", &sound::noise(8_000, 1, 3));
    let server = Running::start(&root).await;
    let mut answer = server.open("GET", "/audio/show.wav", &[]).await;
    let mut body = answer.take(80 + 16_000).await;
    root.write("show.toml", "");
    root.append("show.pcm", &sound::noise(8_000, 1, 4));
    // What is heard of that shows that the empty sidecar was looked at.
    body.extend(answer.take(16_000).await);
    root.end("show", "s16le:8000:1");
    body.extend(answer.rest().await.body);
    assert_eq!(body.len(), 80 + 32_000);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn looks_at_the_same_time_take_no_growing_recording_for_one_that_was_cut_short() {
    let root = Root::new();
    root.growing("show", PCM, &vec![1; SECOND]);
    let server = patient(&root).await;
    let mut listener = server.open("GET", "/audio/show.wav", &[]).await;
    take(&mut listener, WAV_HEADER + SECOND).await;
    let recorded = AtomicBool::new(false);
    let (server, done) = (&server, &recorded);
    let looking = (0..16).map(|_| async move {
        while !done.load(Ordering::Relaxed) {
            assert_eq!(server.head("/audio/show.wav").await.status, 200);
        }
    });
    let recording = async {
        for _ in 0..1000 {
            root.append("show.pcm", &[1; 176]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(futures_util::future::join_all(looking), recording);
    take(&mut listener, 176_000).await;
    is_alive(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_recordings_than_files_may_be_open_are_all_listed() {
    let root = Root::new();
    for number in 0..300 {
        root.write(&format!("{number}.pcm"), [0; 4]);
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100 && exec \"$0\" serve --listen 127.0.0.1:0 --root \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_tailcast")).arg(root.path());
    let server = Process::start(command, "http://");
    let list = Open::at(server.url("/recordings?limit=1000"), &[]).await.rest().await.json();
    assert_eq!(list["recordings"].as_array().unwrap().len(), 300);
    assert_eq!(list.get("unusable"), None, "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_recording_does_not_stay_open() {
    for found_out_by in ["/audio/show.wav", "/recordings", "/"] {
        let root = Root::new();
        root.finished("show", PCM, &vec![1; SECOND]);
        let server = Running::start(&root).await;
        assert_eq!(server.get("/audio/show.wav").await.status, 200);
        fs::remove_file(root.file("show.pcm")).unwrap();
        let reply = server.get(found_out_by).await;
        assert!(reply.status == 404 || !reply.text().contains("show.wav"), "{}", reply.text());
        let gone = format!("{} (deleted)", root.path().canonicalize().unwrap().join("show.pcm").display());
        eventually("the file is closed", || {
            let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
            !open
                .filter_map(|fd| fs::read_link(fd.path()).ok())
                .any(|path| path.display().to_string() == gone)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_not_opened_as_something_else_while_its_sidecar_is_being_written() {
    let root = Root::new();
    root.write("show.pcm", vec![1; SECOND]);
    root.write("show.toml", "");
    let server = Running::start(&root).await;
    let reply = server.get("/audio/show.wav").await;
    is_problem(&reply, 503, "just being written");
    assert_eq!(reply.header("retry-after"), Some("1"));
    root.write("show.toml", "pcm = 's16le:44100:1'\nended = true\n");
    assert_eq!(server.get("/audio/show.wav").await.body.len(), WAV_HEADER + SECOND);
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_too_long_to_be_read_is_taken_to_say_that_nobody_is_to_know() {
    let root = Root::new();
    root.write("show.pcm", vec![1; SECOND]);
    root.write("show.toml", format!("#{}\nended = true\n", " ".repeat(70_000)));
    let server = Running::start(&root).await;
    is_problem(&server.get("/audio/show.wav").await, 404, "show");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leaves_no_room_for_a_sidecars_is_a_name() {
    let root = Root::new();
    let name = "y".repeat(251);
    root.write(&format!("{name}.pcm"), vec![1; SECOND]);
    let server = Running::start(&root).await;
    assert_eq!(server.head(&format!("/audio/{name}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_from_a_clock_that_is_ahead_ends_in_the_list_as_well() {
    // More than are kept open.
    const MANY: usize = 300;
    let root = Root::new();
    let ahead = std::time::SystemTime::now() + Duration::from_secs(7200);
    for number in 0..MANY {
        let name = format!("{number}.pcm");
        root.write(&name, vec![1; 4]);
        root.touch(&name, ahead);
    }
    let server = Running::start(&root).await;
    let growing = || async {
        let list = server.get("/recordings?limit=1000").await.json();
        let recordings = list["recordings"].as_array().unwrap();
        assert_eq!(recordings.len(), MANY);
        recordings.iter().filter(|recording| recording["state"] == "growing").count()
    };
    assert_eq!(growing().await, MANY);
    for _ in 0..500 {
        if growing().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_recording_is_not_listed() {
    let root = Root::new();
    root.write("sub/show.pcm", [0; 4]);
    root.write(".hidden/show.pcm", [0; 4]);
    symlink("sub", root.file("link")).unwrap();
    Command::new("mkfifo").arg(root.file("pipe")).status().unwrap();
    let server = Running::start(&root).await;
    let list = server.get("/recordings").await.json();
    assert_eq!(list["recordings"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list.get("unusable"), None, "{list}");
}
