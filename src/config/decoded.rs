//! Where decoded sound is kept.

use std::env;
use std::path::{Path, PathBuf, absolute};

/// A folder as it is written, which need not be there. Not in the folder of recordings, where its files would be taken for
/// some.
pub(super) fn folder(text: &str, root: &Path) -> Result<PathBuf, String> {
    let path = absolute(text).map_err(|error| format!("`{text}`: {error}"))?;
    if is_within(&path, root) {
        return Err(format!("`{text}` is in the folder of recordings"));
    }
    Ok(path)
}

/// Where it is kept if nobody says: what systemd has made for the service, else where the user's caches are, else among the
/// temporary files. Nowhere if all of these are in the folder of recordings.
pub(super) fn default_folder(root: &Path) -> Option<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // Several have colons between them.
    let by_systemd = env::var("CACHE_DIRECTORY").ok();
    let by_systemd = by_systemd.and_then(|paths| paths.split(':').next().map(PathBuf::from));
    let by_systemd = by_systemd.filter(|path| path.is_absolute());
    let of_user = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let temporary = env::temp_dir().join(format!("tailcast-{}", rustix::process::geteuid().as_raw()));
    let possible = [by_systemd, of_user.map(|caches| caches.join("tailcast")), Some(temporary)];
    possible.into_iter().flatten().find(|path| !is_within(path, root))
}

fn is_within(path: &Path, root: &Path) -> bool {
    let Ok(root) = root.canonicalize() else { return false };
    // As much of it as is there leads where it leads.
    let there = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    there.is_some_and(|there| there.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_among_the_recordings() {
        let dir = tempfile::tempdir().unwrap();
        let (root, beside) = (dir.path().join("root"), dir.path().join("beside"));
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&root, dir.path().join("link")).unwrap();
        let found = |path: PathBuf| folder(path.to_str().unwrap(), &root);
        assert_eq!(found(beside.join("not/there")), Ok(beside.join("not/there")));
        for within in [root.clone(), root.join("a/b"), dir.path().join("link/a")] {
            assert!(found(within.clone()).unwrap_err().contains(within.to_str().unwrap()));
        }
        assert_eq!(default_folder(Path::new("/")), None);
        assert!(default_folder(&root).is_some());
    }
}
