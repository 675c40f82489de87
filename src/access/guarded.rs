//! The recordings, for who has a pass.

use std::io;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::{Grant, Key, Opens, Part, Pass, Refusal, with};
use crate::error::Problem;
use crate::recording::{
    Catalogue, Changes, Entries, Extent, News, Recording, RecordingError, RecordingName, Status, public,
};

/// The recordings of a folder, each for whom it is. What is not for somebody is not there for him.
#[derive(Debug, Clone)]
pub struct Guarded(Catalogue);

/// A recording, and the part of it that somebody may have.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) recording: Arc<Recording>,
    pub(crate) part: Part,
}

/// Why somebody does not get a recording.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// By what is there, or is said to be.
    Recording(RecordingError),
    /// By the signature, whatever is there.
    Signature(Refusal),
    /// There is none for whoever has not said who he is; whether there is one for others is not told.
    Unknown,
}

impl NotOpened {
    /// Whether there may be something under another name.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Recording(RecordingError::NotFound(_)) | Self::Signature(Refusal::Forged) | Self::Unknown
        )
    }
}

impl From<RecordingError> for NotOpened {
    fn from(error: RecordingError) -> Self {
        Self::Recording(error)
    }
}

impl From<Refusal> for NotOpened {
    fn from(refusal: Refusal) -> Self {
        Self::Signature(refusal)
    }
}

impl From<NotOpened> for Problem {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Recording(error) => error.into(),
            NotOpened::Signature(refusal) => refusal.into(),
            NotOpened::Unknown => Problem::reading("there is nothing of that name for who has none"),
        }
    }
}

impl Guarded {
    /// Those of a catalogue.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self(catalogue)
    }

    /// All of them, for what gives nothing of them to anybody who reads, and for who writes. (No handler of one who reads calls
    /// it: a test looks.)
    pub(crate) fn unguarded(&self) -> &Catalogue {
        &self.0
    }

    /// As [`Catalogue::file_of`], for who may have all of it. Blocks.
    ///
    /// # Errors
    /// When there is none for him, or it cannot be told.
    pub(crate) fn file_of(&self, pass: &Pass, name: &RecordingName) -> Result<(String, u64), RecordingError> {
        let found = self.0.file_of(name)?;
        let is_open = pass.part(name).is_ok_and(Part::is_whole) && pass.opens(name, self.0.rule(name));
        if is_open { Ok(found) } else { Err(RecordingError::NotFound(name.to_string())) }
    }

    /// As [`Catalogue::follow`], of one that was opened.
    pub(crate) fn follow(&self, recording: &Arc<Recording>, listener: &watch::Receiver<Extent>) {
        self.0.follow(recording, listener);
    }

    /// As [`Catalogue::check`].
    pub(crate) fn check(&self) -> io::Result<()> {
        self.0.check()
    }

    /// The recording of a name, just looked at, for who may have all of it. Blocks.
    ///
    /// # Errors
    /// When there is none for him, or it cannot be read or understood.
    pub(crate) fn find(&self, pass: &Pass, name: &RecordingName) -> Result<Arc<Recording>, NotOpened> {
        let Opened { recording, part } = self.find_part(pass, name)?;
        if part.is_whole() { Ok(recording) } else { Err(Refusal::Part.into()) }
    }

    /// The same, and the part of it that he may have: it is for who calls to give no more.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    pub(crate) fn find_part(&self, pass: &Pass, name: &RecordingName) -> Result<Opened, NotOpened> {
        // Before anything is looked for: what is wrong with a signature does not depend on what is there.
        let part = pass.part(name)?;
        match self.0.find(name) {
            Ok(recording) if pass.opens(name, recording.rule()) => Ok(Opened { recording, part }),
            Ok(_) | Err(RecordingError::NotFound(_)) => Err(pass.missing(name)),
            Err(error @ RecordingError::Name { .. }) => Err(error.into()),
            // That it is there and broken is told to nobody to whom it is not told that it is there.
            Err(error) if pass.opens(name, self.0.rule(name)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(recording = %name, %error, "kept from who may not know of it");
                Err(pass.missing(name))
            }
        }
    }

    /// As [`find`](Self::find), if that can be had without waiting for a disk.
    pub(crate) fn at_hand(&self, pass: &Pass, name: &RecordingName) -> Option<Arc<Recording>> {
        self.part_at_hand(pass, name).filter(|opened| opened.part.is_whole()).map(|opened| opened.recording)
    }

    /// As [`find_part`](Self::find_part), if that can be had without waiting for a disk.
    pub(crate) fn part_at_hand(&self, pass: &Pass, name: &RecordingName) -> Option<Opened> {
        let part = pass.part(name).ok()?;
        let recording = self.0.at_hand(name)?;
        pass.opens(name, recording.rule()).then_some(Opened { recording, part })
    }

    /// That somebody may have lists at all.
    ///
    /// # Errors
    /// When he has come for one recording.
    pub(crate) fn check_lists(&self, pass: &Pass) -> Result<(), Problem> {
        pass.lists().map(drop).map_err(Problem::from)
    }

    /// Every recording that there is for somebody, newest first.
    ///
    /// # Errors
    /// When the folder itself cannot be read, or he has come for one recording.
    pub(crate) async fn list(&self, pass: &Pass) -> Result<Entries, Problem> {
        let is_all = pass.lists()?;
        let entries = self.0.list().await.map_err(Problem::internal)?;
        let told = if is_all { Arc::clone(&entries) } else { public(&entries, pass.at) };
        if told.len() < entries.len()
            && let Some(closed) = entries.iter().find(|entry| entry.rule.is_closed(pass.at))
        {
            pass.access.tell_if_shut(&closed.name);
        }
        Ok(told)
    }

    /// The same for a feed or a playlist of what has some words, and what its links have to have. It may be signed.
    ///
    /// # Errors
    /// When the folder itself cannot be read, or he has come for something else.
    pub(crate) async fn library(&self, pass: &Pass, words: &str) -> Result<(Entries, Links), Problem> {
        let Opens::Signed(signed) = &pass.opens else {
            return Ok((self.list(pass).await?, Links(None)));
        };
        pass.listing(signed, words)?;
        let entries = self.0.list().await.map_err(Problem::internal)?;
        Ok((entries, Links(pass.access.settings.key.clone().map(|key| (key, signed.expires)))))
    }

    /// Tells of what changes in that list, for as long as what is returned lives.
    ///
    /// # Errors
    /// When he has come for one recording.
    pub(crate) fn watch_list(&self, pass: &Pass) -> Result<Watcher, Problem> {
        Ok(Watcher { is_all: pass.lists()?, news: self.0.watch_list() })
    }
}

