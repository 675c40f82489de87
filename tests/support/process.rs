//! The real program as a process, for what only a process can show: signals, exit codes, being killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    /// What it has said since then.
    pub said: Arc<Mutex<Vec<String>>>,
}

/// The program that was built for this test run.
pub fn tailcast() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tailcast"))
}

impl Process {
    /// `tailcast serve` on a port of its own.
    pub fn serve(root: &Path, arguments: &[&str]) -> Self {
        let mut command = tailcast();
        command.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(root).args(arguments);
        Self::start(command, "http://")
    }

    /// Starts a command and reads its address from the first line that has one behind `mark`.
    pub fn start(mut command: Command, mark: &str) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .find_map(|line| Some(line.unwrap().split_once(mark)?.1.trim_end_matches('/').parse().unwrap()))
            .expect("it ended without saying where it listens");
        let said = Arc::<Mutex<Vec<String>>>::default();
        let saying = Arc::clone(&said);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| saying.lock().unwrap().push(line))
        });
        Self { child, address, said }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Seconds of the processor that it took so far.
    pub fn cpu(&self) -> f64 {
        // Fields 14 and 15 of /proc/PID/stat, in hundredths of a second; the name in field 2 has no blanks.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let ticks: Vec<f64> = stat.split_whitespace().skip(13).take(2).map(|t| t.parse().unwrap()).collect();
        (ticks[0] + ticks[1]) / 100.0
    }

    /// File descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// A line of `/proc/PID/status` in KiB: `VmRSS` for the memory it takes, `VmHWM` for the most it ever took.
    pub fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    }
}
