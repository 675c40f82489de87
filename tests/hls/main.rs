//! HTTP Live Streaming: playlists judged by the rules, and files that are the canonical packets.

#[path = "../support/mod.rs"]
mod support;
mod validator;

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use reqwest::header::HeaderMap;
use support::{Reply, Root, Running, is_problem, sound};
use tailcast_codecs::{Cut, Grid};
use validator::{
    Media, Multivariant, Playlist, PlaylistType, apply_delta, check_media, check_multivariant, check_update,
    parse,
};

const STEREO: &str = "s16le:48000:2";
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Bytes of the tag before the packets of an MP3 segment.
const TAG: usize = 73;

/// What is wrong with a playlist, but for what is only advice, or what a server for growing recordings has reasons for.
fn complaints(all: Vec<String>) -> Vec<String> {
    const MEANT: [&str; 2] = [
        // Before the first segment: it will be so with that.
        "the version is 3, and 1 would do",
        // It was asked for.
        "EXT-X-START is within three target durations of the end",
    ];
    let is_meant = |complaint: &String| MEANT.iter().any(|meant| complaint.contains(meant));
    all.into_iter().filter(|complaint| !complaint.starts_with("ADVICE") && !is_meant(complaint)).collect()
}

/// What is wrong with a playlist of segments. (All parts of a segment go at once, when the last of them has to.)
fn media_complaints(media: &Media) -> Vec<String> {
    let most = media.segments.iter().map(|segment| segment.parts.len()).max().unwrap_or(0);
    let last = format!("part {} of", most.saturating_sub(1));
    let lingers = |complaint: &String| complaint.contains("not removed") && !complaint.contains(&last);
    complaints(check_media(media)).into_iter().filter(|complaint| !lingers(complaint)).collect()
}

#[track_caller]
fn media(reply: &Reply) -> Media {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/vnd.apple.mpegurl"));
    match parse(&reply.text()).unwrap_or_else(|wrong| panic!("{wrong:#?}\n{}", reply.text())) {
        Playlist::Media(media) => media,
        Playlist::Multivariant(_) => panic!("not a media playlist"),
    }
}

#[track_caller]
fn in_order(reply: &Reply) -> Media {
    let media = media(reply);
    assert_eq!(media_complaints(&media), [""; 0], "{}", reply.text());
    media
}

#[track_caller]
fn multivariant(reply: &Reply) -> Multivariant {
    match parse(&reply.text()).unwrap_or_else(|wrong| panic!("{wrong:#?}\n{}", reply.text())) {
        Playlist::Multivariant(playlist) => {
            assert_eq!(complaints(check_multivariant(&playlist)), [""; 0], "{}", reply.text());
            playlist
        }
        Playlist::Media(_) => panic!("not a multivariant playlist"),
    }
}

/// That a playlist may come after another. A recording's end makes one for listening at any time of one that is followed, so
/// that what is for following goes.
#[track_caller]
fn may_follow(before: &Media, after: &Media) {
    let of_the_end = |complaint: &String| {
        after.ended
            && [
                "PLAYLIST-TYPE",
                "SERVER-CONTROL",
                "PART-INF",
                "PART-TARGET",
                "hint",
                "parts",
                "EXT-X-VERSION",
            ]
            .iter()
            .any(|word| complaint.contains(word))
    };
    // A part that a recording ended in is another than the one that was hinted at, and named otherwise.
    let ended_in = |complaint: &String| complaint.contains("was hinted, and") && complaint.contains('-');
    let wrong = complaints(check_update(before, after));
    let wrong: Vec<_> =
        wrong.into_iter().filter(|complaint| !of_the_end(complaint) && !ended_in(complaint)).collect();
    assert_eq!(wrong, [""; 0]);
}

/// Where a file is that the playlist at `playlist` names.
fn beside(playlist: &str, uri: &str) -> String {
    let path = playlist.split('?').next().unwrap();
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    let mut uri = uri;
    while let Some(rest) = uri.strip_prefix("../") {
        folders.pop();
        uri = rest;
    }
    format!("{}/{uri}", folders.join("/"))
}

/// The packets in a file: behind the tag of an MP3, or in the `mdat` of a fragment.
fn packets(file: &[u8]) -> &[u8] {
    if file.starts_with(b"ID3") {
        return &file[TAG..];
    }
    let moof = u32::from_be_bytes(file[..4].try_into().unwrap()) as usize;
    assert_eq!((&file[4..8], &file[moof + 4..moof + 8]), (&b"moof"[..], &b"mdat"[..]));
    assert_eq!(u32::from_be_bytes(file[moof..moof + 4].try_into().unwrap()) as usize, file.len() - moof);
    &file[moof + 8..]
}

