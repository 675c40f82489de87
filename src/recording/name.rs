//! Which names a recording may have.

use std::fmt;
use std::path::Path;

use super::RecordingError;

/// The name of a recording: a relative path with `/`, without the extension of its file.
///
/// Nothing that could leave the folder, hide in it or mean something else to the system gets this far; the
/// folder itself is opened in a way that symbolic links cannot leave either (`cap-std`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingName(String);

/// Longer than any path that Linux opens.
const MAX_LEN: usize = 4096;

/// Bytes that the name of a file or of a folder may have (`NAME_MAX` of Linux).
const PART_MOST: usize = 255;

/// What stands around a name while something is written about it: `.NAME.toml.new`.
const AROUND: usize = ".".len() + ".toml.new".len();

impl RecordingName {
    /// Checks a name (percent-decoded, if it comes from a URL).
    ///
    /// # Errors
    /// When it is not a plain relative path.
    pub fn parse(name: &str) -> Result<Self, RecordingError> {
        let refuse = |why: &str| Err(refused(name, why.to_owned()));
        if name.len() > MAX_LEN {
            return Err(refused(name, too_long("it", name, MAX_LEN)));
        }
        if name.contains(['\\', '\0']) || name.chars().any(char::is_control) {
            return refuse("a backslash or a control character is in it");
        }
        for part in name.split('/') {
            match part {
                "" => return refuse("a part of it is empty"),
                _ if part.starts_with('.') => return refuse("a part of it starts with a dot"),
                _ if part.len() > PART_MOST => {
                    return Err(refused(name, too_long("a part of it", part, PART_MOST)));
                }
                _ => {}
            }
        }
        Ok(Self(name.to_owned()))
    }

    /// That there is room in a name for what is written here: its files, and `behind` bytes more in names made of it.
    ///
    /// # Errors
    /// When it is too long for that, though there may be a recording of that name.
    pub(crate) fn check_room(&self, behind: usize) -> Result<(), RecordingError> {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        let around = AROUND.saturating_add(behind);
        // Less the zero at the end of a path.
        for (what, text, most) in
            [("its last part", last, PART_MOST), ("it", &self.0, MAX_LEN.saturating_sub(1))]
        {
            let most = most.saturating_sub(around);
            if text.len() > most {
                return Err(refused(&self.0, format!("to be written {}", too_long(what, text, most))));
            }
        }
        Ok(())
    }

    /// The name of a file that its owner has picked, wherever it is. It leads nowhere, so it may be any.
    pub(super) fn of_file(path: &Path) -> Self {
        Self(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn refused(name: &str, why: String) -> RecordingError {
    RecordingError::Name { name: name.chars().take(200).collect(), why }
}

fn too_long(what: &str, text: &str, most: usize) -> String {
    format!("{what} may have {most} bytes, and has {}", text.len())
}

impl fmt::Display for RecordingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_names_and_nothing_else_is() {
        for good in ["show", "2026/november/show 3", "a.b", "é", "..a".trim_start_matches('.')] {
            assert!(RecordingName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "a/../b", "..", "a//b", "a/", ".hidden", "a\\b", "a\0b", "a\nb", "a/."]
        {
            assert!(RecordingName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
