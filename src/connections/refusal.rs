//! Answers to connections that are not taken on: who is turned away is told why and when to come again.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::Problem;

/// Connections that are told at a time; any more are closed without a word.
const AT_A_TIME: usize = 64;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a request that are waited for, if its head does not end before.
const MOST_ASKED: usize = 4096;

/// Turns connections away.
#[derive(Debug)]
pub(super) struct Refusals {
    room: Arc<Semaphore>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Refusals {
    /// Since there are as many as there may be.
    pub(super) fn connections(&self, stream: TcpStream, most: u32) {
        self.tell(stream, &Problem::connections(most));
    }

    /// Since its address has as many as one may have.
    pub(super) fn address(&self, stream: TcpStream, address: IpAddr, most: NonZeroUsize) {
        self.tell(stream, &Problem::address(address, most));
    }

    fn tell(&self, stream: TcpStream, problem: &Problem) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else { return };
        let answer = written(problem);
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, say(stream, answer)).await;
            drop(permit);
        });
    }
}

/// The problem as a whole answer.
fn written(problem: &Problem) -> Vec<u8> {
    let (status, body) = (problem.status(), problem.body());
    let mut answer = format!("HTTP/1.1 {status}\r\n").into_bytes();
    let mut headers = problem.headers();
    // As all answers have it: else a page in a browser is not told why.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    for (name, value) in &headers {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes());
    answer.extend(body);
    answer
}

async fn say(mut stream: TcpStream, answer: Vec<u8>) -> std::io::Result<()> {
    // To an answer before they have asked some clients pay no attention.
    let mut asked = Vec::new();
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") && asked.len() < MOST_ASKED {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(&answer).await?;
    stream.shutdown().await?;
    // Closed with anything unread, the connection would be reset, and the answer lost with it.
    while stream.read(&mut asked).await? > 0 {}
    Ok(())
}