/// The packets in an Ogg file, behind its two header pages.
fn unpaged(mut ogg: &[u8]) -> Vec<u8> {
    let mut packets = Vec::new();
    for number in 0.. {
        let Some(lacing) = ogg.get(26).map(|count| usize::from(*count)) else { break };
        let body: usize = ogg[27..27 + lacing].iter().map(|length| usize::from(*length)).sum();
        if number > 1 {
            packets.extend(&ogg[27 + lacing..27 + lacing + body]);
        }
        ogg = &ogg[27 + lacing + body..];
    }
    packets
}

fn extension(variant: &str) -> &'static str {
    if variant.starts_with("mp3") { "mp3" } else { "opus" }
}

fn grid(variant: &str, pcm: &str) -> Grid {
    *support::codec(extension(variant), pcm).grid()
}

/// Headers without what a second makes another.
fn undated(reply: &Reply) -> HeaderMap {
    let mut headers = reply.headers.clone();
    headers.remove("date");
    headers
}

/// Gets what a playlist names, which must be there for good.
async fn file(server: &Running, playlist: &str, uri: &str) -> Vec<u8> {
    let reply = server.get(&beside(playlist, uri)).await;
    assert_eq!(reply.status, 200, "{playlist} {uri}: {}", reply.text());
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    reply.body
}

async fn segments(server: &Running, playlist: &str, media: &Media) -> Vec<u8> {
    let mut all = Vec::new();
    for segment in &media.segments {
        all.extend(packets(&file(server, playlist, &segment.uri).await));
    }
    all
}

/// The packets that a plain listener gets.
async fn canonical(server: &Running, name: &str, variant: &str, pcm: &str) -> Vec<u8> {
    let body = server.get(&format!("/audio/{name}.{}", extension(variant))).await.body;
    match extension(variant) {
        "opus" => unpaged(&body),
        _ => body[usize::try_from(Cut::new(&grid(variant, pcm), 0).header_len()).unwrap()..].to_vec(),
    }
}

#[tokio::test]
async fn a_finished_recording_is_the_canonical_packets_in_segments_at_every_rate() {
    let root = Root::new();
    for (name, pcm, frames) in [
        ("a", "s16le:44100:2", 44_100 * 9 + 17),
        ("b", "s16le:48000:2", 48_000 * 6),
        ("c", "s16le:16000:1", 16_000 * 8 + 1),
        ("deep/d", "s16le:96000:2", 96_000 * 5 + 7),
        ("e", "s16le:8000:1", 8_000 * 15),
        ("short", "s16le:48000:2", 1),
        ("empty", "s16le:48000:2", 0),
    ] {
        let channels = if pcm.ends_with('1') { 1 } else { 2 };
        root.finished(name, pcm, &sound::noise(frames, channels, 3));
    }
    let server = Running::start(&root).await;
    for (name, pcm) in [
        ("a", "s16le:44100:2"),
        ("b", STEREO),
        ("c", "s16le:16000:1"),
        ("deep/d", "s16le:96000:2"),
        ("e", "s16le:8000:1"),
        ("short", STEREO),
        ("empty", STEREO),
    ] {
        let reply = server.get(&format!("/hls/{name}/master.m3u8")).await;
        assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
        let variants = multivariant(&reply).variants;
        let mut seen = BTreeMap::new();
        for variant in &variants {
            let playlist = format!("/hls/{name}/{}", variant.uri);
            let reply = server.get(&playlist).await;
            let media = in_order(&reply);
            assert_eq!((media.playlist_type, media.ended), (Some(PlaylistType::Vod), true), "{playlist}");
            let of_format = seen.entry(extension(&variant.uri)).or_insert(0);
            *of_format += 1;
            if *of_format == 1 {
                let ours = segments(&server, &playlist, &media).await;
                assert!(ours == canonical(&server, name, &variant.uri, pcm).await, "{playlist}");
                check_lengths(&media, &variant.uri, pcm, &reply);
            }
        }
        assert_eq!(seen.len(), 2, "{variants:?}");
    }
    assert_eq!(server.panics(), 0);
}

