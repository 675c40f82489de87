//! A sound card that is none: what is played to it is what its microphone hears.

use std::path::PathBuf;
use std::process::Command;

use crate::judge::Desk;
use crate::stage::Client;
use crate::support::eventually;

/// What runs it.
pub const JUDGE: &str = "pulseaudio";

/// It is there until dropped, for programs with its [`environment`](Self::environment).
pub struct Card {
    desk: Desk,
    socket: PathBuf,
    _server: Client,
}

impl Card {
    pub async fn insert() -> Self {
        let desk = Desk::new();
        // For programs that know ALSA alone.
        desk.put(".asoundrc", b"pcm.!default { type pulse }\nctl.!default { type pulse }\n");
        let socket = desk.path("pulse.sock");
        let mut server = Command::new(JUDGE);
        server.args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]);
        server.args(["-L", "module-null-sink format=s16le rate=48000 channels=2"]);
        let listens = format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display());
        server.args(["-L", &listens]);
        server.env("HOME", desk.path("")).env("XDG_RUNTIME_DIR", desk.path(""));
        let server = Client::start(&desk, server);
        eventually("there is a sound card", || socket.exists()).await;
        Self { desk, socket, _server: server }
    }

    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("HOME", self.desk.path("").display().to_string()),
            ("PULSE_SERVER", format!("unix:{}", self.socket.display())),
        ]
    }
}
