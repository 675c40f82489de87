//! The folder of recordings, as whoever writes sees it. All of it blocks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use toml_edit::{
    Array, ArrayOfTables, Decor, DocumentMut, InlineTable, Item, RawString, Table, Value, value,
};

use super::sink::failed;
use super::{Ingest, Sync};
use crate::error::Problem;
use crate::recording::catalogue::{SIDECAR_MOST, is_coded, is_not_there, sidecar_name};
use crate::recording::sidecar::{Rule, Sidecar};
use crate::recording::{Catalogue, RecordingError, RecordingName};
use crate::time;

/// A change of a sidecar: what is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) pcm: Option<String>,
    /// No title if empty.
    pub(crate) title: Option<String>,
    /// Only if it does not say so yet.
    pub(crate) started: Option<String>,
    pub(crate) ended: Option<bool>,
    /// Who may know of it; it is not opened by that.
    pub(crate) rule: Rule,
    /// One more, with where it begins in nanoseconds from the recording's start: behind the last, or instead of it if it
    /// begins where that does.
    pub(crate) chapter: Option<(u64, String)>,
}

impl Change {
    fn apply(self, document: &mut DocumentMut) {
        if let Some(pcm) = self.pcm {
            set(document, "pcm", value(pcm));
        }
        match self.title {
            Some(title) if title.trim().is_empty() => drop(document.remove("title")),
            Some(title) => set(document, "title", value(title)),
            None => {}
        }
        if let Some(started) = self.started
            && !document.contains_key("started")
        {
            set(document, "started", value(started));
        }
        match self.ended {
            Some(true) => set(document, "ended", value(true)),
            Some(false) => drop(document.remove("ended")),
            None => {}
        }
        if self.rule.private {
            set(document, "private", value(true));
        }
        if let Some(embargo) = self.rule.embargo {
            set(document, "embargo", value(embargo.to_string()));
        }
        if let Some((start, title)) = self.chapter {
            add_chapter(document, start, title);
        }
    }
}

/// Adds a chapter in the way in which the others are written. What is no list of chapters is left to be refused.
fn add_chapter(document: &mut DocumentMut, start: u64, title: String) {
    let chapters = document.entry("chapters").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let start = time::in_seconds(start);
    match chapters {
        Item::ArrayOfTables(tables) => add_table(tables, start, title),
        Item::Value(Value::Array(array)) => add_to_array(array, start, title),
        _ => {}
    }
}

fn add_table(chapters: &mut ArrayOfTables, start: String, title: String) {
    let last = chapters.iter_mut().last();
    if let Some(last) = last.filter(|last| last.get("start").and_then(Item::as_str) == Some(&start)) {
        last.insert("title", value(title));
        return;
    }
    let mut chapter = Table::new();
    chapter.insert("start", value(start));
    chapter.insert("title", value(title));
    chapters.push(chapter);
}

/// `chapters = [{ … }, …]`, on one line or on several.
fn add_to_array(chapters: &mut Array, start: String, title: String) {
    let last = chapters.iter_mut().last().and_then(Value::as_inline_table_mut);
    if let Some(last) = last.filter(|last| last.get("start").and_then(Value::as_str) == Some(&start)) {
        last.insert("title", title.into());
        return;
    }
    let (before, behind) = surroundings(chapters);
    let mut chapter = InlineTable::new();
    chapter.insert("start", start.into());
    chapter.insert("title", title.into());
    let mut chapter = Value::InlineTable(chapter);
    *chapter.decor_mut() = Decor::new(before, "");
    chapters.push_formatted(chapter);
    chapters.set_trailing(behind);
}

/// What is to stand before another value of an array, and what behind it: comments on the last stay with that, and each
/// is on a line of its own if the last is.
fn surroundings(array: &mut Array) -> (String, String) {
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let trailing = text(Some(array.trailing()));
    let Some(last) = array.iter_mut().last() else { return (String::new(), trailing) };
    let (prefix, suffix) = (text(last.decor().prefix()), text(last.decor().suffix()));
    last.decor_mut().set_suffix("");
    // One of them: that depends on whether there is a comma behind the last.
    let behind = suffix + &trailing;
    match (behind.rsplit_once('\n'), prefix.rsplit_once('\n')) {
        (Some((comments, end)), Some((_, indent))) => (format!("{comments}\n{indent}"), format!("\n{end}")),
        (Some((comments, end)), None) => (format!("{comments}\n"), format!("\n{end}")),
        (None, Some((_, indent))) => (format!("\n{indent}"), behind),
        (None, None) => (" ".to_owned(), behind),
    }
}