/// That the durations are what the files hold: MP3 in whole packets, Opus to the frame.
fn check_lengths(media: &Media, variant: &str, pcm: &str, reply: &Reply) {
    let grid = grid(variant, pcm);
    let Some((last, whole)) = media.segments.split_last() else { return };
    let segment = (grid.segment_packets * grid.packet_frames) as f64 / f64::from(grid.rates.coded);
    for one in whole {
        assert!((one.duration.value - segment).abs() < 1e-6, "{}", reply.text());
    }
    assert!(last.duration.value > 0.0 && last.duration.value <= segment + 1e-6);
}

#[tokio::test]
async fn a_last_segment_of_one_packet_has_it() {
    let root = Root::new();
    let rates = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 44_100];
    for rate in rates {
        let packet = if rate < 32_000 { 576 } else { 1152 };
        // Heard of 99 packets, none of which a format that has two at least would have beyond.
        let frames = (99 * packet - 1105).min(98 * packet);
        root.finished(&format!("at{rate}"), &format!("s16le:{rate}:1"), &sound::noise(frames, 1, 3));
    }
    let server = Running::start(&root).await;
    for rate in rates {
        let (name, pcm) = (format!("at{rate}"), format!("s16le:{rate}:1"));
        let master = multivariant(&server.get(&format!("/hls/{name}/master.m3u8?format=mp3")).await);
        let playlist = format!("/hls/{name}/{}", master.variants[0].uri);
        let media = in_order(&server.get(&playlist).await);
        assert_eq!(media.segments.len(), 2);
        let ours = segments(&server, &playlist, &media).await;
        assert!(ours == canonical(&server, &name, &master.variants[0].uri, &pcm).await, "{playlist}");
        let lasts = media.segments[1].duration.value * f64::from(rate);
        let packet = if rate < 32_000 { 576.0 } else { 1152.0 };
        assert!((lasts - packet).abs() < 0.1, "{lasts}");
    }
}

#[tokio::test]
async fn all_variants_have_the_same_target_duration() {
    let root = Root::new();
    root.finished("show", "s16le:16000:1", &sound::noise(16_000 * 9, 1, 3));
    let server = Running::start(&root).await;
    let variants = multivariant(&server.get("/hls/show/master.m3u8").await).variants;
    assert_eq!(variants.len(), 3);
    for variant in variants {
        let media = in_order(&server.get(&format!("/hls/show/{}", variant.uri)).await);
        assert_eq!(media.target_duration, 4, "{}", variant.uri);
    }
}

#[tokio::test]
async fn who_waits_for_a_playlist_is_told_when_the_server_stops() {
    let (_root, server) = growing(3).await;
    let path = format!("{OPUS}?_HLS_msn=1&_HLS_part=5");
    let url = server.url(&path);
    let waiting = tokio::spawn(async move { reqwest::get(url).await.unwrap().status().as_u16() });
    // It is not to come before it waits.
    let heard = async || server.get("/status-json.xsl").await.json()["icestats"]["source"]["listeners"] == 1;
    while !heard().await {}
    server.stop().await;
    assert_eq!(waiting.await.unwrap(), 503);
}

#[tokio::test]
async fn a_place_that_moves_is_not_kept_by_caches() {
    let (root, server) = growing(30).await;
    let clip = "?pos=-15&duration=5";
    let kept = async |path: &str| server.get(path).await.header("cache-control").unwrap().to_owned();
    let master = format!("/hls/show/master.m3u8{clip}");
    assert_eq!(kept(&master).await, "no-store");
    assert_eq!(kept("/hls/show/master.m3u8?pos=15&duration=5").await, "public, max-age=3600");
    assert_eq!(kept(&format!("{OPUS}?p%6Fs=-15&duration=5")).await, "no-store");
    root.end("show", STEREO);
    while kept(&master).await == "no-store" {}
    assert_eq!(kept(&master).await, "public, max-age=3600");
}

#[tokio::test]
async fn other_variants_are_those_that_were_to_be_chosen_from() {
    let (_root, server) = growing(30).await;
    let master = multivariant(&server.get("/hls/show/master.m3u8?bitrate=128&channels=2").await);
    assert_eq!(master.variants.len(), 2);
    for variant in &master.variants {
        let reports = in_order(&server.get(&format!("/hls/show/{}", variant.uri)).await).rendition_reports;
        let [other] = &reports[..] else { panic!("{reports:?}") };
        assert!(
            master.variants.iter().any(|variant| format!("../{}", variant.uri) == other.uri),
            "{reports:?}"
        );
    }
    // What the path says counts.
    assert!(in_order(&server.get(&format!("{OPUS}?bitrate=999")).await).rendition_reports.is_empty());
    // Of a clip no other has more than the clip.
    let clip = in_order(&server.get(&format!("{OPUS}?pos=8&duration=25")).await);
    assert!(!clip.ended && clip.rendition_reports.iter().all(|report| report.last_msn.unwrap() >= 3));
}

