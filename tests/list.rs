//! The list of recordings: its order, its pages, its search, and that it opens nothing twice.

mod support;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Root, Running, is_problem};

const PCM: &str = "s16le:8000:1";

fn names(list: &Value) -> Vec<String> {
    let recordings = list["recordings"].as_array().unwrap();
    recordings.iter().map(|recording| recording["name"].as_str().unwrap().to_owned()).collect()
}

/// A recording that has ended, with a title and a start.
fn write(root: &Root, name: &str, title: &str, started: &str) {
    root.write(
        &format!("{name}.toml"),
        format!("pcm = '{PCM}'\ntitle = '{title}'\nstarted = '{started}'\nended = true\n"),
    );
    root.write(&format!("{name}.pcm"), [0; 16]);
}

async fn list(server: &Running, query: &str) -> Value {
    let reply = server.get(&format!("/recordings{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// All pages of a query, joined.
async fn all_pages(server: &Running, query: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(server, &format!("?{query}{after}")).await;
        found.extend(names(&page));
        let Some(next) = page["next"].as_str() else { return found };
        after = format!("&after={}", tailcast::routes::summary::escape(next));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_is_first_whatever_zone_its_start_is_written_in() {
    let root = Root::new();
    write(&root, "first", "", "2026-01-01T10:00:00+02:00");
    write(&root, "second", "", "2026-01-01T08:30:00Z");
    write(&root, "third", "", "2026-01-01T05:00:00-05:00");
    // Without a start it is as old as its file says it must be: of just now.
    root.growing("now", PCM, &[0; 16]);
    let server = Running::start(&root).await;
    assert_eq!(names(&list(&server, "").await), ["now", "third", "second", "first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_joined_are_the_list_even_if_what_a_page_ended_with_has_gone() {
    let root = Root::new();
    for number in 0..25 {
        // Several begin at once, and are told apart by their names.
        write(&root, &format!("show {number:02}"), "", &format!("2026-01-{:02}T00:00:00Z", 1 + number / 3));
    }
    let server = Running::start(&root).await;
    let whole = names(&list(&server, "").await);
    assert_eq!(whole.len(), 25);
    for limit in [1, 2, 7, 25, 1000] {
        assert_eq!(all_pages(&server, &format!("limit={limit}")).await, whole, "limit={limit}");
    }
    let page = list(&server, "?limit=10").await;
    assert_eq!(page["total"], 25);
    std::fs::remove_file(root.file(&format!("{}.pcm", whole[9]))).unwrap();
    let after = tailcast::routes::summary::escape(page["next"].as_str().unwrap());
    assert_eq!(names(&list(&server, &format!("?after={after}")).await), whole[10..]);
    assert_eq!(list(&server, "?limit=25").await.get("next"), None, "24 are left, on one page");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_joined_are_the_list_while_recorders_write_and_pause() {
    let root = Root::new();
    let started = SystemTime::now() - Duration::from_secs(60);
    let names_of = |letter| (0..4).map(move |number| format!("{letter}{number}"));
    let all: Vec<String> = names_of('a').chain(names_of('b')).collect();
    for (number, name) in all.iter().enumerate() {
        root.write(&format!("{name}.pcm"), vec![1; 96_000]);
        root.touch(&format!("{name}.pcm"), started + Duration::from_millis(number as u64));
    }
    let server = Running::start(&root).await;
    let whole = names(&list(&server, "").await);
    let (mut found, mut after) = (Vec::new(), String::new());
    // Each has written a block since the last page, some after a pause.
    for written in 1.. {
        let page = list(&server, &format!("?limit=2{after}")).await;
        found.extend(names(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", tailcast::routes::summary::escape(next));
        for (number, name) in all.iter().enumerate() {
            root.append(&format!("{name}.pcm"), &[1; 960]);
            root.touch(
                &format!("{name}.pcm"),
                started + Duration::from_secs(written + (number as u64 * 7) % 5),
            );
        }
    }
    assert_eq!(found, whole);
    assert_eq!(names(&list(&server, "").await), whole);
    // Another recording in that place begins when it does.
    root.write("a0.pcm", [1; 4]);
    assert_eq!(names(&list(&server, "").await)[0], "a0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_yet_stays_in_its_place_and_a_dead_link_hides_nothing() {
    let root = Root::new();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    root.write("early.wav", "RIFF");
    root.write("linked.wav", [1; 4000]);
    std::os::unix::fs::symlink("/nonexistent", root.file("linked.pcm")).unwrap();
    for (number, name) in ["early.wav", "linked.wav"].iter().enumerate() {
        root.touch(name, hour_ago - Duration::from_secs(number as u64));
    }
    root.write("now.pcm", [1; 4]);
    let server = Running::start(&root).await;
    let first = list(&server, "?limit=1").await;
    assert_eq!(names(&first), ["now"]);
    root.append("linked.wav", &[1; 4000]);
    root.append("early.wav", &[1; 4]);
    let after = tailcast::routes::summary::escape(first["next"].as_str().unwrap());
    let second = list(&server, &format!("?after={after}")).await;
    assert_eq!((names(&second), &second["unusable"][0]["name"]), (vec!["linked".into()], &"early".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_recorder_whose_clock_is_behind_still_writes_is_growing() {
    let root = Root::new();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    root.write("show.pcm", [1; 4000]);
    root.touch("show.pcm", hour_ago);
    let server = Running::start(&root).await;
    assert_eq!(list(&server, "").await["recordings"][0]["state"], "finished", "as far as can be known");
    // Its header written again, or cut and begun anew: not longer, but not as it was.
    for (number, length) in [(1, 4000), (2, 4000), (3, 400), (4, 800)] {
        root.write("show.pcm", vec![1; length]);
        root.touch("show.pcm", hour_ago + Duration::from_secs(number));
        assert_eq!(list(&server, "").await["recordings"][0]["state"], "growing", "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_a_folder_is_seen_by_the_list_too() {
    let root = Root::new();
    root.finished("show", PCM, &[0; 16]);
    let server = Running::start(&root).await;
    assert_eq!(names(&list(&server, "").await), ["show"]);
    std::fs::remove_file(root.file("show.toml")).unwrap();
    std::fs::create_dir(root.file("show.toml")).unwrap();
    assert_eq!(list(&server, "").await["unusable"][0]["name"], "show");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_is_found_as_far_as_it_is_typed_with_or_without_accents() {
    let root = Root::new();
    for (name, title) in
        [("a", "ΜΑΓΟΣΑ"), ("b", "İSTANBUL Straße"), ("e", "STRAẞE"), ("c", "cafe\u{301}"), ("d", "हिन्दी")]
    {
        write(&root, name, title, "2026-03-01T00:00:00Z");
    }
    let server = Running::start(&root).await;
    for (q, found) in [
        ("ΜΑΓΟΣ", vec!["a"]),
        ("μαγος", vec!["a"]),
        ("istanbul", vec!["b"]),
        ("STRASSE", vec!["b", "e"]),
        ("straße", vec!["b", "e"]),
        ("STRAẞE", vec!["b", "e"]),
        ("café", vec!["c"]),
        ("CAFE", vec!["c"]),
        ("हिन", vec!["d"]),
        ("हन", vec![]),
    ] {
        let q = tailcast::routes::summary::escape(q);
        assert_eq!(names(&list(&server, &format!("?q={q}")).await), found, "{q}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_is_looked_for_in_title_and_name_in_any_case() {
    let root = Root::new();
    write(&root, "court/2026-03", "Müller against Maier", "2026-03-01T00:00:00Z");
    write(&root, "court/2026-04", "Schmidt against Maier", "2026-04-01T00:00:00Z");
    root.write("court/broken.pcm", [0; 4]);
    root.write("court/broken.toml", "pcm = 'x'");
    let server = Running::start(&root).await;
    for (q, found) in [
        ("maier", vec!["court/2026-04", "court/2026-03"]),
        ("M%C3%9CLLER+court", vec!["court/2026-03"]),
        ("maier+2026-04", vec!["court/2026-04"]),
        ("maier+nobody", vec![]),
        ("+", vec!["court/2026-04", "court/2026-03"]),
    ] {
        assert_eq!(names(&list(&server, &format!("?q={q}")).await), found, "{q}");
    }
    let broken = list(&server, "?q=broken").await;
    assert_eq!((&broken["total"], &broken["unusable"][0]["name"]), (&1.into(), &"court/broken".into()));
    assert_eq!(all_pages(&server, "q=maier&limit=1").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_none_is_named_with_its_value() {
    let server = Running::start(&Root::new()).await;
    for (query, parameter, value) in [
        ("limit=0", "limit", "`0`"),
        ("limit=1001", "limit", "`1001`"),
        ("limit=x", "limit", "`x`"),
        ("limit=-1", "limit", "`-1`"),
        ("after=nonsense", "after", "`nonsense`"),
        ("after=1:..%2Fx", "after", "`1:../x`"),
        ("after=99999999999999999999:a", "after", "`99999999999999999999:a`"),
    ] {
        let reply = server.get(&format!("/recordings?{query}")).await;
        is_problem(&reply, 400, value);
        assert_eq!(reply.json()["parameter"], parameter, "{query}");
    }
    assert_eq!(list(&server, "?unknown=1").await["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_words_are_searched_for_and_no_more() {
    let root = Root::new();
    write(&root, "show", "aa ab ac", "2026-01-01T10:00:00Z");
    let server = Running::start(&root).await;
    let words = |count: usize| (0..count).map(|word| format!("w{word}")).collect::<Vec<_>>().join("+");
    assert_eq!(list(&server, &format!("?q={}", words(32))).await["total"], 0);
    assert_eq!(list(&server, &format!("?q={}", ["aa"; 200].join("+"))).await["total"], 1);
    let reply = server.get(&format!("/recordings?q={}", words(33))).await;
    is_problem(&reply, 400, "33 words");
    assert_eq!(reply.json()["parameter"], "q");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_file_is_in_the_next_list() {
    let root = Root::new();
    write(&root, "show", "Old", "2026-01-01T00:00:00Z");
    let server = Running::start(&root).await;
    let first = list(&server, "").await["recordings"][0].clone();
    assert_eq!((&first["title"], &first["frames"]), (&"Old".into(), &8.into()));
    // Longer, then shorter, under another title, of another format, replaced by a file of the same length, gone.
    root.append("show.pcm", &[0; 16]);
    assert_eq!(list(&server, "").await["recordings"][0]["frames"], 16);
    root.write("show.pcm", [1; 8]);
    assert_eq!(list(&server, "").await["recordings"][0]["frames"], 4);
    write(&root, "show", "New", "2026-01-01T00:00:00Z");
    assert_eq!(list(&server, "").await["recordings"][0]["title"], "New");
    root.write("show.toml", "pcm = 's16le:8000:2'\nended = true");
    assert_eq!(list(&server, "").await["recordings"][0]["pcm"]["channels"], 2);
    root.write("show.toml", "pcm = 'x'");
    assert_eq!(list(&server, "").await["unusable"][0]["name"], "show");
    std::fs::remove_file(root.file("show.toml")).unwrap();
    assert_eq!(list(&server, "").await["recordings"][0]["pcm"]["rate"], 48_000);
    std::fs::remove_file(root.file("show.pcm")).unwrap();
    assert_eq!(list(&server, "").await["total"], 0);
    write(&root, "show", "Again", "2026-01-01T00:00:00Z");
    assert_eq!(list(&server, "").await["recordings"][0]["title"], "Again");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_are_asked_for_while_recordings_come_and_go_have_each_once() {
    let root = Root::new();
    for number in 0..50 {
        write(&root, &format!("show{number:03}"), "", "2026-01-01T00:00:00Z");
    }
    let server = std::sync::Arc::new(Running::start(&root).await);
    let asking = (0..4).map(|_| {
        let server = std::sync::Arc::clone(&server);
        tokio::spawn(async move {
            for _ in 0..25 {
                let found = names(&list(&server, "?limit=1000").await);
                let once: HashSet<&String> = found.iter().collect();
                assert_eq!(once.len(), found.len());
                assert!(found.len() >= 50, "{}", found.len());
            }
        })
    });
    let asking: Vec<_> = asking.collect();
    for number in 50..150 {
        write(&root, &format!("show{number:03}"), "", "2026-01-01T00:00:00Z");
        tokio::task::yield_now().await;
    }
    for asked in asking {
        asked.await.unwrap();
    }
    assert_eq!(list(&server, "?limit=1000").await["total"], 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_behind_a_link_and_one_that_was_emptied_are_as_they_are_now() {
    let root = Root::new();
    root.write("shared.txt", "title = 'Old'\nended = true");
    root.write("sub/show.pcm", [0; 16]);
    std::os::unix::fs::symlink("../shared.txt", root.file("sub/show.toml")).unwrap();
    write(&root, "emptied", "Old", "2026-01-01T00:00:00Z");
    let server = Running::start(&root).await;
    let titles = || async {
        let list = list(&server, "").await;
        let recordings = list["recordings"].as_array().unwrap().clone();
        recordings.iter().map(|recording| recording["title"].clone()).collect::<Vec<_>>()
    };
    server.get("/recordings/emptied").await;
    assert_eq!(titles().await, ["Old", "Old"]);
    root.write("shared.txt", "title = 'New'\nended = true");
    root.write("emptied.toml", "");
    titles().await;
    for _ in 0..300 {
        if titles().await.iter().all(|title| *title != "Old") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?}", titles().await);
}

/// As when a thousand pages come back after a restart: whoever listens meanwhile is not to notice.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_are_told_by_a_few_looks_and_take_nobodys_threads() {
    let root = Root::new();
    for number in 0..300 {
        write(&root, &format!("show{number:03}"), "", "2026-01-01T00:00:00Z");
    }
    let catalogue = tailcast::recording::Catalogue::open(
        root.path(),
        PCM.parse().unwrap(),
        std::time::Duration::from_secs(2),
    )
    .unwrap();
    let asking: Vec<_> = (0..2000)
        .map(|_| {
            let catalogue = catalogue.clone();
            tokio::spawn(async move { catalogue.list().await.unwrap() })
        })
        .collect();
    let mut lists = Vec::new();
    for asked in asking {
        lists.push(asked.await.unwrap());
    }
    let looks: HashSet<_> = lists.iter().map(|list| list.as_ptr()).collect();
    assert!(looks.len() < 20, "{} looks", looks.len());
}
