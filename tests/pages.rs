//! The pages as they come from the server: what is there without a script, and that nothing foreign runs in them.
//! (What the scripts do is tried in real browsers: `tests/browser`.)

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::{Reply, Root, Running};

const PCM: &str = "s16le:44100:2";

/// The address of a page's script or style.
fn asset<'a>(page: &'a str, name: &str) -> &'a str {
    let end = page.find(&format!("/{name}\"")).unwrap_or_else(|| panic!("no {name} in {page}"));
    let start = page[..end].rfind('"').unwrap() + 1;
    &page[start..=end + name.len()]
}

fn is_html(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    // With `no-store` no browser would have it at once when one comes back.
    assert_eq!(reply.header("cache-control"), Some(if status == 200 { "no-cache" } else { "no-store" }));
    assert_eq!(reply.header("retry-after"), (status == 503).then_some("1"));
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') || policy.ends_with("frame-ancestors *"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_what_there_is_and_runs_nothing_that_a_title_says() {
    let root = Root::new();
    root.finished("show", PCM, &[0; 44_100 * 4]);
    root.growing("sub/live", PCM, &[0; 4000]);
    root.write("sub/live.toml", "pcm = 's16le:44100:2'\ntitle = '<script>alert(1)</script>'");
    root.write("broken.pcm", [0; 4]);
    root.write("broken.toml", "pcm = '\"><script>'");
    let server = Running::start(&root).await;
    let reply = server.get("/").await;
    is_html(&reply, 200);
    let page = reply.text();
    assert!(page.contains("href=\"/play/show\"") && page.contains("href=\"/play/sub/live\""));
    assert!(page.contains("0:00:01") && page.contains("3 recordings"));
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;alert"));
    assert_eq!(page.matches("<span class=\"live\">").count(), 1, "{page}");
    assert_eq!(page.matches("<span class=\"live\" hidden>").count(), 1, "{page}");
    assert_eq!(
        reply.header("cache-control"),
        Some("no-cache"),
        "else no browser has it at once when one comes back"
    );
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_one_goes_from_page_to_page_and_back_to_the_first() {
    let root = Root::new();
    for number in 0..5 {
        root.finished(&format!("show {number}"), PCM, &[0; 4000]);
    }
    let server = Running::start(&root).await;
    let link = |page: &str, text: &str| {
        let (before, _) = page.split_once(&format!(">{text}</a>"))?;
        let (_, path) = before.rsplit_once("href=\"")?;
        Some(path.trim_end_matches('"').replace("&amp;", "&"))
    };
    let (mut path, mut rows) = ("/?limit=2&q=SHOW".to_owned(), 0);
    for number in 0..3 {
        let page = server.get(&path).await.text();
        rows += page.matches("<li ").count();
        let first = link(&page, "To the newest");
        assert_eq!(first.as_deref(), (number > 0).then_some("/?q=SHOW&limit=2"), "{page}");
        match link(&page, "Show more") {
            Some(next) => path = next,
            None => assert_eq!(number, 2, "{page}"),
        }
    }
    assert_eq!(rows, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_there_is_sound_and_there_are_files() {
    let root = Root::new();
    root.growing("sub/a \"b\" & c", PCM, &[0; 4000]);
    let server = Running::start(&root).await;
    let reply = server.get("/play/sub/a%20%22b%22%20%26%20c").await;
    is_html(&reply, 200);
    let page = reply.text();
    let plain = &page[page.find("<noscript>").unwrap()..page.find("</noscript>").unwrap()];
    for format in ["mp3", "opus", "wav"] {
        let path = format!("/audio/sub/a%20%22b%22%20%26%20c.{format}");
        assert!(plain.contains(&format!("href=\"{path}\"")), "{plain}");
        assert_eq!(server.head(&path).await.status, 200);
    }
    assert!(plain.contains("<audio controls preload=\"none\" src=\"/audio/sub/"));
    assert!(page.contains("<div id=\"player\" hidden>"), "what needs a script is hidden until there is one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_had_says_why_in_words() {
    let root = Root::new();
    root.write("broken.pcm", [0; 4]);
    root.write("broken.toml", "pcm = 's17le:44100:2'");
    root.write("early.wav", "RIFF");
    let server = Running::start(&root).await;
    for (path, status, said) in [
        ("/play/none", 404, "`none`"),
        ("/play/broken", 500, "s17le"),
        ("/play/early", 503, "header"),
        ("/play/..%2Fsecret", 404, "cannot be the name"),
        ("/?limit=0", 400, "`0`"),
        ("/?after=x", 400, "`x`"),
    ] {
        let reply = server.get(path).await;
        is_html(&reply, status);
        assert!(reply.text().contains(said), "{path}: {}", reply.text());
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_and_styles_may_be_kept_for_good_and_an_older_pages_are_gone() {
    let root = Root::new();
    root.finished("show", PCM, &[0; 4000]);
    let server = Running::start(&root).await;
    let page = server.get("/play/show").await.text();
    for (name, media_type) in
        [("play.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg")]
    {
        let path = asset(&page, name);
        let reply = server.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.header("content-type").unwrap().starts_with(media_type));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(reply.body, fs::read(format!("web/{name}")).unwrap());
        let version = path.split('/').nth(2).unwrap();
        assert_eq!(server.get(&path.replace(version, "0123456789ab")).await.status, 404);
    }
    assert_eq!(server.get("/assets/x/..%2Fmain.rs").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_page_loads_is_served_and_all_of_it_is_small() {
    let root = Root::new();
    root.growing("show", PCM, &[0; 44_100 * 4]);
    let server = Running::start(&root).await;
    let mut served = BTreeSet::new();
    for path in ["/", "/play/show"] {
        let page = server.get(path).await.text();
        let mut bytes = page.len();
        let mut paths: Vec<String> =
            page.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned).collect();
        let mut loaded = BTreeSet::new();
        while let Some(path) = paths.pop() {
            let (folder, name) = path.rsplit_once('/').unwrap();
            if !loaded.insert(name.to_owned()) {
                continue;
            }
            let reply = server.get(&path).await;
            assert_eq!(reply.status, 200, "{path}");
            let text = reply.text();
            bytes += text.len();
            let imports = text.lines().filter(|line| line.starts_with("import "));
            let names = imports.map(|line| line.rsplit('\'').nth(1).unwrap().trim_start_matches("./"));
            paths.extend(names.map(|name| format!("{folder}/{name}")));
        }
        assert!(bytes < 61_000, "{bytes} bytes of {path}");
        served.append(&mut loaded);
    }
    let written: BTreeSet<String> =
        fs::read_dir("web").unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(served, written, "what no page loads nobody needs");
}
