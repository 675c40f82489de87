//! Settings: from the command line, else the environment, else a TOML file, else the default; checked once.
//!
//! Each is taken as text together with where it was written, so that every error can say which option, by the
//! name its author used, has which wrong value.

mod decoded;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use http::HeaderValue;
use ipnet::IpNet;
use tailcast_codecs::PcmSpec;

pub(crate) use values::{cores, key, thread_count};

use crate::{access, ingest, time, web};

/// Everything that `tailcast serve` can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of recordings.
    pub root: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What a raw recording without a sidecar is.
    pub pcm: PcmSpec,
    /// How long a recording may stand still before it counts as ended.
    pub growth_timeout: Duration,
    /// Bytes of coded segments that are kept.
    pub cache: u64,
    /// Where the sound of coded files is kept when it was decoded; nowhere if there is no place for that.
    pub decoded_cache: Option<PathBuf>,
    /// Bytes of it that are kept.
    pub decoded_cache_size: u64,
    /// Encoders at a time.
    pub threads: usize,
    /// How long bodies may take to end after a signal to stop.
    pub shutdown_timeout: Duration,
    /// Where `/metrics` is, instead of among the others.
    pub admin_listen: Option<SocketAddr>,
    /// What nobody gets more of.
    pub limits: Limits,
    /// Where others reach the server, without a slash at its end; else as each request says.
    pub public_url: Option<String>,
    /// What is said of all recordings together.
    pub feed: Feed,
    /// What reading takes.
    pub access: access::Settings,
    /// Which pages elsewhere may read.
    pub cors: Cors,
    /// What those who write are held to.
    pub ingest: ingest::Settings,
    /// What is logged, as a filter of `tracing`.
    pub log: String,
    /// How it is written.
    pub log_format: LogFormat,
    /// Files that others are not to read, each with its option.
    pub secrets: Vec<(Origin, PathBuf)>,
    /// By which names the options were given that may yet turn out not to work.
    pub names: Names,
}

/// What nobody gets more of, so that nobody takes it from the others.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time.
    pub connections: NonZeroUsize,
    /// Requests of one client under way at a time, by its address.
    pub requests_per_address: NonZeroUsize,
    /// Proxies that tell for whom they ask.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes of the head of a request.
    pub header_size: usize,
    /// How long a client may take to send one, or keep a connection without.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of what there is for it.
    pub stall_timeout: Duration,
    /// Segments that are coded, or wait to be, before nobody else is begun with.
    pub queue: NonZeroUsize,
    /// Ranges that are served of one request.
    pub ranges: NonZeroUsize,
}

/// What a feed says of all recordings together: what directories of podcasts ask for.
#[derive(Debug, Clone)]
pub struct Feed {
    /// What they are called.
    pub title: String,
    /// What they are, in a sentence or more.
    pub description: String,
    /// Who makes them.
    pub author: Option<String>,
    /// Where the owner of the feed is written to; directories send a code there before they believe it.
    pub email: Option<String>,
    /// The URL of a picture.
    pub image: Option<String>,
    /// Of what is spoken (BCP 47).
    pub language: Option<String>,
    /// One of Apple's, and perhaps one within it.
    pub category: Option<Category>,
    /// Whether it is not for children.
    pub explicit: bool,
}

/// A category of podcasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// The name of one within it.
    pub within: Option<String>,
}

/// Pages of which origins browsers let read what is here (CORS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// All.
    Any,
    /// Those of these; none at all if it is empty.
    Only(Vec<HeaderValue>),
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// What those options were written as that may yet turn out not to work: `--root`, `TAILCAST_ROOT`, …
#[derive(Debug, Clone)]
pub struct Names {
    /// The folder's.
    pub root: Origin,
    /// The address's.
    pub listen: Origin,
    /// That of the other address.
    pub admin_listen: Origin,
    /// That of the number of encoders.
    pub threads: Origin,
    /// That of the number of connections.
    pub connections: Origin,
}

/// One option: its name, what stands for its value in the help, its default, and what it is.
struct Setting {
    name: &'static str,
    value: &'static str,
    default: Option<&'static str>,
    help: &'static str,
}