#[tokio::test]
async fn the_bandwidth_of_a_variant_is_what_its_segments_take() {
    let root = Root::new();
    root.finished("show", "s16le:44100:2", &sound::noise(44_100 * 6, 2, 3));
    let server = Running::start(&root).await;
    for variant in multivariant(&server.get("/hls/show/master.m3u8").await).variants {
        let playlist = format!("/hls/show/{}", variant.uri);
        let media = media(&server.get(&playlist).await);
        let first = &media.segments[0];
        let bytes = file(&server, &playlist, &first.uri).await.len() as f64;
        let bits = bytes * 8.0 / first.duration.value;
        assert!((variant.bandwidth as f64 - bits).abs() <= 1.0, "{variant:?}: {bits}");
    }
}

/// Everything that a player sees of a recording while it grows, by full playlists and by deltas.
async fn grow(variant: &str) {
    let (root, steps) = (Root::new(), 23);
    let bytes = sound::noise(48_000 * 26, 2, 5);
    let mut pieces = bytes.chunks(bytes.len() / steps + 1);
    root.growing("show", STEREO, pieces.next().unwrap());
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(3600)).await;
    let playlist = format!("/hls/show/{variant}/playlist.m3u8?parts=true");
    let mut last = in_order(&server.get(&playlist).await);
    let mut parts = BTreeMap::new();
    let mut hints = Vec::new();
    let mut deltas = 0;
    for piece in pieces {
        keep_parts(&server, &playlist, &last, &mut parts).await;
        hints.extend(last.preload_hint.clone().map(|hint| hint.uri));
        root.append("show.pcm", piece);
        // What is awaited is there with the next piece: more than a second of sound, of parts that last less than half of it.
        let next = (last.next_number(), last.trailing_parts.len());
        let awaited = format!("{playlist}&_HLS_msn={}&_HLS_part={}", next.0, next.1);
        let full = server.get(&awaited).await;
        let now = in_order(&full);
        may_follow(&last, &now);
        let delta = media(&server.get(&format!("{awaited}&_HLS_skip=YES")).await);
        deltas += u64::from(delta.skipped.is_some());
        // More may be there by now, but not less.
        let of_delta = if delta.skipped.is_some() {
            apply_delta(&now, &delta).unwrap_or_else(|wrong| panic!("{wrong:#?}"))
        } else {
            delta
        };
        may_follow(&now, &of_delta);
        last = of_delta;
    }
    keep_parts(&server, &playlist, &last, &mut parts).await;
    assert!(deltas > 0, "none was worth it");
    root.end("show", STEREO);
    // Who follows it in parts gets the last of them, and is told of the end when it asks for more.
    let next = (last.next_number(), last.trailing_parts.len());
    let reply = server.get(&format!("{playlist}&_HLS_msn={}&_HLS_part={}", next.0, next.1)).await;
    let all_parts = media(&reply);
    // There is no next one to hint at.
    let no_hint = "MUST (B.1): live parts without EXT-X-PRELOAD-HINT of the next";
    assert_eq!(media_complaints(&all_parts), [no_hint], "{}", reply.text());
    may_follow(&last, &all_parts);
    assert!(!all_parts.ended && all_parts.trailing_parts.is_empty(), "{}", reply.text());
    keep_parts(&server, &playlist, &all_parts, &mut parts).await;
    let (segment, mut in_parts) = (all_parts.segments.last().unwrap(), Vec::<u8>::new());
    for part in &segment.parts {
        in_parts.extend(packets(&parts[&part.uri]));
    }
    assert!(in_parts == packets(&file(&server, &playlist, &segment.uri).await), "{}", reply.text());
    let next = all_parts.next_number();
    let reply = server.get(&format!("{playlist}&_HLS_msn={next}&_HLS_part=0&_HLS_skip=YES")).await;
    let ended = in_order(&reply);
    may_follow(&all_parts, &ended);
    assert!(ended.ended && ended.skipped.is_none(), "{}", reply.text());
    assert_eq!(in_order(&server.get(&playlist).await), ended, "as for anybody who comes now");
    let all = segments(&server, &playlist, &ended).await;
    assert!(all == canonical(&server, "show", variant, STEREO).await);
    assert!(
        hints.iter().all(|hint| parts.contains_key(hint)),
        "hints came true: {hints:?} {:?}",
        parts.keys()
    );
    check_parts(&parts, &all, variant);
    assert_eq!(server.panics(), 0);
}