/// What makes links to recordings open them, in a list that was opened by its signature: signatures of their own, for as
/// long.
#[derive(Debug, Clone)]
pub(crate) struct Links(Option<(Key, i64)>);

impl Links {
    /// A path that leads to a recording.
    pub(crate) fn to(&self, name: &RecordingName, path: String) -> String {
        let Some((key, expires)) = &self.0 else { return path };
        let grant = Grant { name: name.clone(), part: Part::default(), expires: *expires };
        with(path, &key.sign(&grant))
    }
}

impl Pass {
    /// What is known of a recording that it has opened, if it still does: its sidecar may say otherwise by now.
    ///
    /// # Errors
    /// When it is lost, or as good as.
    pub(crate) fn still(&self, recording: &Recording) -> Result<Status, RecordingError> {
        let status = recording.status()?;
        let is_open = self.opens(&status.name, status.sidecar.rule);
        if is_open { Ok(status) } else { Err(RecordingError::NotFound(status.name.to_string())) }
    }

    /// That there is no recording of a name for it. Browsers and players send a password only when they are asked for one.
    fn missing(&self, name: &RecordingName) -> NotOpened {
        let may_be_asked = matches!(self.opens, Opens::Public) && self.access.settings.tokens.is_some();
        let missing = || RecordingError::NotFound(name.to_string()).into();
        if may_be_asked { NotOpened::Unknown } else { missing() }
    }

    /// Whether it has all in lists, or what takes no pass.
    fn lists(&self) -> Result<bool, Refusal> {
        match self.opens {
            Opens::Everything => Ok(true),
            Opens::Public => Ok(false),
            Opens::Signed(_) => Err(Refusal::List),
        }
    }
}

/// Somebody who is told what changes in the list.
#[derive(Debug)]
pub(crate) struct Watcher {
    is_all: bool,
    news: broadcast::Receiver<Arc<News>>,
}

impl Watcher {
    /// What has changed, for him.
    ///
    /// # Errors
    /// When there is nobody any more who tells, or he was too slow.
    pub(crate) async fn recv(&mut self) -> Result<Changes, RecvError> {
        loop {
            let news = self.news.recv().await?;
            let changes = if self.is_all { &news.all } else { &news.public };
            if !changes.is_empty() {
                return Ok(changes.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use http::HeaderMap;
    use jiff::Timestamp;

    use super::*;
    use crate::access::{Access, Grant, Key, Settings};

    fn pass(access: &Arc<Access>, query: &str) -> Pass {
        access.pass(&format!("/?{query}").parse().unwrap(), &HeaderMap::new(), Timestamp::now()).unwrap()
    }

    /// What is open because somebody may listen to it is no more at hand for who may not.
    #[test]
    fn what_is_at_hand_is_so_for_who_may_have_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.toml"), "private = true\nended = true").unwrap();
        fs::write(folder.path().join("secret.pcm"), [0; 64]).unwrap();
        let pcm = "s16le:8000:1".parse().unwrap();
        let guarded = Guarded::new(Catalogue::open(folder.path(), pcm, Duration::from_secs(2)).unwrap());
        let name = RecordingName::parse("secret").unwrap();
        let kept = guarded.unguarded().find(&name).unwrap();
        // What was written just now is not; and on a file system that cannot say so nothing is.
        for _ in 0..1000 {
            if guarded.unguarded().at_hand(&name).is_some() {
                break;
            }
            guarded.unguarded().find(&name).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        let key = Key::parse(&[1; 32]).unwrap();
        let signed = |from| {
            let part = Part { from, to: None };
            key.sign(&Grant { name: name.clone(), part, expires: i64::MAX })
        };
        let access = Access::new(Settings { key: Some(key.clone()), ..Settings::default() }, None);
        let is_at_hand = |query: &str| guarded.at_hand(&pass(&access, query), &name).is_some();
        let is_in_part = |query: &str| guarded.part_at_hand(&pass(&access, query), &name).is_some();
        assert_eq!(is_at_hand(&signed(None)), guarded.unguarded().at_hand(&name).is_some());
        assert!(!is_at_hand("") && !is_in_part(""));
        assert!(!is_at_hand("sig=x&expires=1") && !is_in_part("sig=x&expires=1"));
        assert!(!is_at_hand(&signed(Some(0))));
        assert_eq!(is_in_part(&signed(Some(0))), is_at_hand(&signed(None)));
        drop(kept);
    }
}
