//! Encoders that send as to Icecast, and what is recorded of them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tailcast::access::Tokens;

use crate::card::{self, Card};
use crate::judge::{Desk, Heard};
use crate::place::{Alike, assert_in_place};
use crate::stage::{Client, RATE, longer_than, seconds};
use crate::support::judged::Judged;
use crate::support::{Root, Running, eventually, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "ffmpeg_records_as_an_icecast_source", judges: &["ffmpeg"], test: ffmpeg_records },
    Judged { name: "ffmpeg_records_by_the_old_method", judges: &["ffmpeg"], test: ffmpeg_by_source },
    Judged { name: "ezstream_records_with_titles", judges: &["ezstream", "ffmpeg"], test: ezstream_records },
    Judged {
        name: "butt_records_with_titles",
        judges: &["butt", "xvfb-run", card::JUDGE],
        test: butt_records,
    },
    Judged { name: "liquidsoap_records", judges: &["liquidsoap", "ffmpeg"], test: liquidsoap_records },
];

const PASSWORD: &str = "hackme";

/// How ffmpeg codes it, its media type, and the frames that stand before the sound, where nothing says how many these are.
const CODED: [(&str, &str, &str, usize); 4] = [
    ("mp3", "libmp3lame", "audio/mpeg", 1105),
    ("ogg", "libvorbis", "application/ogg", 0),
    ("opus", "libopus", "application/ogg", 312),
    ("oga", "flac", "application/ogg", 0),
];

async fn server(root: &Root) -> Running {
    Running::with(root, |config| {
        config.growth_timeout = Duration::from_secs(20);
        config.ingest.tokens = Some(Tokens::parse(PASSWORD).unwrap());
    })
    .await
}

/// Sound, and a file of it in a codec.
fn coded(desk: &Desk, sound: &[u8], codec: &str, file: &str) -> PathBuf {
    let (raw, file) = (desk.put("sound.raw", sound), desk.path(file));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "s16le", "-ar", "48000", "-ac", "2", "-i"]).arg(raw);
    ffmpeg.args(["-c:a", codec, "-b:a", "192k"]);
    if file.extension().is_some_and(|ending| ["ogg", "oga", "opus"].iter().any(|ogg| ending == *ogg)) {
        ffmpeg.args(["-f", "ogg"]);
    }
    assert!(ffmpeg.arg(&file).status().unwrap().success());
    file
}

/// That a recording becomes `sound` behind so many frames.
async fn assert_recorded(root: &Root, name: &str, sound: &[u8], lead: usize) {
    longer_than(&root.file(&format!("{name}.pcm")), (4 * lead + sound.len()) as u64 - 1).await;
    let recorded = std::fs::read(root.file(&format!("{name}.pcm"))).unwrap();
    assert_eq!(recorded.len() % 4, 0, "{name}");
    let (recorded, source) =
        (Heard::of_s16le(RATE as u32, 2, &recorded), Heard::of_s16le(RATE as u32, 2, sound));
    let alike = Alike { least: 0.75, off: 0.3, frame: 1, parts: true };
    for (recorded, source) in recorded.planes.iter().zip(&source.planes) {
        assert_in_place(name, &recorded[lead..lead + source.len()], source, 0, alike);
    }
}

/// An ffmpeg that reads a file as it is told to, and sends it as to Icecast as it is told to.
fn ffmpeg(read: &[&str], file: &Path, sent: &[&str], server: &Running, mount: &str) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]).args(read).arg("-i").arg(file);
    ffmpeg.args(["-c", "copy"]).args(sent);
    ffmpeg.arg(format!("icecast://source:{PASSWORD}@{}{mount}", server.address));
    ffmpeg
}

fn ffmpeg_records() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(3));
    wait(async {
        let server = server(&root).await;
        for (ending, codec, media_type, lead) in CODED {
            let file = coded(&desk, &sound, codec, &format!("sound.{ending}"));
            let container = if ending == "mp3" { "mp3" } else { "ogg" };
            let sent = ["-content_type", media_type, "-ice_name", codec, "-f", container];
            let mount = format!("/{codec}.{ending}");
            Client::start(&desk, ffmpeg(&[], &file, &sent, &server, &mount)).finish();
            assert_recorded(&root, codec, &sound, lead).await;
            let sidecar = std::fs::read_to_string(root.file(&format!("{codec}.toml"))).unwrap();
            assert!(sidecar.contains(&format!("title = \"{codec}\"")), "{sidecar}");
        }
        assert_eq!(server.panics(), 0);
    });
}

fn ffmpeg_by_source() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(3));
    wait(async {
        let server = server(&root).await;
        let file = coded(&desk, &sound, "libmp3lame", "sound.mp3");
        let sent = ["-content_type", "audio/mpeg", "-legacy_icecast", "1", "-f", "mp3"];
        // In real time: it closes the connection without having read the answer, and what is on its way then is lost.
        Client::start(&desk, ffmpeg(&["-re"], &file, &sent, &server, "/a/live.mp3")).finish();
        assert_recorded(&root, "a/live", &sound, 1105).await;
        assert_eq!(server.panics(), 0);
    });
}