/// Makes what is played from so many nanoseconds on a chapter of a recording.
pub(crate) fn add_title(
    ingest: &Ingest,
    catalogue: &Catalogue,
    name: &RecordingName,
    at: u64,
    title: String,
) -> Result<(), Problem> {
    edit(ingest, catalogue.dir(), name, Change { chapter: Some((at, title)), ..Change::default() })
}

/// The time, as a sidecar's `started` has it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Sets a key, and keeps the comment that stands behind its value.
fn set(document: &mut DocumentMut, key: &str, mut item: Item) {
    let old = document.get(key).and_then(|old| old.as_value()).map(|old| old.decor().clone());
    if let (Some(old), Some(new)) = (old, item.as_value_mut()) {
        *new.decor_mut() = old;
    }
    document.insert(key, item);
}

/// What a sidecar says, and what it is to say.
struct Edited {
    /// `None` if there is none.
    old: Option<String>,
    new: String,
}

impl Edited {
    /// A recording's sidecar with a change: what else is in it stays, comments among it. Blocks.
    fn read(dir: &Dir, name: &RecordingName, change: Change) -> Result<Self, Problem> {
        let broken = |why: String| Problem::from(RecordingError::Sidecar { name: name.to_string(), why });
        let old = sidecar(dir, name).map_err(|error| broken(error.to_string()))?;
        let mut document: DocumentMut = old
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error: toml_edit::TomlError| broken(error.to_string()))?;
        change.apply(&mut document);
        let new = document.to_string();
        if new.len() as u64 > SIDECAR_MOST {
            return Err(broken(format!("it would be longer than {SIDECAR_MOST} bytes")));
        }
        Sidecar::parse(&new).map_err(broken)?;
        Ok(Self { old, new })
    }
}

