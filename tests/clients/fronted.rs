//! nginx before the server, as `packaging/nginx/tailcast.conf` has it: what has ended is kept, what grows is passed on.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::judge::{Desk, says};
use crate::stage::{Client, FORMATS, PCM, Recorder, finished, longer_than, seconds, server};
use crate::support::judged::Judged;
use crate::support::{Root, Running, eventually, wait};
use tailcast::access::{Grant, Key, Part, Settings, Tokens, TokensFor};
use tailcast::recording::RecordingName;

pub const TESTS: &[Judged] = &[
    Judged { name: "nginx_gives_what_has_ended_again_without_asking", judges: NEEDED, test: ended_is_kept },
    Judged {
        name: "nginx_passes_on_what_grows_and_keeps_nothing_of_it",
        judges: NEEDED,
        test: growing_is_not,
    },
    Judged { name: "nginx_keeps_clips_of_what_grows", judges: NEEDED, test: clips_are_kept },
    Judged { name: "nginx_keeps_nothing_of_what_has_only_stood_still", judges: NEEDED, test: still_is_not },
    Judged { name: "nginx_passes_events_on_at_once", judges: NEEDED, test: events },
    Judged { name: "nginx_gives_nobody_what_another_had_a_token_for", judges: NEEDED, test: passes },
    Judged { name: "nginx_passes_on_what_is_recorded_as_it_comes", judges: NEEDED, test: recorded },
    Judged { name: "nginx_passes_on_nothing_without_a_token", judges: NEEDED, test: not_recorded },
    Judged { name: "nginx_answers_to_ranges_and_conditions_as_the_server", judges: NEEDED, test: conditions },
];

const NEEDED: &[&str] = &["nginx", "openssl", "curl"];

/// The configuration as it is delivered, but for its addresses.
struct Front {
    desk: Desk,
    _nginx: Client,
}

impl Front {
    async fn before(server: &Running) -> Self {
        let desk = Desk::new();
        let path = |name: &str| desk.path(name).display().to_string();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=radio.example"]);
        says(openssl.arg("-keyout").arg(path("key")).arg("-out").arg(path("certificate")));
        let mut site = include_str!("../../packaging/nginx/tailcast.conf").to_owned();
        for (delivered, here) in [
            ("/etc/ssl/certs/radio.example.pem", path("certificate")),
            ("/etc/ssl/private/radio.example.key", path("key")),
            ("/var/cache/nginx/tailcast", path("cache")),
            ("server 127.0.0.1:8000;", format!("server {};", server.address)),
            ("listen 80;", format!("listen unix:{};", path("http"))),
            ("    listen [::]:80;\n", String::new()),
            ("listen 443 ssl http2;", format!("listen unix:{} ssl http2;", path("https"))),
            ("    listen [::]:443 ssl http2;\n", String::new()),
        ] {
            assert_eq!(site.matches(delivered).count(), 1, "{delivered}");
            site = site.replace(delivered, &here);
        }
        let site = desk.put("site", site.as_bytes()).display().to_string();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};", path(kind)))
            .concat();
        let main = format!(
            "daemon off; master_process off; pid {}; error_log {} info; events {{}}\n\
             http {{ access_log off; {temporary} include {site}; }}",
            path("pid"),
            path("log"),
        );
        let mut nginx = Command::new("nginx");
        nginx.arg("-e").arg(path("log")).arg("-c").arg(desk.put("main", main.as_bytes()));
        let nginx = Client::start(&desk, nginx);
        let socket = desk.path("https");
        eventually("nginx listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
        Self { desk, _nginx: nginx }
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sk", "--unix-socket"]).arg(self.desk.path("https")).args(arguments);
        curl.arg(format!("https://radio.example{path}"));
        curl
    }

    /// The status, the headers and the body.
    fn get(&self, path: &str, arguments: &[&str]) -> Told {
        let body = self.desk.put("body", b"");
        let head = says(self.curl(path, arguments).args(["-D", "-", "-o"]).arg(&body));
        Told { head: head.to_lowercase(), body: std::fs::read(body).unwrap() }
    }

    fn kept(&self) -> Vec<PathBuf> {
        files(self.desk.path("cache"))
    }
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
}

struct Told {
    head: String,
    body: Vec<u8>,
}

impl Told {
    fn status(&self) -> &str {
        self.head.split_whitespace().nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
    }
}