/// libshout: it asks what the server can, then without a password, and tells titles at an address of their own.
fn ezstream_records() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(3));
    wait(async {
        let server = server(&root).await;
        let file = coded(&desk, &sound, "libmp3lame", "sound.mp3");
        let config = format!(
            "<ezstream><servers><server><name>default</name><hostname>{}</hostname><port>{}</port>\
             <password>{PASSWORD}</password></server></servers>\
             <streams><stream><name>default</name><mountpoint>/live.mp3</mountpoint><format>MP3</format>\
             <intake>default</intake><server>default</server><stream_name>A show</stream_name></stream></streams>\
             <intakes><intake><name>default</name><type>file</type><filename>{}</filename>\
             <stream_once>yes</stream_once></intake></intakes>\
             <metadata><format_str>A song</format_str></metadata></ezstream>",
            server.address.ip(),
            server.address.port(),
            file.display()
        );
        let config = desk.put("ezstream.xml", config.as_bytes());
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut ezstream = Command::new("ezstream");
        ezstream.arg("-c").arg(config);
        Client::start(&desk, ezstream).finish();
        assert_recorded(&root, "live", &sound, 1105).await;
        let sidecar = std::fs::read_to_string(root.file("live.toml")).unwrap();
        assert!(sidecar.contains("title = \"A show\""), "{sidecar}");
        assert!(sidecar.contains("start = \"0.000000000\"\ntitle = \"A song\""), "{sidecar}");
        assert_eq!(server.panics(), 0);
    });
}

/// A program with windows, for somebody with a microphone; told what to do it is over its own port. It closes the connection
/// by which it tells a title without waiting for the answer.
fn butt_records() {
    let (root, desk) = (Root::new(), Desk::new());
    let told = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    wait(async {
        let (server, card) = (server(&root).await, Card::insert().await);
        let config = format!(
            "[main]\nserver = here\nicy = show\nnum_of_srv = 1\nnum_of_icy = 1\nsrv_ent = here\nicy_ent = show\n\
             connect_at_startup = 1\n[audio]\ndevice = default\nsamplerate = 48000\nbitrate = 128\nchannel = 2\n\
             codec = mp3\n[here]\naddress = {}\nport = {}\npassword = {PASSWORD}\ntype = 1\ntls = 0\n\
             mount = live.mp3\nusr = source\n[show]\npub = 0\n",
            server.address.ip(),
            server.address.port()
        );
        let config = desk.put("buttrc", config.as_bytes());
        let mut butt = Command::new("xvfb-run");
        butt.args(["-a", "butt", "-p", &told, "-c"]).arg(config).envs(card.environment());
        let at_work = Client::start(&desk, butt);
        let tell = |arguments: &[&str]| {
            let mut butt = Command::new("butt");
            butt.args(["-p", &told]).args(arguments);
            Client::start(&Desk::new(), butt).finish();
        };
        longer_than(&root.file("live.pcm"), RATE as u64 * 4).await;
        tell(&["-u", "A song"]);
        let sidecar = || std::fs::read_to_string(root.file("live.toml")).unwrap();
        eventually("its title is a chapter", || sidecar().contains("title = \"A song\"")).await;
        assert!(
            sidecar().contains("title = \"show\"") && sidecar().contains("s16le:48000:2"),
            "{}",
            sidecar()
        );
        tell(&["-q"]);
        at_work.finish();
        assert_eq!(server.panics(), 0);
    });
}

/// It refuses to be root, and so is nobody where the tests are.
fn as_somebody(folder: &Path) -> Command {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let script =
        "[ $(id -u) != 0 ] || set -- setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; exec \"$@\"";
    let mut command = Command::new("sh");
    command.env("HOME", folder).current_dir(folder).args(["-c", script, "sh"]);
    command
}

fn liquidsoap_records() {
    let (root, desk, sound) = (Root::new(), Desk::new(), seconds(3));
    wait(async {
        let server = server(&root).await;
        let file = coded(&desk, &sound, "pcm_s16le", "sound.wav");
        let script = format!(
            "settings.log.stdout.set(true)\nsettings.frame.audio.samplerate.set(48000)\n\
             output.icecast(%mp3(bitrate=192, samplerate=48000), host=\"127.0.0.1\", port={}, password=\"{PASSWORD}\", \
             mount=\"/live.mp3\", name=\"A show\", fallible=true, on_stop=shutdown, once(single(\"{}\")))",
            server.address.port(),
            file.display()
        );
        let mut liquidsoap = as_somebody(file.parent().unwrap());
        liquidsoap.args(["liquidsoap", &script]);
        let client = Client::start(&desk, liquidsoap);
        // It plays in real time, and goes on with silence behind the sound.
        longer_than(&root.file("live.pcm"), sound.len() as u64 / 2).await;
        client.kill();
        let sidecar = std::fs::read_to_string(root.file("live.toml")).unwrap();
        assert!(sidecar.contains("title = \"A show\"") && sidecar.contains("s16le:48000:2"), "{sidecar}");
        assert_eq!(server.panics(), 0);
    });
}
