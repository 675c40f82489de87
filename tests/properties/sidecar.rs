//! Sidecars: whatever the text, it is understood and means something, or refused in a sentence.

use tailcast::recording::sidecar::{Chapter, Sidecar};

/// Characters of what is told of a sidecar that is none, more or less.
const TOLD_MOST: usize = 1000;

/// Of a sidecar with this text.
pub fn is_understood_or_refused(text: &str) {
    match Sidecar::parse(text) {
        Ok(sidecar) => is_of_use(&sidecar),
        Err(why) => {
            assert!(!why.trim().is_empty() && why.chars().count() <= TOLD_MOST, "{} bytes", why.len())
        }
    }
}

/// What was understood has a meaning, and written down again it is the same.
fn is_of_use(sidecar: &Sidecar) {
    if let Some(started) = &sidecar.started {
        assert!(sidecar.began().is_some(), "{started}");
        let date = started.as_bytes();
        assert!(date.len() >= 20 && date[4] == b'-' && date[10] == b'T', "not as in RFC 3339: {started}");
    }
    for text in [&sidecar.title, &sidecar.description, &sidecar.author] {
        assert!(text.as_ref().is_none_or(|text| !text.trim().is_empty()));
    }
    let urls = sidecar.chapters.iter().flat_map(|chapter| [&chapter.url, &chapter.image]);
    for url in urls.chain([&sidecar.image]).flatten() {
        assert!(url.starts_with("http") && url.is_ascii(), "{url}");
    }
    assert!(sidecar.chapters.is_sorted_by(|one, next| one.start < next.start));
    assert!(sidecar.chapters.iter().all(|chapter| !chapter.title.trim().is_empty()));
    assert_eq!(Sidecar::parse(&written(sidecar)).as_ref(), Ok(sidecar));
}

fn written(sidecar: &Sidecar) -> String {
    let Sidecar { pcm, title, description, author, image, cover, chapters, started, ended, .. } = sidecar;
    let rule = &sidecar.rule;
    let mut table = toml::Table::new();
    table.insert("ended".into(), (*ended).into());
    table.insert("private".into(), rule.private.into());
    table.insert("cover_room".into(), sidecar.cover_room.into());
    table.extend(texts([
        ("pcm", &pcm.map(|pcm| pcm.to_string())),
        ("title", title),
        ("description", description),
        ("author", author),
        ("image", image),
        ("cover", cover),
        ("started", started),
        ("embargo", &rule.embargo.map(|until| until.to_string())),
    ]));
    if !chapters.is_empty() {
        table.insert("chapters".into(), chapters.iter().map(written_chapter).collect::<Vec<_>>().into());
    }
    table.to_string()
}

fn written_chapter(chapter: &Chapter) -> toml::Table {
    let Chapter { start, title, url, image } = chapter;
    let start = Some(format!("{}.{:09}", start / 1_000_000_000, start % 1_000_000_000));
    texts([("start", &start), ("title", &Some(title.clone())), ("url", url), ("image", image)]).collect()
}

fn texts<const N: usize>(texts: [(&str, &Option<String>); N]) -> impl Iterator<Item = (String, toml::Value)> {
    texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            "title = \"[a-z \\\\nu0-9\u{e9}]{0,12}\"",
            "pcm = '[suf](8|16|24|24-32)(le|be)?:[0-9]{1,6}:[0-9]{1,3}'",
            "started = '?[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?(Z|[-+][0-2][0-9]:?[0-5][0-9](:[0-5][0-9])?)?'?",
            "ended = (true|false|'yes'|1)",
            "(description|author) = \"[a-z \\\\nu0-9\u{e9}]{0,12}\"",
            "image = '(https?://[a-z.]{0,9}/?\\PC{0,6}|[a-z:/]{0,8})'",
            "\\[\\[chapters\\]\\]\nstart = ('?[0-9:.]{1,9}'?|-?[0-9]{1,20}|nan|inf)\ntitle = '[a-z ]{0,5}'",
            "(url|image) = 'https://a.b/[a-z]{0,5}'",
            "[a-z]{1,6} = \\PC{0,10}",
            "\\PC{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn any_lines_are_understood_or_refused(lines in prop::collection::vec(line(), 0..5)) {
            is_understood_or_refused(&lines.join("\n"));
        }
    }

    #[test]
    fn however_long_a_value_is_that_is_wrong_little_is_told_of_it() {
        let long = "x".repeat(60_000);
        for text in [
            format!("pcm = '{long}'"),
            format!("started = '{long}'"),
            format!("image = '{long}'"),
            format!("{long} = 1"),
            long,
        ] {
            is_understood_or_refused(&text);
        }
    }
}
