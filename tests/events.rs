//! Events: what is told of a recording and of the list while they change, and that it ends when it should.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Open, Root, Running};

const PCM: &str = "s16le:8000:1";
const TENTH: usize = 1600;

/// Events of a stream, one by one, with their names.
struct Events {
    open: Open,
    text: String,
}

impl Events {
    async fn of(server: &Running, path: &str) -> Self {
        let open = server.open("GET", path, &[]).await;
        assert_eq!(open.status, 200);
        assert_eq!(open.headers["content-type"], "text/event-stream");
        assert_eq!(open.headers["cache-control"], "no-store");
        Self { open, text: String::new() }
    }

    /// `None` when the stream has ended in order.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned)
                };
                let found = field("event:").zip(field("data:"));
                self.text = rest.to_owned();
                if let Some((name, data)) = found {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let piece = self.open.next().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The first event that fits.
    async fn find(&mut self, fits: impl Fn(&str, &Value) -> bool) -> Value {
        let found = async {
            loop {
                let (name, data) = self.next().await.expect("the stream ended");
                if fits(&name, &data) {
                    return data;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("it was never told")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recordings_growth_and_end_are_told_as_they_happen() {
    let root = Root::new();
    root.growing("sub/show", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    let mut events = Events::of(&server, "/recordings/sub/show/events").await;
    let (name, first) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &first["frames"], &first["state"]),
        ("status", &800.into(), &"growing".into())
    );
    root.append("sub/show.pcm", &[0; TENTH]);
    let grown = events.find(|_, data| data["frames"] == 1600).await;
    assert_eq!(grown["live_edge"], 0.2);
    root.write("sub/show.toml", format!("pcm = \"{PCM}\"\ntitle = \"The show\"\n"));
    events.find(|_, data| data["title"] == "The show" && data["frames"] == 1600).await;
    root.end("sub/show", PCM);
    let ended = events.find(|_, data| data["state"] == "finished").await;
    assert_eq!((&ended["end"], &ended["duration"]), (&"declared".into(), &0.2.into()));
    // It goes on being told: a recording may go on after all.
    root.growing("sub/show", PCM, &[0; 3 * TENTH]);
    events.find(|_, data| data["state"] == "growing" && data["frames"] == 2400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_at_most_five_a_second_however_often_the_recorder_writes() {
    let root = Root::new();
    root.growing("show", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    let mut events = Events::of(&server, "/recordings/show/events").await;
    let begun = Instant::now();
    let writing = tokio::spawn(async move {
        for _ in 0..600 {
            root.append("show.pcm", &[0; 16]);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        root
    });
    let mut count = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        events.next().await.unwrap();
        count += 1;
    }
    drop(writing.await.unwrap());
    // One at once, five in each second, and the one that ended the time.
    assert!((4..=17).contains(&count), "{count} in three seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_recording_is_told_and_ends_its_events() {
    let root = Root::new();
    root.growing("show", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    let mut events = Events::of(&server, "/recordings/show/events").await;
    events.next().await.unwrap();
    std::fs::remove_file(root.file("show.pcm")).unwrap();
    let lost = events.find(|name, _| name == "lost").await;
    assert!(lost["detail"].as_str().unwrap().contains("removed"), "{lost}");
    assert_eq!(events.next().await, None);
    assert_eq!(server.get("/recordings/show/events").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_in_the_list_is_told_and_nothing_else() {
    let root = Root::new();
    root.finished("old", PCM, &[0; TENTH]);
    root.growing("show", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    let mut events = Events::of(&server, "/events").await;
    let name_of = |data: &Value| data["recordings"][0]["name"].as_str().map(str::to_owned);
    root.append("show.pcm", &[0; TENTH]);
    let changed =
        events.find(|name, data| name == "changes" && data["recordings"][0]["frames"] == 1600).await;
    assert_eq!((name_of(&changed).as_deref(), &changed["total"]), (Some("show"), &2.into()));
    assert_eq!(changed["recordings"].as_array().unwrap().len(), 1, "the other has not changed: {changed}");
    // Nobody writes any more: that it has ended is news as well.
    events.find(|_, data| data["recordings"][0]["state"] == "finished").await;
    root.finished("new", PCM, &[0; TENTH]);
    let added = events.find(|_, data| name_of(data).as_deref() == Some("new")).await;
    assert_eq!(added["total"], 3);
    std::fs::remove_file(root.file("old.pcm")).unwrap();
    let gone = events.find(|_, data| data["gone"][0] == "old").await;
    assert_eq!(gone["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_and_changes_back_is_told_if_the_list_was_asked_for_meanwhile() {
    let root = Root::new();
    root.finished("show", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    let mut events = Events::of(&server, "/events").await;
    let good = std::fs::read(root.file("show.toml")).unwrap();
    root.write("show.toml", "pcm = 5");
    let list: Value = serde_json::from_str(&server.get("/recordings").await.text()).unwrap();
    assert_eq!(list["unusable"][0]["name"], "show", "{list}");
    root.write("show.toml", &good);
    events.find(|_, data| data["recordings"][0]["name"] == "show").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_that_name_is_one_and_another_s_events_are_events() {
    let root = Root::new();
    root.finished("show/events", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    assert_eq!(server.get("/recordings/show/events").await.json()["name"], "show/events");
    assert_eq!(server.get("/recordings/none/events").await.status, 404);
    assert_eq!(server.get("/recordings/events").await.status, 404);
    root.finished("show", PCM, &[0; TENTH]);
    let (_, told) = Events::of(&server, "/recordings/show/events").await.next().await.unwrap();
    assert_eq!(told["name"], "show");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_end_when_the_server_stops() {
    let root = Root::new();
    root.growing("show", PCM, &[0; TENTH]);
    let server = Running::start(&root).await;
    let mut of_one = Events::of(&server, "/recordings/show/events").await;
    let mut of_list = Events::of(&server, "/events").await;
    of_one.next().await.unwrap();
    server.stop().await;
    while of_one.next().await.is_some() {}
    while of_list.next().await.is_some() {}
}