/// Parts of a playlist, each of which is got once.
async fn keep_parts(server: &Running, playlist: &str, media: &Media, parts: &mut BTreeMap<String, Vec<u8>>) {
    let listed = media.segments.iter().flat_map(|segment| &segment.parts).chain(&media.trailing_parts);
    for part in listed {
        if !parts.contains_key(&part.uri) {
            parts.insert(part.uri.clone(), file(server, playlist, &part.uri).await);
        }
    }
}

/// That the parts are the very packets of the segments, each in its place.
fn check_parts(parts: &BTreeMap<String, Vec<u8>>, all: &[u8], variant: &str) {
    let grid = grid(variant, STEREO);
    let mut seen = 0;
    for (uri, file) in parts {
        let name = uri.rsplit_once('/').unwrap().1;
        let numbers: Vec<u64> = name.split(['.', '-']).filter_map(|number| number.parse().ok()).collect();
        let [segment, part, ..] = numbers[..] else { panic!("{name}") };
        // All of them have as many packets.
        let each = if variant.starts_with("mp3") { 14 } else { 10 };
        let at = usize::try_from(grid.offset(segment * grid.segment_packets + part * each)).unwrap();
        let packets = packets(file);
        assert!(all[at..].starts_with(packets), "{uri}");
        seen += packets.len();
    }
    assert!(seen > all.len() / 2, "parts were listed for most of it");
}

#[tokio::test]
async fn a_playlist_of_mp3_grows_by_the_rules() {
    grow("mp3-128-2").await;
}

#[tokio::test]
async fn a_playlist_of_opus_grows_by_the_rules() {
    grow("opus-96-2").await;
}

/// Seconds of a recording that grows for as long as the test wants.
async fn growing(seconds: usize) -> (Root, Running) {
    let root = Root::new();
    root.growing("show", STEREO, &sound::noise(48_000 * seconds, 2, 5));
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(3600)).await;
    (root, server)
}

const OPUS: &str = "/hls/show/opus-96-2/playlist.m3u8";

/// What a request gets while the recorder adds so many frames.
async fn while_it_grows(server: &Running, root: &Root, path: &str, frames: usize) -> Reply {
    let waiting = async { server.open("GET", path, &[]).await.rest().await };
    let writing = async { root.append("show.pcm", &sound::noise(frames, 2, 6)) };
    tokio::join!(waiting, writing).0
}

#[tokio::test]
async fn a_playlist_that_was_waited_for_comes_with_what_it_waited_for() {
    let (root, server) = growing(3).await;
    let playlist = in_order(&server.get(OPUS).await);
    assert_eq!((playlist.segments.len(), playlist.trailing_parts.len()), (1, 5));
    let path = format!("{OPUS}?_HLS_msn=1&_HLS_part=5");
    assert_eq!(in_order(&while_it_grows(&server, &root, &path, 48_000 / 4).await).trailing_parts.len(), 6);
    // A part behind the last is the next segment's first.
    let path = format!("{OPUS}?_HLS_msn=1&_HLS_part=10");
    let playlist = in_order(&while_it_grows(&server, &root, &path, 48_000).await);
    assert_eq!((playlist.segments.len(), playlist.trailing_parts.len()), (2, 1));
}