const SETTINGS: [Setting; 37] = [
    Setting { name: "root", value: "DIR", default: None, help: "The folder of recordings" },
    Setting {
        name: "listen",
        value: "ADDRESS",
        default: Some("127.0.0.1:8000"),
        help: "Where to listen, address and port",
    },
    Setting {
        name: "pcm",
        value: "FORMAT:RATE:CHANNELS",
        default: Some("s16le:48000:2"),
        help: "What a raw recording is that has no sidecar to say so",
    },
    Setting {
        name: "growth-timeout",
        value: "TIME",
        default: Some("10"),
        help: "How long a recording may stand still before it counts as ended (seconds, or with a unit)",
    },
    Setting {
        name: "cache",
        value: "SIZE",
        default: Some("256MiB"),
        help: "How much coded sound to keep in memory, and a quarter as much of waveforms (bytes, or with KiB, MiB, GiB)",
    },
    Setting {
        name: "decoded-cache",
        value: "DIR",
        default: None,
        help: "Where to keep the decoded sound of FLAC, MP3, Ogg and MP4 files [default: among the user's caches]",
    },
    Setting {
        name: "decoded-cache-size",
        value: "SIZE",
        default: Some("4GiB"),
        help: "How much of it to keep (bytes, or with KiB, MiB, GiB)",
    },
    Setting {
        name: "threads",
        value: "N",
        default: None,
        help: "Encoders at a time [default: one for each core]",
    },
    Setting {
        name: "shutdown-timeout",
        value: "TIME",
        default: Some("5"),
        help: "How long answers may take to end after a signal to stop (seconds, or with a unit)",
    },
    Setting {
        name: "admin-listen",
        value: "ADDRESS",
        default: None,
        help: "Where /metrics is, address and port [default: among the others]",
    },
    Setting {
        name: "connections",
        value: "N",
        default: Some("4096"),
        help: "Connections at a time; the next is told to come again",
    },
    Setting {
        name: "requests-per-address",
        value: "N",
        default: Some("256"),
        help: "Connections of one client's address, or its requests by a trusted proxy, at a time",
    },
    Setting {
        name: "trusted-proxies",
        value: "ADDRESSES",
        default: Some("127.0.0.0/8,::1"),
        help: "Proxies that tell in X-Forwarded-For for whom they ask (addresses or networks, with commas)",
    },
    Setting {
        name: "header-size",
        value: "SIZE",
        default: Some("16KiB"),
        help: "How long the head of a request may be",
    },
    Setting {
        name: "idle-timeout",
        value: "TIME",
        default: Some("30"),
        help: "How long a client may take to send the head of a request, also of the next on a connection",
    },
    Setting {
        name: "stall-timeout",
        value: "TIME",
        default: Some("5m"),
        help: "How long a client may take nothing of an answer of which there is more",
    },
    Setting {
        name: "queue",
        value: "N",
        default: Some("256"),
        help: "Segments that are coded or wait to be; beyond that who wants another is told to come again",
    },
    Setting {
        name: "ranges",
        value: "N",
        default: Some("16"),
        help: "Ranges that are served of one request; who wants more gets the whole",
    },
    Setting {
        name: "public-url",
        value: "URL",
        default: None,
        help: "Where others reach the server, for feeds and playlists [default: as the request says]",
    },
    Setting {
        name: "feed-title",
        value: "TEXT",
        default: Some("Recordings"),
        help: "What the podcast of all recordings is called",
    },
    Setting {
        name: "feed-description",
        value: "TEXT",
        default: Some("Recordings, and what is being recorded"),
        help: "What the podcast is, in a sentence or more",
    },
    Setting { name: "feed-author", value: "TEXT", default: None, help: "Who makes the podcast" },
    Setting {
        name: "feed-email",
        value: "ADDRESS",
        default: None,
        help: "Where the owner of the podcast is written to; directories ask there whether it is theirs",
    },
    Setting { name: "feed-image", value: "URL", default: None, help: "The picture of the podcast" },
    Setting {
        name: "feed-language",
        value: "LANGUAGE",
        default: None,
        help: "What is spoken in the podcast, such as en or pt-BR",
    },
    Setting {
        name: "feed-category",
        value: "CATEGORY",
        default: None,
        help: "Of the podcast: one of Apple's, such as Music, or one within another: Arts > Design",
    },
    Setting {
        name: "feed-explicit",
        value: "BOOLEAN",
        default: Some("false"),
        help: "Whether the podcast is not for children: true, false",
    },
    Setting {
        name: "read-token-file",
        value: "FILE",
        default: None,
        help: "Tokens of which reading takes one, one a line [default: reading takes none]",
    },
    Setting {
        name: "read-token-for",
        value: "WHAT",
        default: Some("all"),
        help: "What reading takes a token for: all, or private (what its sidecar says is)",
    },
    Setting {
        name: "sign-key-file",
        value: "FILE",
        default: None,
        help: "The key of signed URLs, 32 bytes or more; see `tailcast sign` [default: none are taken]",
    },
    Setting {
        name: "cors-origin",
        value: "ORIGINS",
        default: Some("*"),
        help: "Pages elsewhere that browsers let read: * for any, none, or origins, with commas",
    },
    Setting {
        name: "ingest-token-file",
        value: "FILE",
        default: None,
        help: "Tokens of which writing takes one, one a line [default: only this machine writes, if only it is listened to]",
    },
    Setting {
        name: "ingest-sync",
        value: "WHEN",
        default: Some("none"),
        help: "When what is sent here is written to the disk itself: none, end, or so often (a time)",
    },
    Setting {
        name: "ingest-limit",
        value: "SIZE",
        default: None,
        help: "How long a recording that is sent here may become (bytes, or with KiB, MiB, GiB)",
    },
    Setting {
        name: "ingest-keep-free",
        value: "SIZE",
        default: Some("64MiB"),
        help: "How much of the disk is left free by what is sent here",
    },
    Setting {
        name: "log-format",
        value: "FORM",
        default: Some("text"),
        help: "How the log is written: text, or json (an object a line)",
    },
    Setting {
        name: "log",
        value: "FILTER",
        default: Some("info"),
        help: "What to log: error, warn, info, debug, trace, or a filter such as `tailcast=debug`",
    },
];

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Its value is wrong.
    #[error("{origin}: {why}")]
    Value {
        /// The option by the name it was given under.
        origin: Origin,
        /// What is wrong, with the value.
        why: String,
    },
    /// It has no default and was not given.
    #[error("--{0} is missing (or {env}, or `{0}` in the file of --config)", env = environment_name(.0))]
    Missing(&'static str),
    /// The file of settings cannot be used.
    #[error("{origin} {path}: {why}", path = .path.display())]
    File {
        /// The option by the name it was given under.
        origin: Origin,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// As an option.
    CommandLine(&'static str),
    /// In a variable.
    Environment(&'static str),
    /// Under a key of the file.
    File(&'static str, PathBuf),
    /// Nowhere.
    Default(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(name) | Self::Default(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(&environment_name(name)),
            Self::File(name, path) => write!(f, "`{name}` in {}", path.display()),
        }
    }
}

fn environment_name(name: &str) -> String {
    format!("TAILCAST_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The options, for a command line.
pub fn arguments(command: Command) -> Command {
    let config =
        Arg::new("config").long("config").value_name("FILE").env("TAILCAST_CONFIG").help(
            "A TOML file with any of these options as its keys (docs/tailcast.toml is one, with comments)",
        );
    SETTINGS.iter().fold(command.arg(config), |command, setting| {
        let default = setting.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        command.arg(
            Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.value)
                .env(environment_name(setting.name))
                // So that it is told which option has that value.
                .allow_negative_numbers(true)
                .help(format!("{}{default}", setting.help)),
        )
    })
}

/// Reads the settings.
///
/// # Errors
/// When one of them is missing or wrong.
pub fn read(matches: &ArgMatches) -> Result<Config, ConfigError> {
    let file = match matches.get_one::<String>("config") {
        Some(path) => {
            let origin = match matches.value_source("config") {
                Some(ValueSource::EnvVariable) => Origin::Environment("config"),
                _ => Origin::CommandLine("config"),
            };
            read_file(Path::new(path), &origin)?
        }
        None => File { path: PathBuf::new(), values: BTreeMap::new() },
    };
    Settings { matches: Some(matches), file }.config()
}

struct File {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

fn read_file(path: &Path, origin: &Origin) -> Result<File, ConfigError> {
    let wrong = |why: String| ConfigError::File { origin: origin.clone(), path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim().to_owned()))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !SETTINGS.iter().any(|setting| setting.name == key) {
            let known: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
            return Err(wrong(format!("unknown option `{key}` (known: {})", known.join(", "))));
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(whether) => whether.to_string(),
            other => {
                return Err(wrong(format!(
                    "`{key}` is a {}, not text, a number or a boolean",
                    other.type_str()
                )));
            }
        };
        values.insert(key, value);
    }
    Ok(File { path: path.to_owned(), values })
}

/// The values as they were written, each with its origin.
struct Settings<'a> {
    matches: Option<&'a ArgMatches>,
    file: File,
}

impl Settings<'_> {
    fn find(&self, name: &'static str) -> Option<(Origin, String)> {
        if let Some(matches) = self.matches
            && let Some(value) = matches.get_one::<String>(name)
        {
            let origin = match matches.value_source(name) {
                Some(ValueSource::EnvVariable) => Origin::Environment(name),
                _ => Origin::CommandLine(name),
            };
            return Some((origin, value.clone()));
        }
        if let Some(value) = self.file.values.get(name) {
            return Some((Origin::File(name, self.file.path.clone()), value.clone()));
        }
        let default = SETTINGS.iter().find(|setting| setting.name == name)?.default?;
        Some((Origin::Default(name), default.to_owned()))
    }

    /// A value, taken by `parse`, whose error says what is wrong with it.
    fn get<T, E: fmt::Display>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let (origin, value) = self.find(name).ok_or(ConfigError::Missing(name))?;
        parse(&value).map_err(|error| ConfigError::Value { origin, why: error.to_string() })
    }

    /// The same, of one that need not be there.
    fn given<T, E: fmt::Display>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        self.find(name).map(|_| self.get(name, parse)).transpose()
    }

    fn config(&self) -> Result<Config, ConfigError> {
        let name = |name| self.find(name).map_or(Origin::Default(name), |(origin, _)| origin);
        let root = self.get("root", values::folder)?;
        let decoded_cache = self.given("decoded-cache", |text| decoded::folder(text, &root))?;
        Ok(Config {
            decoded_cache: decoded_cache.or_else(|| decoded::default_folder(&root)),
            decoded_cache_size: self.get("decoded-cache-size", values::size)?,
            root,
            listen: self.get("listen", values::address)?,
            pcm: self.get("pcm", |text| text.parse::<PcmSpec>())?,
            growth_timeout: self.get("growth-timeout", time::duration)?,
            cache: self.get("cache", values::size)?,
            threads: self.given("threads", thread_count)?.unwrap_or_else(cores),
            shutdown_timeout: self.get("shutdown-timeout", time::duration)?,
            admin_listen: self.given("admin-listen", values::address)?,
            limits: self.limits()?,
            public_url: self.given("public-url", values::base_url)?,
            feed: self.feed()?,
            access: self.access()?,
            cors: self.get("cors-origin", values::cors)?,
            ingest: ingest::Settings {
                tokens: self.given("ingest-token-file", values::tokens)?,
                sync: self.get("ingest-sync", values::sync)?,
                most: self.given("ingest-limit", values::size)?,
                keep_free: self.get("ingest-keep-free", values::size)?,
            },
            log: self.get("log", values::filter)?,
            log_format: self.get("log-format", values::log_format)?,
            secrets: ["read-token-file", "ingest-token-file", "sign-key-file"]
                .into_iter()
                .filter_map(|name| self.find(name).map(|(origin, path)| (origin, path.into())))
                .collect(),
            names: Names {
                root: name("root"),
                listen: name("listen"),
                admin_listen: name("admin-listen"),
                threads: name("threads"),
                connections: name("connections"),
            },
        })
    }

    fn access(&self) -> Result<access::Settings, ConfigError> {
        let tokens_are_in = |file: &str| {
            let same = |name| self.find(name).is_some_and(|(_, tokens)| tokens == file);
            same("read-token-file") || same("ingest-token-file")
        };
        let key = |file: &str| match values::key(file) {
            // Whoever has a token could sign.
            Ok(_) if tokens_are_in(file) => Err(format!("`{file}` is a file of tokens, and no key")),
            key => key,
        };
        Ok(access::Settings {
            tokens: self.given("read-token-file", values::tokens)?,
            tokens_for: self.get("read-token-for", values::tokens_for)?,
            key: self.given("sign-key-file", key)?,
        })
    }

    fn feed(&self) -> Result<Feed, ConfigError> {
        Ok(Feed {
            title: self.get("feed-title", values::words)?,
            description: self.get("feed-description", values::words)?,
            author: self.given("feed-author", values::words)?,
            email: self.given("feed-email", values::email)?,
            image: self.given("feed-image", |text| web::url(text).map(str::to_owned))?,
            language: self.given("feed-language", values::language)?,
            category: self.given("feed-category", values::category)?,
            explicit: self.get("feed-explicit", values::boolean)?,
        })
    }

    fn limits(&self) -> Result<Limits, ConfigError> {
        Ok(Limits {
            connections: self.get("connections", values::count)?,
            requests_per_address: self.get("requests-per-address", values::count)?,
            trusted_proxies: self.get("trusted-proxies", values::networks)?,
            header_size: self.get("header-size", values::head_size)?,
            idle_timeout: self.get("idle-timeout", time::duration)?,
            stall_timeout: self.get("stall-timeout", time::duration)?,
            queue: self.get("queue", values::count)?,
            ranges: self.get("ranges", values::count)?,
        })
    }
}

