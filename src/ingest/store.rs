//! The folder of recordings, as whoever writes sees it. All of it blocks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions};
use toml_edit::{DocumentMut, value};

use super::sink::failed;
use super::{Ingest, Sync};
use crate::error::Problem;
use crate::recording::catalogue::{SIDECAR_MOST, is_not_there, sidecar_name};
use crate::recording::sidecar::Sidecar;
use crate::recording::{Catalogue, RecordingError, RecordingName};

/// A change of a sidecar: what is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) pcm: Option<String>,
    /// No title if empty.
    pub(crate) title: Option<String>,
    /// Only if it does not say so yet.
    pub(crate) started: Option<String>,
    pub(crate) ended: Option<bool>,
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
    }
}

/// Sets a key, and keeps the comment that stands behind its value.
fn set(document: &mut DocumentMut, key: &str, mut item: toml_edit::Item) {
    let old = document.get(key).and_then(|old| old.as_value()).map(|old| old.decor().clone());
    if let (Some(old), Some(new)) = (old, item.as_value_mut()) {
        *new.decor_mut() = old;
    }
    document.insert(key, item);
}

/// A recording's sidecar, changed: what else is in it stays, comments among it. It is another file under the same name, so
/// that nobody reads half of one, and a full disk leaves the one that was.
pub(crate) fn edit(ingest: &Ingest, dir: &Dir, name: &RecordingName, change: Change) -> Result<(), Problem> {
    let _editing = ingest.editing.lock();
    let path = sidecar_name(name);
    let broken = |why: String| Problem::from(RecordingError::Sidecar { name: name.to_string(), why });
    let old = match dir.open(&path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(SIDECAR_MOST + 1)
                .read_to_string(&mut text)
                .map_err(|error| broken(error.to_string()))?;
            text
        }
        Err(error) if is_not_there(&error) => String::new(),
        Err(error) => return Err(broken(error.to_string())),
    };
    let mut document: DocumentMut =
        old.parse().map_err(|error: toml_edit::TomlError| broken(error.to_string()))?;
    change.apply(&mut document);
    let new = document.to_string();
    if new.len() as u64 > SIDECAR_MOST {
        return Err(broken(format!("it would be longer than {SIDECAR_MOST} bytes")));
    }
    Sidecar::parse(&new).map_err(broken)?;
    if new == old {
        return Ok(());
    }
    replace(ingest, dir, &path, &new).map_err(|error| failed(&error, "its description is as it was"))
}

fn replace(ingest: &Ingest, dir: &Dir, path: &str, text: &str) -> io::Result<()> {
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
        dir.rename(&new, dir, path)
    };
    write().inspect_err(|_| drop(dir.remove_file(&new)))
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
    make_folder(dir, name)?;
    edit(ingest, dir, name, change)?;
    let options = OpenOptions::new().append(true).create(true).clone();
    open(dir, &format!("{name}.{extension}"), &options, name)
}

/// That there is no sound under a name.
pub(crate) fn check_free(
    catalogue: &Catalogue,
    name: &RecordingName,
    extension: &str,
) -> Result<(), Problem> {
    match catalogue.file_of(name) {
        Ok((file_name, 0)) if file_name == format!("{name}.{extension}") => Ok(()),
        Ok((_, bytes)) => Err(Problem::conflict(format!(
            "there is a recording `{name}` of {bytes} bytes; to go on with it is PATCH with `Upload-Offset`"
        ))),
        Err(RecordingError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens the file of a recording that is there, to go on with it.
pub(crate) fn go_on(catalogue: &Catalogue, name: &RecordingName) -> Result<File, Problem> {
    let (file_name, _) = catalogue.file_of(name)?;
    open(catalogue.dir(), &file_name, &OpenOptions::new().append(true).clone(), name)
}

fn open(dir: &Dir, path: &str, options: &OpenOptions, name: &RecordingName) -> Result<File, Problem> {
    let file =
        dir.open_with(path, options).map_err(|error| failed(&error, &format!("`{name}` is as it was")))?;
    Ok(file.into_std())
}

fn make_folder(dir: &Dir, name: &RecordingName) -> Result<(), Problem> {
    let Some(folder) = Path::new(name.as_str()).parent().filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    dir.create_dir_all(folder)
        .map_err(|error| failed(&error, &format!("the folder of `{name}` cannot be made")))
}

/// Removes a recording, its description last: without it the sound would be taken for something else.
pub(crate) fn remove(ingest: &Ingest, catalogue: &Catalogue, name: &RecordingName) -> Result<(), Problem> {
    let _editing = ingest.editing.lock();
    let (file_name, _) = catalogue.file_of(name)?;
    let dir = catalogue.dir();
    dir.remove_file(&file_name).map_err(|error| failed(&error, &format!("`{name}` is as it was")))?;
    match dir.remove_file(sidecar_name(name)) {
        Err(error) if !is_not_there(&error) => {
            Err(failed(&error, "its sound is gone, its description is not"))
        }
        _ => Ok(()),
    }
}

/// Gives a recording another name that nothing has. By links, which never go over what is there; the description first,
/// since it says what the file is.
pub(crate) fn rename(
    ingest: &Ingest,
    catalogue: &Catalogue,
    old: &RecordingName,
    new: &RecordingName,
) -> Result<(), Problem> {
    let _editing = ingest.editing.lock();
    let (file_name, _) = catalogue.file_of(old)?;
    let dir = catalogue.dir();
    match catalogue.file_of(new) {
        Err(RecordingError::NotFound(_)) => {}
        Ok(_) => return Err(Problem::conflict(format!("there is a recording `{new}`"))),
        Err(error) => return Err(error.into()),
    }
    make_folder(dir, new)?;
    let ending = file_name.strip_prefix(old.as_str()).filter(|ending| !ending.is_empty()).unwrap_or(".pcm");
    let link = |from: &str, to: &str| dir.hard_link(from, dir, to);
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Problem::conflict(format!("there is something called `{new}`")),
        _ => failed(&error, &format!("`{old}` is as it was")),
    };
    let beside = match link(&sidecar_name(old), &sidecar_name(new)) {
        Ok(()) => true,
        Err(error) if is_not_there(&error) => false,
        Err(error) => return Err(refused(error)),
    };
    if let Err(error) = link(&file_name, &format!("{new}{ending}")) {
        if beside {
            let _ = dir.remove_file(sidecar_name(new));
        }
        return Err(refused(error));
    }
    let left = |error: io::Error| failed(&error, &format!("`{new}` is there, and so is `{old}`"));
    dir.remove_file(&file_name).map_err(left)?;
    if beside { dir.remove_file(sidecar_name(old)).map_err(left) } else { Ok(()) }
}