#[tokio::test]
async fn what_is_not_to_be_waited_for_is_refused_by_its_name() {
    let (_root, server) = growing(3).await;
    for (query, named) in [
        ("_HLS_part=1", "_HLS_msn"),
        ("_HLS_msn=x", "`x`"),
        ("_HLS_msn=4", "`4` is too far ahead"),
        ("_HLS_msn=18446744073709551615&_HLS_part=18446744073709551615", "too far ahead"),
        ("_HLS_msn=18446744073709551616", "too large"),
        ("_HLS_msn=1&_HLS_part=-1", "`-1`"),
        ("_HLS_skip=no", "`no`"),
        ("parts=some", "`some`"),
        ("pos=x", "`x`"),
        ("duration=0", "no time"),
    ] {
        is_problem(&server.get(&format!("{OPUS}?{query}")).await, 400, named);
    }
    is_problem(&server.get(&format!("{OPUS}?pos=9999")).await, 416, "9999");
    for (path, status, named) in [
        ("/hls/show/master.m3u8?format=wav", 400, "wav"),
        ("/hls/show/master.m3u8?format=flac", 400, "flac"),
        ("/hls/show/master.m3u8?bitrate=1", 400, "1 kbit/s"),
        ("/hls/master.m3u8", 404, "master.m3u8"),
        ("/hls/none/master.m3u8", 404, "none"),
        ("/hls/show", 404, "show"),
        ("/hls/show/mp3-129-2/playlist.m3u8", 404, "129"),
        ("/hls/show/wav-0-2/playlist.m3u8", 404, "wav"),
        ("/hls/show/mp3/playlist.m3u8", 404, "`mp3`"),
        ("/hls/show/mp3-128-2/0123456789abcdef/0.mp3", 404, "0123456789abcdef/0.mp3"),
        ("/hls/show/mp3-128-2/0123456789abcdef/init.mp4", 404, "init.mp4"),
        ("/hls/show/mp3-128-2/0123456789abcdef/0.m4s", 404, "0.m4s"),
        ("/hls/show/mp3-128-2/x/18446744073709551615.18446744073709551615.mp3", 404, "18446744073709551615"),
        ("/hls/show/mp3-128-2/x/18446744073709551615-18446744073709551615.mp3", 404, "18446744073709551615"),
    ] {
        let reply = server.get(path).await;
        assert!(reply.status == status || reply.status == 400, "{path}: {}", reply.text());
        is_problem(&reply, reply.status, named);
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test]
async fn a_part_that_was_announced_is_answered_with_when_it_is_there() {
    let (root, server) = growing(3).await;
    let hint = media(&server.get(OPUS).await).preload_hint.unwrap().uri;
    let path = beside(OPUS, &hint);
    let mut waiting = std::pin::pin!(server.open("GET", &path, &[]));
    tokio::select! {
        biased;
        early = &mut waiting => panic!("it is not there: {}", early.status),
        () = async { assert_eq!(server.get(OPUS).await.status, 200) } => {}
    }
    root.append("show.pcm", &sound::noise(48_000 / 4, 2, 6));
    let reply = waiting.await.rest().await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("public, max-age=60")));
    assert_eq!(packets(&reply.body).len(), 10 * 240);
}

#[tokio::test]
async fn a_file_is_a_static_file() {
    let root = Root::new();
    root.finished("show", STEREO, &sound::noise(48_000 * 5, 2, 5));
    let server = Running::start(&root).await;
    let media = media(&server.get(OPUS).await);
    let path = beside(OPUS, &media.segments[1].uri);
    let whole = server.get(&path).await;
    assert_eq!(
        (whole.header("cache-control"), whole.header("content-type")),
        (Some(FOREVER), Some("audio/mp4"))
    );
    let etag = whole.header("etag").unwrap();
    let head = server.head(&path).await;
    assert_eq!((undated(&head), head.body.len()), (undated(&whole), 0));
    let part = server.range(&path, "bytes=100-199").await;
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[100..200]));
    assert_eq!(server.range(&path, "bytes=-7").await.body, whole.body[whole.body.len() - 7..]);
    assert_eq!(server.range(&path, "bytes=99999999-").await.status, 416);
    assert_eq!(server.get_with(&path, &[("if-none-match", etag)]).await.status, 304);
    let path = beside(OPUS, &media.segments[0].map.clone().unwrap().uri);
    let initialization = server.get(&path).await;
    assert_eq!(initialization.header("cache-control"), Some(FOREVER));
    let etag = initialization.header("etag").unwrap();
    assert_eq!(server.get_with(&path, &[("if-none-match", etag)]).await.status, 304);
    assert_eq!(&initialization.body[4..8], b"ftyp");
    let playlist = server.get(OPUS).await;
    let etag = playlist.header("etag").unwrap();
    assert_eq!(server.get_with(OPUS, &[("if-none-match", etag)]).await.status, 304);
    assert_eq!(undated(&server.head(OPUS).await), undated(&playlist));
}