impl Config {
    /// The defaults, for a folder.
    ///
    /// # Errors
    /// When `root` is not a folder.
    pub fn for_root(root: &Path) -> Result<Self, ConfigError> {
        let values = BTreeMap::from([("root".to_owned(), root.display().to_string())]);
        Settings { matches: None, file: File { path: PathBuf::new(), values } }.config()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_arguments(arguments_given: &[&str]) -> Result<Config, ConfigError> {
        let command = arguments(Command::new("serve"));
        read(&command.try_get_matches_from(arguments_given).unwrap())
    }

    #[test]
    fn a_wrong_value_is_named_with_its_option() {
        for (name, value) in [
            ("listen", "localhost"),
            ("pcm", "s17le:48000:2"),
            ("growth-timeout", "soon"),
            ("cache", "much"),
            ("decoded-cache", "/in/the/root"),
            ("decoded-cache-size", "all"),
            ("threads", "0"),
            ("admin-listen", "8001"),
            ("connections", "0"),
            ("requests-per-address", "many"),
            ("trusted-proxies", "proxy.example"),
            ("header-size", "4KiB"),
            ("idle-timeout", "-1"),
            ("stall-timeout", "x"),
            ("queue", "0"),
            ("ranges", "1.5"),
            ("public-url", "radio.example"),
            ("public-url", "https://radio.example/?q"),
            ("feed-title", " "),
            ("feed-email", "nobody"),
            ("feed-image", "cover.jpg"),
            ("feed-language", "English spoken"),
            ("feed-category", "Arts > Design > Web"),
            ("feed-explicit", "yes"),
            ("read-token-file", "/nonexistent"),
            ("read-token-for", "some"),
            ("sign-key-file", "/nonexistent"),
            ("cors-origin", "radio.example"),
            ("cors-origin", "https://radio.example/"),
            ("cors-origin", "https://Radio.example"),
            ("cors-origin", "https://radio.example:443"),
            ("cors-origin", "https://*.example"),
            ("ingest-token-file", "/nonexistent"),
            ("ingest-sync", "always"),
            ("ingest-limit", "much"),
            ("ingest-keep-free", "-1"),
            ("log-format", "xml"),
            ("root", "/nonexistent"),
        ] {
            let root = if name == "root" { value } else { "/" };
            let mut given = vec!["serve".to_owned(), "--root".to_owned(), root.to_owned()];
            if name != "root" {
                given.extend([format!("--{name}"), value.to_owned()]);
            }
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            let error = from_arguments(&given).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--{name}: ")) && error.contains(value), "{error}");
        }
        assert!(from_arguments(&["serve"]).unwrap_err().to_string().contains("--root"));
    }

    #[test]
    fn the_command_line_goes_before_the_file_and_the_file_before_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.toml");
        std::fs::write(&file, "root = '/'\ncache = '1MiB'\ngrowth-timeout = 3\n").unwrap();
        let file = file.display().to_string();
        let config = from_arguments(&["serve", "--config", &file, "--cache", "2MiB"]).unwrap();
        assert_eq!((config.cache, config.growth_timeout), (2 << 20, Duration::from_secs(3)));
        assert_eq!(config.listen, "127.0.0.1:8000".parse().unwrap());

        for (text, named) in [
            ("cash = 1", "cash"),
            ("root = '/'\ncache = true", "`true`"),
            ("cache = []", "cache"),
            ("root = ", "root"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert!(from_arguments(&["serve", "--config", &file]).unwrap_err().to_string().contains(named));
        }
        std::fs::write(&file, "root = '/'\nthreads = 'x'").unwrap();
        let error = from_arguments(&["serve", "--config", &file]).unwrap_err().to_string();
        assert!(error.contains("`threads` in") && error.contains("`x`"), "{error}");
    }

    #[test]
    fn the_commented_file_in_the_docs_is_complete_and_valid() {
        let text = include_str!("../../docs/tailcast.toml");
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest,
                _ => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let table: toml::Table = toml::from_str(&uncommented).unwrap();
        let mut keys: Vec<&str> = table.keys().map(String::as_str).collect();
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        keys.sort_unstable();
        names.sort_unstable();
        assert_eq!(keys, names);
    }
}