/// The text of a sidecar; `None` if there is none.
fn sidecar(dir: &Dir, name: &RecordingName) -> io::Result<Option<String>> {
    let file = match open(dir, &sidecar_name(name), OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if is_not_there(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(SIDECAR_MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SIDECAR_MOST {
        return Err(io::Error::other(format!("it is longer than {SIDECAR_MOST} bytes")));
    }
    Ok(Some(text))
}

/// Whether a sidecar says that its recording has ended.
pub(crate) fn has_ended(dir: &Dir, name: &RecordingName) -> Result<bool, Problem> {
    let broken = |why| RecordingError::Sidecar { name: name.to_string(), why };
    let text = sidecar(dir, name).map_err(|error| broken(error.to_string()))?;
    Ok(Sidecar::parse(&text.unwrap_or_default()).map_err(broken)?.ended)
}

/// Changes a recording's sidecar. It is another file under the same name, so that nobody reads half of one, and a full disk
/// leaves the one that was.
pub(crate) fn edit(ingest: &Ingest, dir: &Dir, name: &RecordingName, change: Change) -> Result<(), Problem> {
    name.check_room(0)?;
    let _editing = ingest.editing.lock();
    let edited = Edited::read(dir, name, change)?;
    if edited.new == edited.old.unwrap_or_default() {
        return Ok(());
    }
    let path = sidecar_name(name);
    let replaced = through_new(ingest, dir, &path, &edited.new, |new| dir.rename(new, dir, &path));
    replaced.map_err(|error| failed(&error, "its description is as it was"))
}

/// Writes a text beside where it is to be, and has it `put` there when it is whole.
fn through_new(
    ingest: &Ingest,
    dir: &Dir,
    path: &str,
    text: &str,
    put: impl FnOnce(&str) -> io::Result<()>,
) -> io::Result<()> {
    let (folder, base) = path.rsplit_once('/').map_or((None, path), |(folder, base)| (Some(folder), base));
    // With a dot in front: no recording can have that name.
    let new = format!("{}.{base}.new", folder.map(|folder| format!("{folder}/")).unwrap_or_default());
    // One that was left behind by a process that was killed; a link is not followed.
    let _ = dir.remove_file(&new);
    let write = || {
        let mut file = dir.open_with(&new, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(text.as_bytes())?;
        if ingest.settings.sync != Sync::Never {
            file.sync_all()?;
        }
        put(&new)
    };
    write().inspect_err(|_| drop(dir.remove_file(&new)))?;
    sync_names(ingest, dir, path)
}

/// Has the name of a file on the disk, and those of the folders that lead there, if anything is to be there.
fn sync_names(ingest: &Ingest, dir: &Dir, path: &str) -> io::Result<()> {
    if ingest.settings.sync == Sync::Never {
        return Ok(());
    }
    Path::new(path).ancestors().skip(1).try_for_each(|folder| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // `open_dir` gives what cannot be synced (O_PATH).
        dir.open(folder)?.into_std().sync_all()
    })
}

/// Begins a recording: its sidecar first, since it says what the file is; then the file, which must have nothing in it.
pub(crate) fn begin(
    ingest: &Ingest,
    catalogue: &Catalogue,
    name: &RecordingName,
    extension: &str,
    change: Change,
) -> Result<File, Problem> {
    let dir = catalogue.dir();
    check_free(catalogue, name, extension)?;
    let path = format!("{name}.{extension}");
    check_clear(dir, &path)?;
    make_folder(dir, name)?;
    edit(ingest, dir, name, change)?;
    let file = open(dir, &path, OpenOptions::new().append(true).create(true))
        .and_then(|file| sync_names(ingest, dir, &path).map(|()| file))
        .map_err(|error| failed(&error, &format!("`{name}` is as it was")))?;
    match file.metadata().map_err(Problem::unwritable)?.len() {
        0 => Ok(file),
        _ => Err(Problem::conflict(format!("another program has just begun `{name}`"))),
    }
}

/// That there is a plain file where one is to be, or nothing: no folder, and no link that leads nowhere.
fn check_clear(dir: &Dir, path: &str) -> Result<(), Problem> {
    let is_file = dir.metadata(path).is_ok_and(|there| there.is_file());
    if is_file || dir.symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(Problem::conflict(format!("`{path}` is there already, and is no file that is written here")))
}

/// That sound can be put under a name, and that there is none.
pub(crate) fn check_free(
    catalogue: &Catalogue,
    name: &RecordingName,
    extension: &str,
) -> Result<(), Problem> {
    name.check_room(0)?;
    match catalogue.file_of(name) {
        Ok((file_name, 0)) if file_name == format!("{name}.{extension}") => Ok(()),
        Ok((file_name, _)) if is_coded(&file_name) => Err(is_recording(name, &file_name)),
        Ok((_, bytes)) => Err(Problem::conflict(format!(
            "there is a recording `{name}` of {bytes} bytes; to go on with it is PATCH with `Upload-Offset`"
        ))),
        Err(RecordingError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_recording(name: &RecordingName, file_name: &str) -> Problem {
    Problem::conflict(format!("there is a recording `{name}`, which is the file `{file_name}`"))
}

/// The file of a recording that is the only one of its name. Without it the name would mean the next, which may be for
/// others to hear, or all that is left of a show.
fn only_file(catalogue: &Catalogue, name: &RecordingName) -> Result<String, Problem> {
    match catalogue.files_of(name)?.as_slice() {
        [file_name] => Ok(file_name.clone()),
        several => Err(Problem::conflict(format!(
            "`{name}` is the name of {} files (`{}`); one of them has to go first, or to be called something else",
            several.len(),
            several.join("`, `")
        ))),
    }
}

/// Opens the file of a recording that is there, to go on with it.
pub(crate) fn go_on(catalogue: &Catalogue, name: &RecordingName) -> Result<File, Problem> {
    let (file_name, _) = catalogue.file_of(name)?;
    if is_coded(&file_name) {
        return Err(Problem::conflict(format!(
            "`{file_name}` is a coded file, to which nothing is appended"
        )));
    }
    open(catalogue.dir(), &file_name, OpenOptions::new().append(true))
        .map_err(|error| failed(&error, &format!("`{name}` is as it was")))
}

/// Opens a plain file, and nothing else: a pipe that was put there would be waited on.
fn open(dir: &Dir, path: &str, options: &mut OpenOptions) -> io::Result<File> {
    let options = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = dir.open_with(path, options)?.into_std();
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a plain file")) }
}

fn make_folder(dir: &Dir, name: &RecordingName) -> Result<(), Problem> {
    let Some(folder) = Path::new(name.as_str()).parent().filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    dir.create_dir_all(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Problem::conflict(format!("`{}` is not a folder here, nor can it be one", folder.display()))
        }
        _ => failed(&error, &format!("the folder of `{name}` cannot be made")),
    })
}

/// Removes a recording, its description last: without it the sound would be taken for something else.
pub(crate) fn remove(ingest: &Ingest, catalogue: &Catalogue, name: &RecordingName) -> Result<(), Problem> {
    let _editing = ingest.editing.lock();
    let file_name = only_file(catalogue, name)?;
    let dir = catalogue.dir();
    dir.remove_file(&file_name).map_err(|error| failed(&error, &format!("`{name}` is as it was")))?;
    match dir.remove_file(sidecar_name(name)) {
        Err(error) if !is_not_there(&error) => {
            Err(failed(&error, "its sound is gone, its description is not"))
        }
        _ => Ok(()),
    }
}

/// Gives a recording another name that nothing has, and changes its description with it: all of that or nothing. By links,
/// which never go over what is there; the description first, since it says what the file is.
pub(crate) fn rename(
    ingest: &Ingest,
    catalogue: &Catalogue,
    old: &RecordingName,
    new: &RecordingName,
    change: Change,
) -> Result<(), Problem> {
    new.check_room(0)?;
    let _editing = ingest.editing.lock();
    let file_name = only_file(catalogue, old)?;
    let dir = catalogue.dir();
    match catalogue.file_of(new) {
        Err(RecordingError::NotFound(_)) => {}
        Ok((file_name, _)) => return Err(is_recording(new, &file_name)),
        Err(error) => return Err(error.into()),
    }
    let edited = Edited::read(dir, old, change)?;
    make_folder(dir, new)?;
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Problem::conflict(format!("there is something called `{new}`")),
        _ => failed(&error, &format!("`{old}` is as it was")),
    };
    let beside = describe(ingest, dir, new, &edited).map_err(refused)?;
    let ending = file_name.strip_prefix(old.as_str()).filter(|ending| !ending.is_empty()).unwrap_or(".pcm");
    if let Err(error) = dir.hard_link(&file_name, dir, format!("{new}{ending}")) {
        if beside {
            let _ = dir.remove_file(sidecar_name(new));
        }
        return Err(refused(error));
    }
    let left = |error: io::Error| failed(&error, &format!("`{new}` is there, and so is `{old}`"));
    dir.remove_file(&file_name).map_err(left)?;
    if edited.old.is_some() { dir.remove_file(sidecar_name(old)).map_err(left) } else { Ok(()) }
}

/// Gives a name that has none the sidecar that it is to have, if it is to have one; whether it is.
fn describe(ingest: &Ingest, dir: &Dir, name: &RecordingName, edited: &Edited) -> io::Result<bool> {
    let path = sidecar_name(name);
    if edited.old.is_none() && edited.new.is_empty() {
        // One that is there would say something else of it.
        return match dir.symlink_metadata(&path) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if is_not_there(&error) => Ok(false),
            Err(error) => Err(error),
        };
    }
    through_new(ingest, dir, &path, &edited.new, |new| {
        dir.hard_link(new, dir, &path)?;
        dir.remove_file(new)
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a sidecar's text when a source plays `b` at the second 2.
    fn with_chapter(text: &str) -> String {
        let mut document: DocumentMut = text.parse().unwrap();
        add_chapter(&mut document, 2_000_000_000, "b".to_owned());
        let written = document.to_string();
        let sidecar = Sidecar::parse(&written).unwrap();
        let last = sidecar.chapters.last().unwrap();
        assert_eq!((last.start, last.title.as_str()), (2_000_000_000, "b"), "{written}");
        written
    }

    #[test]
    fn a_chapter_is_added_as_the_others_are_written() {
        let new = "start = \"2.000000000\", title = \"b\"";
        for (before, after) in [
            ("chapters = []", format!("chapters = [{{ {new} }}]")),
            (
                "chapters = [{start=0,title='a'}] # c",
                format!("chapters = [{{start=0,title='a'}}, {{ {new} }}] # c"),
            ),
            (
                "chapters = [ {start=0, title='a'}, ]",
                format!("chapters = [ {{start=0, title='a'}}, {{ {new} }}, ]"),
            ),
            (
                "chapters = [\n  # one\n  {start=0, title='a'}, # a\n]",
                format!("chapters = [\n  # one\n  {{start=0, title='a'}}, # a\n  {{ {new} }},\n]"),
            ),
            (
                "chapters = [\n  {start=0, title='a'}, # a\n  {start=1, title='b'} # b\n] # c\nended = true",
                format!(
                    "chapters = [\n  {{start=0, title='a'}}, # a\n  {{start=1, title='b'}}, # b\n  {{ {new} }}\n] # c\nended = true"
                ),
            ),
        ] {
            assert_eq!(with_chapter(before).trim_end(), after, "{before}");
        }
        for (before, after) in [
            (
                "[[chapters]]\nstart = 0\ntitle = 'a' # a\n",
                "[[chapters]]\nstart = 0\ntitle = 'a' # a\n\n[[chapters]]\n",
            ),
            ("ended = true # c\n", "ended = true # c\n\n[[chapters]]\n"),
        ] {
            assert!(with_chapter(before).starts_with(after), "{before}: {}", with_chapter(before));
        }
    }

    #[test]
    fn a_chapter_that_begins_where_the_last_does_takes_its_place() {
        for before in [
            "chapters = [ {start=0, title='a'}, { start = \"2.000000000\", title = 'x' } ] # c",
            "[[chapters]]\nstart = \"2.000000000\"\ntitle = 'x'\n",
        ] {
            let written = with_chapter(before);
            assert!(!written.contains('x'), "{written}");
        }
    }
}