#[tokio::test]
async fn a_url_means_the_same_bytes_for_good() {
    let (root, copy) = (Root::new(), Root::new());
    let bytes = sound::noise(48_000 * 9, 2, 5);
    let sidecar = format!("pcm = \"{STEREO}\"\nstarted = 2026-11-28T20:00:00Z\n");
    for root in [&root, &copy] {
        root.write("show.toml", &sidecar);
        root.write("show.pcm", &bytes);
    }
    let (one, other) = (Running::start(&root).await, Running::start(&copy).await);
    let playlist = one.get(OPUS).await;
    assert_eq!(playlist.text(), other.get(OPUS).await.text(), "replicas agree");
    let first = media(&playlist);
    assert_eq!(
        first.segments[0].program_date_time.as_ref().unwrap().text,
        "2026-11-28T19:59:59.993Z",
        "less the delay"
    );
    let mut files = Vec::new();
    for segment in &first.segments {
        files.push((segment.uri.clone(), file(&one, OPUS, &segment.uri).await));
    }
    // It grows: what was whole keeps its name.
    root.append("show.pcm", &sound::noise(48_000 * 300, 2, 6));
    let longer = media(&one.get(OPUS).await);
    for (uri, before) in &files {
        assert!(file(&one, OPUS, uri).await == *before, "{uri}");
        assert!(longer.segments.iter().any(|segment| segment.uri == *uri), "{uri}");
    }
    // Another recording of that name: what was named before is not there any more, whatever it has at its beginning.
    let mut edited = bytes.clone();
    let at = 7 * 48_000 * 4;
    edited[at..].fill(1);
    copy.write("new.pcm", &edited);
    std::fs::rename(copy.file("new.pcm"), copy.file("show.pcm")).unwrap();
    let now = media(&other.get(OPUS).await);
    let last = first.segments.last().unwrap();
    assert!(now.segments.iter().all(|segment| segment.uri != last.uri));
    is_problem(&other.get(&beside(OPUS, &last.uri)).await, 404, "not any more");
}

#[tokio::test]
async fn a_segment_that_an_end_decided_is_there_when_the_recorder_has_gone_on() {
    let root = Root::new();
    root.growing("show", STEREO, &sound::noise(48_000 * 5, 2, 5));
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(1)).await;
    let ended = loop {
        let media = media(&server.get(OPUS).await);
        if media.ended {
            break media;
        }
    };
    let uri = &ended.segments.last().unwrap().uri;
    assert!(uri.ends_with("-240000.m4s"), "{uri}");
    let before = file(&server, OPUS, uri).await;
    root.append("show.pcm", &sound::noise(48_000 * 5, 2, 6));
    let longer = media(&server.get(OPUS).await);
    assert!(longer.segments.iter().all(|segment| segment.uri != *uri));
    assert!(file(&server, OPUS, uri).await == before);
    let (folder, _) = uri.split_once('/').unwrap();
    for other in ["2-240001", "1-240000", "3-240000", "2-0", "2-480001"] {
        is_problem(&server.get(&beside(OPUS, &format!("{folder}/{other}.m4s"))).await, 404, other);
    }
}

#[tokio::test]
async fn one_may_begin_anywhere_and_take_a_part() {
    let root = Root::new();
    root.finished("show", STEREO, &sound::noise(48_000 * 40, 2, 5));
    let server = Running::start(&root).await;
    let master = multivariant(&server.get("/hls/show/master.m3u8?format=mp3&pos=-15&duration=4").await);
    assert_eq!(
        master.variants[0].uri,
        "mp3-128-2/playlist.m3u8?format=mp3&pos=25.000000000&duration=4.000000000"
    );
    let clip = in_order(&server.get(&format!("/hls/show/{}", master.variants[0].uri)).await);
    // Segments of 2.352 s; 25 s and the codec's delay of 1105 frames are in the eleventh.
    assert_eq!((clip.media_sequence, clip.segments.len(), clip.ended), (10, 3, true));
    let start = clip.start.unwrap();
    assert!(start.precise && (start.offset - (25.0 + 1105.0 / 48_000.0 - 23.52)).abs() < 1e-6, "{start:?}");
    let whole = in_order(&server.get(&format!("{OPUS}?pos=25")).await);
    assert_eq!((whole.segments.len(), whole.start.unwrap().offset), (21, 25.0065));
    assert!(in_order(&server.get(OPUS).await).start.is_none());
}

#[tokio::test]
async fn a_place_that_moves_is_settled_while_it_grows() {
    let (_root, server) = growing(30).await;
    let master = multivariant(&server.get("/hls/show/master.m3u8?pos=-10").await);
    assert!(master.variants.iter().all(|variant| variant.uri.ends_with("?pos=20.000000000")), "{master:?}");
    // That is what players do by themselves.
    let live = multivariant(&server.get("/hls/show/master.m3u8?format=opus&bitrate=64&pos=live").await);
    assert_eq!(live.variants.len(), 1);
    assert_eq!(live.variants[0].uri, "opus-64-2/playlist.m3u8?format=opus&bitrate=64");
    // The client follows: what it gets has a place that stays.
    let playlist = in_order(&server.get(&format!("{OPUS}?pos=-10&x=1")).await);
    assert_eq!(playlist.start.unwrap().offset, 20.0065);
}