/// Of six slices: a part of two, the rest, and then all of it from a server that is no longer there.
fn ended_is_kept() {
    let root = finished(&seconds(30));
    wait(async {
        let server = server(&root).await;
        let front = Front::before(&server).await;
        for format in FORMATS {
            let path = format!("/audio/show.{format}");
            let whole = server.get(&path).await.body;
            let part = front.get(&path, &["-r", "200000-1300000"]);
            let there = &whole[200_000..whole.len().min(1_300_001)];
            assert_eq!((part.status(), part.header("x-cache")), ("206", Some("miss")), "{format}");
            assert!(part.body == there, "{format}");
            assert!(front.get(&path, &[]).body == whole, "{format}");
        }
        let whole = server.get("/audio/show.wav").await.body;
        assert!(whole.len() > 5 << 20);
        server.stop().await;
        let again = front.get("/audio/show.wav", &[]);
        assert_eq!((again.status(), again.header("x-cache")), ("200", Some("hit")));
        assert!(again.body == whole);
        let part = front.get("/audio/show.wav", &["-r", "1048575-1048576"]);
        assert_eq!((part.status(), part.header("x-cache")), ("206", Some("hit")));
        assert_eq!(part.body, whole[1_048_575..=1_048_576]);
    });
}

/// Each is asked for by who may, and then by who may not, and the other way round.
fn passes() {
    let root = finished(&seconds(3));
    root.write("secret.toml", format!("pcm = '{PCM}'\nended = true\nprivate = true"));
    root.write("secret.pcm", seconds(3));
    wait(async {
        for tokens_for in [TokensFor::All, TokensFor::Private] {
            let key = Key::parse(&[1; 32]).unwrap();
            let name = RecordingName::parse("secret").unwrap();
            let signed = key.sign(&Grant { name, part: Part::default(), expires: i64::MAX });
            let tokens = Some(Tokens::parse("token").unwrap());
            let access = Settings { tokens, tokens_for, key: Some(key) };
            let server = Running::with(&root, |config| config.access = access).await;
            let front = Front::before(&server).await;
            for _ in 0..2 {
                let path = "/audio/secret.mp3";
                let whole = front.get(path, &["-u", "me:token"]);
                assert_eq!((whole.status(), whole.header("x-cache")), ("200", None));
                assert_eq!(front.get(path, &[]).status(), "401");
                assert_eq!(front.get(path, &["-u", "me:other"]).status(), "401");
                let signed = front.get(&format!("{path}?{signed}"), &[]);
                assert!(signed.status() == "200" && signed.body == whole.body);
                assert_eq!(front.get(&format!("{path}?expires=1&sig=x"), &[]).status(), "403");
                let public = front.get("/audio/show.mp3", &[]);
                assert_eq!(public.status(), if tokens_for == TokensFor::All { "401" } else { "200" });
            }
            // The answer to what is asked first, and the slice.
            let kept = if tokens_for == TokensFor::All { 0 } else { 2 };
            assert_eq!(front.kept().len(), kept);
        }
    });
}

/// The listener has what was recorded before more is, and the whole in the end.
fn growing_is_not() {
    let sound = seconds(3);
    for format in FORMATS {
        let (root, path) = (Root::new(), format!("/audio/show.{format}"));
        let mut recorder = Recorder::begin(&root, &sound);
        wait(async {
            let server = server(&root).await;
            let front = Front::before(&server).await;
            let stayed = server.open("GET", &path, &[]).await;
            let file = front.desk.path("saved");
            let mut curl = front.curl(&path, &["-N"]);
            curl.arg("-o").arg(&file);
            let client = Client::start(&front.desk, curl);
            let mut there = server.get("/recordings/show").await.json();
            for _ in 0..3 {
                // What a range may be asked for is there for good: so much of it, at least, has to have come.
                let exists = there["formats"][format]["exists"].as_u64().unwrap();
                longer_than(&file, exists - 1).await;
                recorder.write_some();
                there = server.get("/recordings/show").await.json();
            }
            let part = front.get(&path, &["-r", "5000-5099"]);
            assert_eq!((part.status(), part.body.len(), part.header("x-cache")), ("206", 100, None));
            recorder.end().await;
            client.finish();
            assert!(std::fs::read(&file).unwrap() == stayed.rest().await.body, "{format}");
            assert_eq!(front.kept(), [""; 0].map(PathBuf::from));
        });
    }
}

fn clips_are_kept() {
    let root = Root::new();
    root.growing("live", PCM, &seconds(3));
    wait(async {
        let server = server(&root).await;
        let front = Front::before(&server).await;
        for format in FORMATS {
            let path = format!("/audio/live.{format}?pos=0.5&duration=1.5");
            let clip = server.get(&path).await.body;
            for found in ["miss", "hit"] {
                let told = front.get(&path, &[]);
                assert_eq!((told.status(), told.header("x-cache")), ("200", Some(found)), "{format}");
                assert!(told.body == clip, "{format}");
            }
        }
    });
}

/// It may go on.
fn still_is_not() {
    let root = Root::new();
    root.growing("live", PCM, &seconds(3));
    wait(async {
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(200)).await;
        let front = Front::before(&server).await;
        // To its end; what is asked for after that is told how long it is.
        server.get("/audio/live.mp3").await;
        let whole = server.get("/audio/live.mp3").await.body;
        for _ in 0..2 {
            let told = front.get("/audio/live.mp3", &[]);
            assert_eq!((told.status(), told.header("x-cache")), ("200", None));
            assert!(told.body == whole);
        }
        assert_eq!(front.kept(), [""; 0].map(PathBuf::from));
    });
}

