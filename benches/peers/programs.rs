//! The programs that are measured, each started by itself in a folder that goes away with it.

use std::fs::{self, Permissions};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::settings::Settings;
use super::support::wait_for;
use super::{sound, usage};

/// `tailcast serve` as its users run it. What it has coded before it forgets with the process.
pub fn tailcast(settings: &Settings, root: &Path, arguments: &[&str]) -> Process {
    let program = settings.tailcast.as_deref().unwrap_or(env!("CARGO_BIN_EXE_tailcast"));
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--pcm", sound::PCM, "--root"])
        .arg(root)
        .args(arguments);
    Process::start(command, "http://")
}

/// Another server than ours.
pub struct Peer {
    child: Child,
    pub address: SocketAddr,
    /// Kept for as long as the server runs.
    _folder: TempDir,
}

impl Peer {
    /// Starts a server that refuses to run as root, or should not, as somebody else.
    fn start(mut command: Command, folder: TempDir, address: SocketAddr) -> Self {
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("benches/peers/install.sh installs it");
        let peer = Self { child, address, _folder: folder };
        wait_for(START, || TcpStream::connect(address).is_ok());
        peer
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Not SIGKILL, which nginx's workers would survive.
        let _ = Command::new("kill").arg(self.pid().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Debian's user and group `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// How long a program may take to start.
pub const START: Duration = Duration::from_secs(20);

/// An address that nobody listens on.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Writes a configuration made of a template: `{NAME}` becomes its value.
fn write_config(template: &str, path: &Path, values: &[(&str, String)]) {
    let text = values
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    fs::write(path, text).unwrap();
}

pub fn icecast(listeners: usize) -> Peer {
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    let config = folder.path().join("icecast.xml");
    let values = [
        ("CLIENTS", (listeners + 100).to_string()),
        ("PORT", address.port().to_string()),
        ("FOLDER", folder.path().display().to_string()),
    ];
    write_config(include_str!("icecast.xml"), &config, &values);
    let mut command = Command::new("icecast2");
    command.arg("-c").arg(config);
    Peer::start(command, folder, address)
}

pub fn nginx(root: &Path) -> Peer {
    let (folder, address) = (TempDir::new().unwrap(), free_address());
    // The folder is ours alone, and nginx is somebody else.
    fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
    let config = folder.path().join("nginx.conf");
    let values = [
        ("PORT", address.port().to_string()),
        ("FOLDER", folder.path().display().to_string()),
        ("ROOT", root.display().to_string()),
    ];
    write_config(include_str!("nginx.conf"), &config, &values);
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(config);
    Peer::start(command, folder, address)
}

/// A process that ends with this value.
pub struct Ffmpeg {
    pub child: Child,
}

impl Ffmpeg {
    pub fn start(arguments: &[&str], stdin: Stdio, stdout: Stdio) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error"]).args(arguments).stdin(stdin).stdout(stdout).stderr(Stdio::null());
        Self { child: command.spawn().expect("benches/peers/install.sh installs it") }
    }

    /// Seconds of the processor so far.
    pub fn cpu(&self) -> f64 {
        usage::cpu(self.child.id())
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What ffmpeg makes MP3 with. Of a stream it cannot go back to write the number of its packets into the first.
pub const MP3: [&str; 8] = ["-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-f", "mp3"];

/// A source client: sends to icecast what it reads, coded, each packet when it is made.
pub fn source_client(icecast: &Peer, mount: &str) -> Ffmpeg {
    let url = format!("icecast://source:{PASSWORD}@{}/{mount}", icecast.address);
    let input = [&sound::FFMPEG_INPUT[..], &["-i", "-"]].concat();
    let output = ["-id3v2_version", "0", "-flush_packets", "1", "-content_type", "audio/mpeg", &url];
    Ffmpeg::start(&[&input[..], &MP3, &output].concat(), Stdio::piped(), Stdio::null())
}

/// That of `icecast.xml`.
const PASSWORD: &str = "hackme";

/// What an ffmpeg writes to its standard output.
pub fn output(arguments: &[&str]) -> Vec<u8> {
    let mut ffmpeg = Ffmpeg::start(arguments, Stdio::null(), Stdio::piped());
    let mut bytes = Vec::new();
    ffmpeg.child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}