#[tokio::test]
async fn a_clip_of_what_grows_is_finished_when_its_sound_is_there() {
    let (root, server) = growing(30).await;
    let query = format!("{OPUS}?pos=25&duration=10");
    let growing = in_order(&server.get(&query).await);
    assert_eq!((growing.media_sequence, growing.segments.len(), growing.ended), (12, 3, false));
    root.append("show.pcm", &sound::noise(48_000 * 10, 2, 6));
    let reply = server.get(&format!("{query}&_HLS_msn=17")).await;
    let finished = in_order(&reply);
    assert_eq!((finished.media_sequence, finished.segments.len(), finished.ended), (12, 6, true));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"), "whatever the recording does");
}

#[tokio::test]
async fn parts_of_mp3_are_listed_for_who_asks_for_them() {
    let (_root, server) = growing(6).await;
    let mp3 = "/hls/show/mp3-128-2/playlist.m3u8";
    let whole = in_order(&server.get(mp3).await);
    assert_eq!((whole.segments.len(), whole.part_target, whole.preload_hint.as_ref()), (2, None, None));
    assert!(whole.server_control.unwrap().can_block_reload && whole.trailing_parts.is_empty());
    let in_parts = in_order(&server.get(&format!("{mp3}?parts=true")).await);
    assert!(in_parts.part_target.is_some() && !in_parts.trailing_parts.is_empty());
    let opus = in_order(&server.get(&format!("{OPUS}?parts=0")).await);
    assert!(opus.trailing_parts.is_empty() && opus.preload_hint.is_none());
    let master = multivariant(&server.get("/hls/show/master.m3u8?parts=1").await);
    assert!(master.variants.iter().all(|variant| variant.uri.ends_with("?parts=true")), "{master:?}");
    let reports = in_order(&server.get(OPUS).await).rendition_reports;
    assert!(
        reports.iter().all(|report| report.uri.contains("mp3") != report.last_part.is_some()),
        "{reports:?}"
    );
    assert_eq!(reports.len(), 3);
}

#[tokio::test]
async fn a_player_that_comes_before_there_is_sound_waits_for_some() {
    let root = Root::new();
    root.growing("show", STEREO, b"");
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(3600)).await;
    assert_eq!(in_order(&while_it_grows(&server, &root, OPUS, 48_000 / 2).await).trailing_parts.len(), 2);
}

#[tokio::test]
async fn a_playlist_is_compressed_for_who_takes_that() {
    let root = Root::new();
    root.finished("show", STEREO, &sound::noise(48_000 * 80, 2, 5));
    let server = Running::start(&root).await;
    let plain = server.get(OPUS).await;
    let compressed = server.get_with(OPUS, &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&compressed.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
    assert!(compressed.body.len() * 2 < plain.body.len(), "{}", compressed.body.len());
    let etag = compressed.header("etag").unwrap();
    assert!(plain.header("etag") != Some(etag), "they are other bytes");
    let again = [("accept-encoding", "gzip"), ("if-none-match", etag)];
    assert_eq!(server.get_with(OPUS, &again).await.status, 304);
    for reply in [plain, compressed] {
        assert_eq!(reply.header("vary"), Some("accept-encoding"));
    }
}

#[tokio::test]
async fn a_recorder_that_pauses_keeps_no_player_waiting_for_ever() {
    let (_root, server) = growing(3).await;
    let before = server.get(OPUS).await;
    let after = server.get(&format!("{OPUS}?_HLS_msn=1&_HLS_part=5")).await;
    assert_eq!(after.text(), before.text());
}

#[tokio::test]
async fn segments_are_coded_once_for_all_who_listen() {
    let root = Root::new();
    root.finished("show", STEREO, &sound::noise(48_000 * 10, 2, 5));
    let server = Running::start(&root).await;
    server.get("/audio/show.opus").await;
    server.get("/audio/show.mp3").await;
    let started = || server.segments.counters().started.load(std::sync::atomic::Ordering::Relaxed);
    let before = started();
    for variant in ["opus-96-2", "mp3-128-2"] {
        let playlist = format!("/hls/show/{variant}/playlist.m3u8");
        let media = media(&server.get(&playlist).await);
        segments(&server, &playlist, &media).await;
    }
    assert_eq!(started(), before);
}