fn events() {
    let sound = seconds(3);
    let root = Root::new();
    let mut recorder = Recorder::begin(&root, &sound);
    wait(async {
        let server = server(&root).await;
        let front = Front::before(&server).await;
        let file = front.desk.path("saved");
        let mut curl = front.curl("/recordings/show/events", &["-N"]);
        curl.arg("-o").arg(&file);
        let _client = Client::start(&front.desk, curl);
        let events = || std::fs::read_to_string(&file).unwrap_or_default().matches("event: status").count();
        eventually("it is told how it is", || events() == 1).await;
        recorder.write_some();
        eventually("it is told that it has grown", || events() == 2).await;
    });
}

fn conditions() {
    let root = finished(&seconds(3));
    root.growing("live", PCM, &seconds(1));
    wait(async {
        let server = server(&root).await;
        let front = Front::before(&server).await;
        let whole = server.get("/audio/show.mp3").await;
        let tag = whole.header("etag").unwrap().to_owned();
        let (none_match, if_range) = (format!("If-None-Match: {tag}"), format!("If-Range: {tag}"));
        let get = |path: &str, arguments: &[&str]| front.get(&format!("/audio/{path}"), arguments);
        // Not known yet, and known.
        for _ in 0..2 {
            let past = get("show.mp3", &["-r", "99999999-"]);
            assert_eq!(past.status(), "416");
            assert_eq!(past.header("content-range"), Some(format!("bytes */{}", whole.body.len()).as_str()));
            let head = get("show.mp3", &["-I"]);
            assert_eq!((head.status(), head.header("etag")), ("200", Some(tag.as_str())));
            assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
            assert_eq!(get("show.mp3", &["-H", &none_match]).status(), "304");
            assert_eq!(get("show.mp3", &["-H", "If-Match: \"another\""]).status(), "412");
            let last = get("show.mp3", &["-r", "-10", "-H", &if_range]);
            assert_eq!((last.status(), &last.body[..]), ("206", &whole.body[whole.body.len() - 10..]));
            let several = get("show.mp3", &["-r", "0-9,20-29"]);
            assert_eq!((several.status(), several.body == whole.body), ("200", true));
            let changed = get("show.mp3", &["-r", "-10", "-H", "If-Range: \"another\""]);
            assert_eq!((changed.status(), changed.body == whole.body), ("200", true));
        }
        assert_eq!(get("live.mp3", &["-H", "If-Match: \"another\""]).status(), "412");
        assert_eq!(get("live.mp3", &["-H", "If-None-Match: *"]).status(), "304");
        let moved = get("live.mp3?pos=live", &["-r", "0-"]);
        assert_eq!((moved.status(), moved.header("location")), ("307", Some("?pos=1.000000000")));
        let told = async |path: &str| server.head(path).await.header("x-accel-buffering").map(str::to_owned);
        assert_eq!(told("/audio/live.mp3").await.as_deref(), Some("no"));
        assert_eq!(told("/audio/show.mp3").await, None);
        let refused = get("show.mp3?pos=soon", &[]);
        assert_eq!(refused.status(), "400");
        assert!(String::from_utf8_lossy(&refused.body).contains("`soon`"));
        assert_eq!(get("none.mp3", &[]).status(), "404");
        // No listener's business.
        assert_eq!(front.get("/healthz", &[]).status(), "200");
        assert_eq!(front.get("/metrics", &[]).status(), "404");
    });
}

fn recorded() {
    let (root, sound) = (Root::new(), seconds(2));
    wait(async {
        let tokens = Tokens::parse("secret").unwrap();
        let server = Running::with(&root, |config| config.ingest.tokens = Some(tokens)).await;
        let front = Front::before(&server).await;
        let mut curl = front.curl("/audio/show?pcm=s16le:48000:2", &["-f", "-T", "-", "-u", "source:secret"]);
        let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut pipe = curl.stdin.take().unwrap();
        for (number, part) in sound.chunks(sound.len() / 4).enumerate() {
            pipe.write_all(part).unwrap();
            longer_than(&root.file("show.pcm"), (sound.len() / 4 * number + 1000) as u64).await;
        }
        drop(pipe);
        assert!(curl.wait().unwrap().success());
        assert!(std::fs::read(root.file("show.pcm")).unwrap() == sound);
        assert!(front.get("/audio/show.wav", &[]).body.ends_with(&sound));
        let go = ["-f", "-X", "DELETE", "-u", "source:secret"];
        assert_eq!(front.get("/audio/show", &go).status(), "204");
    });
}

fn not_recorded() {
    let root = finished(&seconds(1));
    wait(async {
        let server = server(&root).await;
        let front = Front::before(&server).await;
        for method in ["PUT", "POST", "DELETE"] {
            let told = front.get("/audio/show", &["-X", method, "-H", "Host: localhost", "-d", "sound"]);
            assert_eq!(told.status(), "403", "{method}");
        }
        assert!(root.file("show.pcm").exists());
    });
}
