//! What the tests share: a folder of recordings, the real server on a port of its own, a client, a recorder.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod judged;
pub mod process;
pub mod sound;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::HeaderMap;
use tailcast::Server;
use tailcast::config::Config;
use tailcast::segments::Segments;
use tailcast::waveform::Waveforms;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A folder of recordings that goes away with the test.
pub struct Root {
    dir: TempDir,
}

impl Root {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file (for example `show.pcm` or `show.toml`), whole.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Sets when a file was last written to.
    pub fn touch(&self, name: &str, at: std::time::SystemTime) {
        OpenOptions::new().write(true).open(self.file(name)).unwrap().set_modified(at).unwrap();
    }

    /// Appends to a file, as a recorder does.
    pub fn append(&self, name: &str, bytes: &[u8]) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.file(name)).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// A recording of which its sidecar says what it is and that it has ended.
    pub fn finished(&self, name: &str, pcm: &str, bytes: &[u8]) {
        self.write(&format!("{name}.toml"), format!("pcm = \"{pcm}\"\nended = true\n"));
        self.write(&format!("{name}.pcm"), bytes);
    }

    /// A recording that has just begun.
    pub fn growing(&self, name: &str, pcm: &str, bytes: &[u8]) {
        self.write(&format!("{name}.toml"), format!("pcm = \"{pcm}\"\n"));
        self.write(&format!("{name}.pcm"), bytes);
    }

    /// What a recorder that says so does at its end.
    pub fn end(&self, name: &str, pcm: &str) {
        self.write(&format!("{name}.toml"), format!("pcm = \"{pcm}\"\nended = true\n"));
    }
}

/// The server in this process, on a port of its own. It is stopped when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub segments: Arc<Segments>,
    pub waveforms: Arc<Waveforms>,
    panics: Box<dyn Fn() -> u64 + Send + Sync>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

impl Running {
    /// With the defaults but for a growth timeout of two seconds.
    pub async fn start(root: &Root) -> Self {
        Self::with(root, |_| {}).await
    }

    pub async fn with(root: &Root, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::for_root(root.path()).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.growth_timeout = Duration::from_secs(2);
        change(&mut config);
        let server = Server::bind(&config).await.unwrap();
        let (address, segments) = (server.address(), Arc::clone(server.segments()));
        let (waveforms, admin) = (Arc::clone(server.waveforms()), server.admin_address());
        let panics = Box::new(server.panics());
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, admin, segments, waveforms, panics, stop: Some(stop), served: Some(served) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A whole answer.
    pub async fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[]).await
    }

    /// A whole answer to a request with headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.open("GET", path, headers).await.rest().await
    }

    pub async fn range(&self, path: &str, range: &str) -> Reply {
        self.get_with(path, &[("range", range)]).await
    }

    pub async fn head(&self, path: &str) -> Reply {
        self.open("HEAD", path, &[]).await.rest().await
    }

    /// An answer whose body is still to be read.
    pub async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Open {
        let method = method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Open::new(request.send().await.unwrap())
    }

    /// Sends bytes just as they are and gives what comes back until the server closes.
    pub async fn raw(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Requests whose handler panicked.
    pub fn panics(&self) -> u64 {
        (self.panics)()
    }

    /// Stops as on a signal and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.served.take().unwrap().await.unwrap();
    }
}

/// An answer of which the head is there.
pub struct Open {
    pub status: u16,
    pub headers: HeaderMap,
    response: reqwest::Response,
}

impl Open {
    fn new(response: reqwest::Response) -> Self {
        Self { status: response.status().as_u16(), headers: response.headers().clone(), response }
    }

    /// The next piece of the body; `None` at its end in order, an error if it broke off.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, reqwest::Error> {
        Ok(self.response.chunk().await?.map(|bytes| bytes.to_vec()))
    }

    /// Reads until there are `len` bytes.
    pub async fn take(&mut self, len: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < len {
            body.extend(self.next().await.unwrap().expect("the body ended"));
        }
        body
    }

    /// Everything that is left, which must end in order.
    pub async fn rest(self) -> Reply {
        let (status, headers) = (self.status, self.headers);
        let mut body = Vec::new();
        let mut stream = self.response.bytes_stream();
        while let Some(bytes) = stream.next().await {
            body.extend(bytes.expect("the body broke off"));
        }
        Reply { status, headers, body }
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// That an answer is a problem document whose detail names something.
pub fn is_problem(reply: &Reply, status: u16, named: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let problem = reply.json();
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(problem[member].is_string(), "{member} is missing: {problem}");
    }
    assert!(problem["detail"].as_str().unwrap().contains(named), "`{named}` is not named: {problem}");
}

/// Runs until `condition` holds; fails after a time in which it surely would.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came about that {what}");
}

/// Keeps the server's only encoder until what it gives is dropped.
pub async fn without_encoder(server: &Running) -> mpsc::Sender<()> {
    let (keep, kept) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let segments = Arc::clone(&server.segments);
    tokio::spawn(async move {
        let work = move || {
            let _ = begun.send(());
            let _ = kept.recv();
        };
        segments.idle(work).await
    });
    has_begun.await.unwrap();
    keep
}

impl Open {
    /// An answer of any server, such as one in a process of its own.
    pub async fn at(url: String, headers: &[(&str, &str)]) -> Self {
        let mut request = reqwest::Client::new().get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Self::new(request.send().await.unwrap())
    }

    /// Everything that is left, which must end in order and come to no more than `most` bytes: for a body of
    /// which a test doubts that it ends.
    pub async fn rest_within(mut self, most: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(bytes) = self.next().await.expect("the body broke off") {
            body.extend(bytes);
            assert!(body.len() <= most, "there cannot be more than {most} bytes, and they go on");
        }
        body
    }
}

/// The codec that the server takes for a recording of `pcm` when only the extension is given: for its arithmetic.
pub fn codec(extension: &str, pcm: &str) -> Arc<dyn tailcast_codecs::Codec> {
    use tailcast_codecs::format::{Format, Parameters};
    let format = Format::from_extension(extension).unwrap();
    format.codec(pcm.parse().unwrap(), Parameters::default()).unwrap()
}

/// Bytes before the first packet of the whole of a recording.
pub fn header_len(extension: &str, pcm: &str) -> usize {
    usize::try_from(tailcast_codecs::Cut::new(codec(extension, pcm).grid(), 0).header_len()).unwrap()
}

/// Runs what is asynchronous in a test that is not.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}
