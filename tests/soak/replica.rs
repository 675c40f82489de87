//! Servers that have nothing to do with the one that is soaked but the program: each is started afresh on a folder in
//! which one life lies, ended at some length, under the same name. What it gives is the truth.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::client::{Client, End, Manner, Reply};
use crate::life::{Life, sidecar};
use crate::program;
use crate::support::process::Process;

/// How many are kept: what is asked of one is asked of it again soon.
const KEPT: usize = 6;

struct Replica {
    life: usize,
    bytes: u64,
    server: Process,
    _folders: [TempDir; 2],
}

#[derive(Default)]
pub struct Replicas {
    /// The last one used last.
    kept: Vec<Replica>,
    /// How many there were.
    pub started: usize,
}

impl Replicas {
    /// What one answers that has the first `bytes` of a life.
    pub fn ask(&mut self, life: &Life, bytes: u64, method: &str, target: &str, range: Option<&str>) -> Reply {
        let at = self.kept.iter().position(|replica| (replica.life, replica.bytes) == (life.number, bytes));
        let replica = match at {
            Some(at) => self.kept.remove(at),
            None => self.start(life, bytes),
        };
        let headers: Vec<_> = range.map(|range| ("range".to_owned(), range.to_owned())).into_iter().collect();
        let reply =
            Client::new(replica.server.address).ask(method, target, &headers, &Manner::PATIENT, &|| false);
        assert_eq!(reply.end, End::InOrder, "a replica does not answer {target}: {life:?}");
        self.kept.push(replica);
        reply
    }

    fn start(&mut self, life: &Life, bytes: u64) -> Replica {
        if self.kept.len() >= KEPT {
            self.kept.remove(0);
        }
        self.started += 1;
        let root = tempfile::tempdir().unwrap();
        let file = |extension: &str| root.path().join(format!("{}.{extension}", life.name));
        let extension = life.coded.unwrap_or(if life.header > 0 { "wav" } else { "pcm" });
        fs::create_dir_all(file(extension).parent().unwrap()).unwrap();
        fs::write(file("toml"), sidecar(life.spec, true)).unwrap();
        life.copy(bytes, &file(extension));
        let mut command = Command::new(program());
        let decoded = tempfile::tempdir().unwrap();
        command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "1", "--decoded-cache"]);
        command.arg(decoded.path()).arg("--root").arg(root.path());
        let server = Process::start(command, "http://");
        Replica { life: life.number, bytes, server, _folders: [root, decoded] }
    }
}
